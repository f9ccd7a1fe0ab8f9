import { describe, expect, test } from "vitest";
import {
  applyFields,
  checkRoomClass,
  checkUpdateMask,
  completeRoomClass,
  isSamePolicy,
  SETTABLE_FIELDS,
  updateFields,
} from "../../controlplane/check-room-class.ts";
import { RoomMode, SlowMemberPolicy } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";
import { roomClass } from "./start-control-plane.ts";

const name = "tenants/a/roomClasses/b";

describe("checkRoomClass", () => {
  test("checkRoomClass: the defaults of both modes have no fault", () => {
    for (const mode of [RoomMode.DURABLE, RoomMode.EPHEMERAL]) {
      expect(checkRoomClass(defaultRoomClass(name, mode))).toEqual([]);
      expect(checkRoomClass(completeRoomClass(name, roomClass({ mode })))).toEqual([]);
    }
  });

  test.each([1, 100_000])("checkRoomClass: a history count of %d is legal", (historyCountMax) => {
    const record = { ...defaultRoomClass(name, RoomMode.DURABLE), historyCountMax };
    expect(checkRoomClass(record)).toEqual([]);
  });

  test.each([0, 100_001, 4_294_967_295])("checkRoomClass: %d is not", (historyCountMax) => {
    const record = { ...defaultRoomClass(name, RoomMode.DURABLE), historyCountMax };
    const [fault, ...more] = checkRoomClass(record);
    expect(fault?.field).toBe("room_class.history_count_max");
    expect(fault?.description).toContain(`${historyCountMax} is not from 1 to 100000`);
    expect(more).toEqual([]);
  });

  test("checkRoomClass: RESYNC needs a store", () => {
    const slowMemberPolicy = SlowMemberPolicy.RESYNC;
    const record = { ...defaultRoomClass(name, RoomMode.EPHEMERAL), slowMemberPolicy };
    expect(checkRoomClass(record).map(({ field }) => field)).toEqual([
      "room_class.slow_member_policy",
    ]);
  });
});

describe("update masks", () => {
  test("checkUpdateMask: knows every settable field, mode, and *", () => {
    expect(checkUpdateMask([...SETTABLE_FIELDS, "mode", "*", "etag"])).toEqual([]);
    expect(checkUpdateMask(["history_count_max ", "x"])).toHaveLength(2);
    expect(checkUpdateMask(Array.from({ length: 33 }, () => "mode"))).toHaveLength(1);
  });

  test("updateFields: those of the mask, all for *, the given ones without a mask", () => {
    const given = roomClass({ historyAgeMaxS: 5, mode: RoomMode.DURABLE });
    expect(updateFields(["history_count_max"], given)).toEqual({
      fields: ["history_count_max"],
      hasMode: false,
      hasGroup: false,
    });
    expect(updateFields(["*"], given)).toEqual({
      fields: SETTABLE_FIELDS,
      hasMode: true,
      hasGroup: false,
    });
    expect(updateFields([], given)).toEqual({
      fields: ["history_age_max_s"],
      hasMode: true,
      hasGroup: false,
    });
    expect(updateFields([], roomClass({}))).toEqual({
      fields: [],
      hasMode: false,
      hasGroup: false,
    });
  });

  test("applyFields: changes only what is named, and leaves its arguments alone", () => {
    const present = { ...defaultRoomClass(name, RoomMode.DURABLE), historyCountMax: 9 };
    const given = roomClass({ historyCountMax: 3, historyAgeMaxS: 4 });
    const changed = applyFields(present, ["history_count_max"], given);
    expect(changed).toEqual({ ...present, historyCountMax: 3 });
    expect(present.historyCountMax).toBe(9);
    expect(isSamePolicy(present, changed)).toBe(false);
    expect(isSamePolicy(present, { ...present, etag: "7" })).toBe(true);
  });
});
