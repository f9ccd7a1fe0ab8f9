/**
 * RoomClassService over real gRPC on the embedded bus.
 */

import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOM_CLASS_COUNT_MAX } from "../../controlplane/room-class-store.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import {
  PublishPermission,
  RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "../../proto/gen/tidegate/control/v1/room_class.ts";
import type { RoomClassServiceClient } from "../../proto/gen/tidegate/control/v1/room_class_service.ts";
import { defaultRoomClass, roomClassKey } from "../../proto/room-class.ts";
import { call, openControlPlane, refusal, roomClass } from "./start-control-plane.ts";

let plane: Awaited<ReturnType<typeof openControlPlane>>;
let client: RoomClassServiceClient;
let tenantCount = 0;

beforeAll(async () => {
  plane = await openControlPlane();
  client = plane.classes;
});
afterAll(() => plane.close());

/** Each test has a tenant of its own. */
function newTenant(): string {
  tenantCount += 1;
  return `t${tenantCount}`;
}

function create(tenant: string, id: string, fields: Partial<RoomClass>, validateOnly = false) {
  const named = { parent: `tenants/${tenant}`, roomClassId: id, roomClass: roomClass(fields) };
  const request = { ...named, validateOnly, requestId: "" };
  return call(client, client.createRoomClass, request);
}

function get(tenant: string, id: string) {
  return call(client, client.getRoomClass, { name: `tenants/${tenant}/roomClasses/${id}` });
}

function update(
  tenant: string,
  id: string,
  fields: Partial<RoomClass>,
  more: { mask?: string[]; allowMissing?: boolean; validateOnly?: boolean } = {},
) {
  const { mask, allowMissing = false, validateOnly = false } = more;
  const named = roomClass({ name: `tenants/${tenant}/roomClasses/${id}`, ...fields });
  const request = { roomClass: named, updateMask: mask, allowMissing, validateOnly, requestId: "" };
  return call(client, client.updateRoomClass, request);
}

function remove(tenant: string, id: string, etag = "", validateOnly = false) {
  const name = `tenants/${tenant}/roomClasses/${id}`;
  return call(client, client.deleteRoomClass, { name, etag, validateOnly, requestId: "" });
}

async function names(tenant: string): Promise<string[]> {
  const request = { parent: `tenants/${tenant}`, pageSize: 0, pageToken: "" };
  const { roomClasses } = await call(client, client.listRoomClasses, request);
  return roomClasses.map(({ name }) => name.split("/")[3] ?? "");
}

