import { expect, test } from "vitest";
import { describeFailure } from "../../cli/failure.ts";
import { parseRoomClassFile, roomClassText } from "../../cli/room-class-text.ts";
import {
  PublishPermission,
  RoomMode,
  SlowMemberPolicy,
} from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";

function parse(value: unknown) {
  return parseRoomClassFile(typeof value === "string" ? value : JSON.stringify(value), "acme");
}

test("parseRoomClassFile: names only the fields of the file in its mask", () => {
  const [wish, ...more] = parse({ name: "game", historyCountMax: 5, slowMemberPolicy: "gap" });
  expect(more).toEqual([]);
  expect(wish?.mask).toEqual(["history_count_max", "slow_member_policy"]);
  expect(wish?.roomClass).toMatchObject({
    name: "tenants/acme/roomClasses/game",
    mode: RoomMode.UNSPECIFIED,
    historyCountMax: 5,
    slowMemberPolicy: SlowMemberPolicy.GAP,
  });
});

test("parseRoomClassFile: takes words in any case, and as in the .proto files", () => {
  for (const mode of ["durable", "DURABLE", "ROOM_MODE_DURABLE"]) {
    expect(parse({ name: "a", mode })[0]?.roomClass.mode).toBe(RoomMode.DURABLE);
  }
  const permission = parse({ name: "a", publishPermission: "PUBLISH_PERMISSION_BACKEND" });
  expect(permission[0]?.roomClass.publishPermission).toBe(PublishPermission.BACKEND);
});

test("parseRoomClassFile: takes what roomClassText prints, with full or short name", () => {
  for (const mode of [RoomMode.DURABLE, RoomMode.EPHEMERAL]) {
    const regions = mode === RoomMode.DURABLE ? ["eu", "us"] : [];
    const base = defaultRoomClass("tenants/acme/roomClasses/a", mode);
    const record = { ...base, etag: "7", regions };
    const text = roomClassText(record);
    const [wish] = parse([text]);
    expect(wish?.roomClass).toEqual(record);
    expect(parse({ ...text, name: record.name })[0]?.class).toBe("a");
  }
});

test.each([
  ["{", "the file is neither JSON nor YAML"],
  ["[]", "the file holds no class"],
  ["[1]", "entry 1 of the file is not an object"],
  ["null", "entry 1 of the file is not an object"],
  [{}, "entry 1 of the file: name is missing"],
  [{ name: "Game" }, 'entry 1 of the file: name is "Game"'],
  [{ name: 5 }, "entry 1 of the file: name is 5"],
  [{ name: "tenants/other/roomClasses/game" }, "name is"],
  [{ name: "game", colour: 1 }, 'class "game": there is no field "colour"'],
  [{ name: "game", __proto__: 1, constructor: 1 }, 'there is no field "constructor"'],
  [{ name: "game", mode: "sometimes" }, 'mode is "sometimes"'],
  [{ name: "game", mode: 2 }, "mode is 2"],
  [{ name: "game", mode: "unspecified" }, 'mode is "unspecified"'],
  [{ name: "game", historyCountMax: "5" }, 'historyCountMax is "5"'],
  [{ name: "game", historyCountMax: 0.5 }, "historyCountMax is 0.5"],
  [{ name: "game", historyAgeMaxS: -1 }, "historyAgeMaxS is -1"],
  [{ name: "game", historyAgeMaxS: 2 ** 32 }, "historyAgeMaxS is 4294967296"],
  [{ name: "game", placementGroup: 1 }, 'class "game": placementGroup is 1'],
  [{ name: "game", regions: "eu" }, 'class "game": regions is "eu"'],
  [{ name: "game", etag: 5 }, "etag is not a string"],
  [[{ name: "live" }, { name: "live" }], 'the file has class "live" twice'],
])("parseRoomClassFile: %j is a usage error that says why", (input, reason) => {
  let failure: unknown;
  try {
    parse(input);
  } catch (error) {
    failure = error;
  }
  const { text, exitCode } = describeFailure(failure);
  expect(exitCode).toBe(2);
  expect(text).toContain(reason);
});