describe("CreateRoomClass", () => {
  test("CreateRoomClass: fills in the defaults of the mode, stores, and gives an etag", async () => {
    const tenant = newTenant();
    const { roomClass: created } = await create(tenant, "game", { mode: RoomMode.DURABLE });
    expect(created).toMatchObject({
      name: `tenants/${tenant}/roomClasses/game`,
      mode: RoomMode.DURABLE,
      historyCountMax: 1000,
      historyAgeMaxS: 2_592_000,
      publishPermission: PublishPermission.CLIENTS,
      slowMemberPolicy: SlowMemberPolicy.RESYNC,
      builtIn: false,
      deleted: false,
    });
    expect(created?.etag).toMatch(/^[1-9]\d*$/);
    expect(created?.updateTime).toBeInstanceOf(Date);
    expect((await get(tenant, "game")).roomClass).toEqual(created);
  });

  test("CreateRoomClass: tells every bad field, and stores nothing", async () => {
    const tenant = newTenant();
    const bad = { mode: RoomMode.EPHEMERAL, historyCountMax: 5, historyAgeMaxS: 9 };
    const slow = { slowMemberPolicy: SlowMemberPolicy.RESYNC };
    const refused = await refusal(create(tenant, "game", { ...bad, ...slow }));
    expect(refused).toMatchObject({
      grpc: status.INVALID_ARGUMENT,
      code: "REQUEST_INVALID",
      domain: "tidegate.dev",
      fields: [
        "room_class.history_count_max",
        "room_class.history_age_max_s",
        "room_class.slow_member_policy",
      ],
    });
    expect(await names(tenant)).toEqual(["chat", "live"]);
  });

  test.each([
    ["", "Game", { mode: RoomMode.DURABLE }, "room_class_id"],
    ["", "a".repeat(33), { mode: RoomMode.DURABLE }, "room_class_id"],
    ["", "game", {}, "room_class.mode"],
    ["", "game", { mode: 7 as RoomMode }, "room_class.mode"],
    ["", "game", { mode: -1 as RoomMode }, "room_class.mode"],
    [
      "",
      "game",
      { mode: RoomMode.DURABLE, historyCountMax: 100_001 },
      "room_class.history_count_max",
    ],
    ["", "game", { mode: 2, historyAgeMaxS: 2_592_001 }, "room_class.history_age_max_s"],
    ["", "game", { mode: 2, publishPermission: 9 as 1 }, "room_class.publish_permission"],
    ["", "game", { mode: 2, name: "tenants/x/roomClasses/other" }, "room_class.name"],
    ["UPPER", "game", { mode: RoomMode.DURABLE }, "parent"],
    ["a/b", "game", { mode: RoomMode.DURABLE }, "parent"],
  ] as const)("CreateRoomClass: refuses tenant %j, class %j, %j at %s", async (...row) => {
    const [given, id, fields, field] = row;
    const tenant = given === "" ? newTenant() : given;
    const refused = await refusal(create(tenant, id, fields));
    expect(refused.grpc).toBe(status.INVALID_ARGUMENT);
    expect(refused.fields).toEqual([field]);
  });

  test("CreateRoomClass: is ALREADY_EXISTS for a class that is stored or built in", async () => {
    const tenant = newTenant();
    await create(tenant, "game", { mode: RoomMode.DURABLE });
    for (const id of ["game", "chat"]) {
      const refused = await refusal(create(tenant, id, { mode: RoomMode.DURABLE }));
      expect(refused).toMatchObject({ grpc: status.ALREADY_EXISTS, code: "ALREADY_EXISTS" });
    }
  });

  test("CreateRoomClass: validate_only answers the class and stores nothing", async () => {
    const tenant = newTenant();
    const { roomClass: checked } = await create(tenant, "game", { mode: RoomMode.DURABLE }, true);
    expect(checked?.historyCountMax).toBe(1000);
    expect(await refusal(get(tenant, "game"))).toMatchObject({ grpc: status.NOT_FOUND });
  });

  test("CreateRoomClass: twenty at once, one wins", async () => {
    const tenant = newTenant();
    const tries = Array.from({ length: 20 }, () =>
      create(tenant, "game", { mode: RoomMode.DURABLE }).then(
        () => "created",
        (reason) => status[reason.code],
      ),
    );
    const outcomes = await Promise.all(tries);
    expect(outcomes.filter((outcome) => outcome === "created")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "ALREADY_EXISTS")).toHaveLength(19);
  });
});

test("CreateRoomClass: ends at ROOM_CLASS_COUNT_MAX classes of a tenant", async () => {
  const tenant = newTenant();
  const keys = await plane.bus.keyValue(CONTROL_BUCKET);
  const record = RoomClass.encode(defaultRoomClass("", RoomMode.EPHEMERAL)).finish();
  const ids = Array.from({ length: ROOM_CLASS_COUNT_MAX - 1 }, (_, at) => `c${at}`);
  await Promise.all(ids.map((id) => keys.create(roomClassKey(tenant, id), record)));
  await create(tenant, "last", { mode: RoomMode.EPHEMERAL });
  const refused = await refusal(create(tenant, "more", { mode: RoomMode.EPHEMERAL }));
  expect(refused).toMatchObject({ grpc: status.RESOURCE_EXHAUSTED, code: "ROOM_CLASS_LIMIT" });
  await update(tenant, "c7", { slowMemberPolicy: SlowMemberPolicy.DISCONNECT });
});

describe("GetRoomClass and ListRoomClasses", () => {
  test("GetRoomClass: has built-in classes for every tenant, without a record", async () => {
    const tenant = newTenant();
    const { roomClass: chat } = await get(tenant, "chat");
    expect(chat).toMatchObject({ builtIn: true, etag: "0", mode: RoomMode.DURABLE });
    expect(chat?.updateTime).toBeUndefined();
    const { roomClass: live } = await get(tenant, "live");
    expect(live).toMatchObject({ builtIn: true, etag: "0", mode: RoomMode.EPHEMERAL });
  });

  test.each([
    ["tenants/a/roomClasses/nope", status.NOT_FOUND, "NOT_FOUND"],
    ["", status.INVALID_ARGUMENT, "REQUEST_INVALID"],
    ["chat", status.INVALID_ARGUMENT, "REQUEST_INVALID"],
    ["tenants/a/roomClasses/chat/x", status.INVALID_ARGUMENT, "REQUEST_INVALID"],
    ["tenants/a.b/roomClasses/chat", status.INVALID_ARGUMENT, "REQUEST_INVALID"],
    ["tenants/a/roomClasses/ch.at", status.INVALID_ARGUMENT, "REQUEST_INVALID"],
  ])("GetRoomClass: of %j is refused with %d %s", async (name, grpc, code) => {
    const refused = await refusal(call(client, client.getRoomClass, { name }));
    expect(refused).toMatchObject({ grpc, code });
  });

  test("ListRoomClasses: pages hold every class once, by name, of one tenant", async () => {
    const tenant = newTenant();
    const ids = Array.from({ length: 23 }, (_, at) => `c${String(at).padStart(2, "0")}`);
    await Promise.all(ids.map((id) => create(tenant, id, { mode: RoomMode.EPHEMERAL })));
    await create(`${tenant}x`, "other", { mode: RoomMode.EPHEMERAL });
    const found: string[] = [];
    const sizes: number[] = [];
    let pageToken = "";
    do {
      const request = { parent: `tenants/${tenant}`, pageSize: 10, pageToken };
      const page = await call(client, client.listRoomClasses, request);
      found.push(...page.roomClasses.map(({ name }) => name.split("/")[3] ?? ""));
      sizes.push(page.roomClasses.length);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(found).toEqual([...ids, "chat", "live"].sort());
    expect(sizes).toEqual([10, 10, 5]);
  });

  test("ListRoomClasses: a full last page has no next one", async () => {
    const request = { parent: `tenants/${newTenant()}`, pageSize: 2, pageToken: "" };
    const page = await call(client, client.listRoomClasses, request);
    expect(page.roomClasses).toHaveLength(2);
    expect(page.nextPageToken).toBe("");
  });

  test("ListRoomClasses: refuses a token of another tenant, and one that is none", async () => {
    const parent = `tenants/${newTenant()}`;
    const first = { parent, pageSize: 1, pageToken: "" };
    const { nextPageToken } = await call(client, client.listRoomClasses, first);
    for (const request of [
      { parent: "tenants/other", pageSize: 1, pageToken: nextPageToken },
      { parent, pageSize: 1, pageToken: "abc" },
      { parent, pageSize: 1, pageToken: "x".repeat(5000) },
    ]) {
      const refused = await refusal(call(client, client.listRoomClasses, request));
      expect(refused).toMatchObject({ grpc: status.INVALID_ARGUMENT, fields: ["page_token"] });
    }
  });
});

describe("UpdateRoomClass", () => {
  test("UpdateRoomClass: without a mask sets the fields that are given, and no other", async () => {
    const tenant = newTenant();
    await create(tenant, "game", { mode: RoomMode.DURABLE, historyAgeMaxS: 60 });
    const { roomClass: updated } = await update(tenant, "game", { historyCountMax: 5 });
    expect(updated).toMatchObject({ historyCountMax: 5, historyAgeMaxS: 60 });
    expect((await get(tenant, "game")).roomClass).toEqual(updated);
  });

  test("UpdateRoomClass: a masked field that is not given goes back to its default", async () => {
    const tenant = newTenant();
    await create(tenant, "game", { mode: RoomMode.DURABLE, historyCountMax: 5, historyAgeMaxS: 6 });
    const mask = ["history_count_max"];
    const { roomClass: updated } = await update(tenant, "game", { historyAgeMaxS: 7 }, { mask });
    expect(updated).toMatchObject({ historyCountMax: 1000, historyAgeMaxS: 6 });
    const { roomClass: whole } = await update(tenant, "game", {}, { mask: ["*"] });
    expect(whole).toMatchObject({ historyCountMax: 1000, historyAgeMaxS: 2_592_000 });
  });

  test("UpdateRoomClass: ignores output-only fields in a mask, and refuses unknown ones", async () => {
    const tenant = newTenant();
    await create(tenant, "game", { mode: RoomMode.DURABLE });
    const mask = ["etag", "built_in", "update_time", "deleted", "name"];
    const { roomClass: same } = await update(tenant, "game", { deleted: true }, { mask });
    expect(same?.deleted).toBe(false);
    for (const path of ["nope", "historyCountMax", "", "room_class.mode"]) {
      const refused = await refusal(update(tenant, "game", {}, { mask: [path] }));
      expect(refused).toMatchObject({ grpc: status.INVALID_ARGUMENT, fields: ["update_mask"] });
    }
  });

  test("UpdateRoomClass: a stale etag is ABORTED, the present one is not", async () => {
    const tenant = newTenant();
    const first = (await create(tenant, "game", { mode: RoomMode.DURABLE })).roomClass;
    const etag = first?.etag ?? "";
    const second = (await update(tenant, "game", { historyCountMax: 2, etag })).roomClass;
    expect(second?.etag).not.toBe(etag);
    const refused = await refusal(update(tenant, "game", { historyCountMax: 3, etag }));
    expect(refused).toMatchObject({ grpc: status.ABORTED, code: "ETAG_MISMATCH" });
    expect((await get(tenant, "game")).roomClass?.historyCountMax).toBe(2);
  });

  test("UpdateRoomClass: of many with the same etag exactly one wins, also the first ever", async () => {
    for (const id of ["game", "chat"]) {
      const tenant = newTenant();
      if (id === "game") await create(tenant, id, { mode: RoomMode.DURABLE });
      const etag = (await get(tenant, id)).roomClass?.etag ?? "";
      const tries = Array.from({ length: 10 }, (_, at) =>
        update(tenant, id, { historyCountMax: at + 1, etag }).then(
          ({ roomClass: won }) => won?.historyCountMax ?? 0,
          (reason) => status[reason.code],
        ),
      );
      const outcomes = await Promise.all(tries);
      const winners = outcomes.filter((outcome) => typeof outcome === "number");
      expect(winners).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === "ABORTED")).toHaveLength(9);
      expect((await get(tenant, id)).roomClass?.historyCountMax).toBe(winners[0]);
    }
  });

  test("UpdateRoomClass: different fields at once without etag, none is lost", async () => {
    const tenant = newTenant();
    await create(tenant, "game", { mode: RoomMode.DURABLE });
    await Promise.all([
      update(tenant, "game", { historyCountMax: 7 }),
      update(tenant, "game", { historyAgeMaxS: 8 }),
      update(tenant, "game", { slowMemberPolicy: SlowMemberPolicy.GAP }),
    ]);
    expect((await get(tenant, "game")).roomClass).toMatchObject({
      historyCountMax: 7,
      historyAgeMaxS: 8,
      slowMemberPolicy: SlowMemberPolicy.GAP,
    });
  });

  test("UpdateRoomClass: never changes the mode, whether masked, given or both", async () => {
    const tenant = newTenant();
    await create(tenant, "game", { mode: RoomMode.DURABLE });
    for (const mask of [undefined, ["mode"], ["*"]]) {
      const refused = await refusal(update(tenant, "game", { mode: RoomMode.EPHEMERAL }, { mask }));
      expect(refused).toMatchObject({ grpc: status.FAILED_PRECONDITION, code: "MODE_IMMUTABLE" });
    }
    await update(tenant, "game", { mode: RoomMode.DURABLE, historyCountMax: 9 });
    expect((await get(tenant, "game")).roomClass).toMatchObject({ mode: 2, historyCountMax: 9 });
  });

  test("UpdateRoomClass: a change to what is there already writes nothing", async () => {
    const tenant = newTenant();
    const { roomClass: before } = await create(tenant, "game", { mode: RoomMode.DURABLE });
    const { roomClass: after } = await update(tenant, "game", { historyCountMax: 1000 });
    expect(after).toEqual(before);
    await update(tenant, "chat", { historyCountMax: 1000 });
    expect((await get(tenant, "chat")).roomClass?.etag).toBe("0");
  });

  test("UpdateRoomClass: a missing class is NOT_FOUND, or made with allow_missing", async () => {
    const tenant = newTenant();
    const fields = { mode: RoomMode.EPHEMERAL };
    expect(await refusal(update(tenant, "game", fields))).toMatchObject({ code: "NOT_FOUND" });
    const without = await refusal(update(tenant, "game", {}, { allowMissing: true }));
    expect(without).toMatchObject({ code: "REQUEST_INVALID", fields: ["room_class.mode"] });
    const more = { allowMissing: true, validateOnly: true };
    await update(tenant, "game", fields, more);
    expect(await names(tenant)).toEqual(["chat", "live"]);
    await update(tenant, "game", fields, { allowMissing: true });
    expect(await names(tenant)).toEqual(["chat", "game", "live"]);
  });

  test("UpdateRoomClass: a bad value is refused whole, and changes nothing", async () => {
    const tenant = newTenant();
    const { roomClass: before } = await create(tenant, "game", { mode: RoomMode.DURABLE });
    const bad = { historyCountMax: 5, historyAgeMaxS: 4_000_000 };
    const refused = await refusal(update(tenant, "game", bad));
    expect(refused.fields).toEqual(["room_class.history_age_max_s"]);
    const flags = { allowMissing: true, validateOnly: false, requestId: "" };
    const none = { roomClass: undefined, updateMask: [], ...flags };
    const missing = await refusal(call(client, client.updateRoomClass, none));
    expect(missing.fields).toEqual(["room_class"]);
    expect((await get(tenant, "game")).roomClass).toEqual(before);
  });
});

describe("DeleteRoomClass", () => {
  test("DeleteRoomClass: the class is gone, and its mode remembered", async () => {
    const tenant = newTenant();
    await create(tenant, "game", { mode: RoomMode.DURABLE, historyCountMax: 5 });
    await remove(tenant, "game");
    expect(await names(tenant)).toEqual(["chat", "live"]);
    for (const gone of [get(tenant, "game"), remove(tenant, "game"), update(tenant, "game", {})]) {
      expect(await refusal(gone)).toMatchObject({ grpc: status.NOT_FOUND });
    }
    const other = await refusal(create(tenant, "game", { mode: RoomMode.EPHEMERAL }));
    expect(other).toMatchObject({ grpc: status.FAILED_PRECONDITION, code: "MODE_IMMUTABLE" });
    const again = await create(tenant, "game", { mode: RoomMode.DURABLE });
    expect(again.roomClass).toMatchObject({ historyCountMax: 1000, deleted: false });
  });

  test("DeleteRoomClass: refuses a stale etag, and validate_only deletes nothing", async () => {
    const tenant = newTenant();
    const { roomClass: made } = await create(tenant, "game", { mode: RoomMode.DURABLE });
    expect(await refusal(remove(tenant, "game", "999999"))).toMatchObject({
      code: "ETAG_MISMATCH",
    });
    await remove(tenant, "game", made?.etag, true);
    expect(await names(tenant)).toContain("game");
    await remove(tenant, "game", made?.etag);
    expect(await names(tenant)).not.toContain("game");
  });

  test("DeleteRoomClass: a built-in class is reset when changed, refused when not", async () => {
    const tenant = newTenant();
    const unchanged = await refusal(remove(tenant, "chat"));
    expect(unchanged).toMatchObject({ grpc: status.FAILED_PRECONDITION, code: "BUILT_IN" });
    const { roomClass: before } = await get(tenant, "chat");
    await update(tenant, "chat", { historyCountMax: 3 });
    expect((await get(tenant, "chat")).roomClass).toMatchObject({
      builtIn: true,
      historyCountMax: 3,
    });
    await remove(tenant, "chat");
    expect((await get(tenant, "chat")).roomClass).toEqual(before);
    expect(await names(tenant)).toEqual(["chat", "live"]);
  });
});
