/** What the services of placement refuse: the code, the fields, and that nothing is changed. */
import { credentials, status } from "@grpc/grpc-js";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import { OperationServiceClient } from "../../proto/gen/tidegate/control/v1/operation_service.ts";
import { PlacementGroupServiceClient } from "../../proto/gen/tidegate/control/v1/placement_group_service.ts";
import { Shard } from "../../proto/gen/tidegate/control/v1/shard.ts";
import { appendMany, newRoom, readAll } from "../bus/contract-tools.ts";
import { endOf } from "./operations/wait-operation.ts";
import { call, openControlPlane, refusal, type TestControlPlane } from "./start-control-plane.ts";

let plane: TestControlPlane;
let groups: PlacementGroupServiceClient;
let operations: OperationServiceClient;
const empty = { etag: "", validateOnly: false, requestId: "" };
const shard0 = "groups/0/shards/0";
const shard1 = "groups/0/shards/1";
const slot5 = "groups/0/slots/5";

beforeAll(async () => {
  const opened = await openControlPlane();
  plane = opened;
  groups = new PlacementGroupServiceClient(opened.plane.address, credentials.createInsecure());
  operations = new OperationServiceClient(opened.plane.address, credentials.createInsecure());
  const { shards } = opened;
  // Shard 1 is active and empty.
  await call(shards, shards.createShard, { ...empty, parent: "groups/0", shard: shard({}) });
  await appendMany(opened.bus, newRoom(), 5);
  return async () => {
    groups.close();
    operations.close();
    await opened.close();
  };
});

function shard(fields: Partial<Shard>): Shard {
  return { ...Shard.decode(new Uint8Array(0)), ...fields };
}

function settings(fields: Partial<NonNullable<Shard["settings"]>>): Shard["settings"] {
  const none = { revision: 0, replicaCount: 0, roomMessageCountMax: 0, retentionMs: 0n };
  return { ...none, bytesMax: 0n, placementTags: [], ...fields };
}

/** All that these calls could change. */
async function world(): Promise<string> {
  const { shards, slots } = plane;
  const page = { pageSize: 0, pageToken: "" };
  const [list, all, running, slot] = await Promise.all([
    call(shards, shards.listShards, { ...page, parent: "groups/-" }),
    call(groups, groups.listPlacementGroups, page),
    call(operations, operations.listOperations, { ...page, states: [] }),
    call(slots, slots.getSlot, { name: slot5 }),
  ]);
  const plain = (_key: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);
  return JSON.stringify([list, all, running, slot], plain);
}

const calls = {
  createShard: (fields: Partial<Shard>, parent = "groups/0") =>
    call(plane.shards, plane.shards.createShard, { ...empty, parent, shard: shard(fields) }),
  updateShard: (fields: Partial<Shard>, updateMask?: string[]) =>
    call(plane.shards, plane.shards.updateShard, { ...empty, shard: shard(fields), updateMask }),
  drain: (name: string, etag = "") =>
    call(plane.shards, plane.shards.drainShard, { ...empty, name, etag }),
  retire: (name: string) => call(plane.shards, plane.shards.retireShard, { ...empty, name }),
  delete: (name: string, etag = "") =>
    call(plane.shards, plane.shards.deleteShard, { ...empty, name, etag, discardHistory: false }),
  move: (name: string, to: string, etag = "") =>
    call(plane.slots, plane.slots.moveSlot, { ...empty, name, shard: to, etag, pin: false }),
  pin: (name: string, to: string) =>
    call(plane.slots, plane.slots.pinSlot, { ...empty, name, shard: to }),
  rebalance: (name: string) => call(groups, groups.rebalancePlacementGroup, { ...empty, name }),
  createGroup: (id: string, shards: Shard[], regions: string[] = []) =>
    call(groups, groups.createPlacementGroup, {
      ...{ ...empty, placementGroupId: id, shards, placementGroup: group("", regions) },
    }),
  updateGroup: (name: string, regions: string[], etag = "") =>
    call(groups, groups.updatePlacementGroup, {
      ...{ ...empty, placementGroup: { ...group(name, regions), etag }, updateMask: undefined },
    }),
  deleteGroup: (name: string) => call(groups, groups.deletePlacementGroup, { ...empty, name }),
};

function group(name: string, regions: string[]) {
  return { name, regions, slotCount: 0, shards: [], etag: "", updateTime: undefined };
}

const invalid = { grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" };
const missing = { grpc: status.NOT_FOUND, code: "NOT_FOUND" };
const failed = (code: string) => ({ grpc: status.FAILED_PRECONDITION, code });
const stale = { grpc: status.ABORTED, code: "ETAG_MISMATCH" };

test.each<[string, () => Promise<unknown>, object]>([
  ["a shard of a missing group", () => calls.createShard({}, "groups/3"), missing],
  [
    "a shard of no group",
    () => calls.createShard({}, "groups/x"),
    { ...invalid, fields: ["parent"] },
  ],
  [
    "a shard out of every bound",
    () =>
      calls.createShard({
        ...{ region: "EU", capacity: -1 },
        settings: settings({
          replicaCount: 2,
          retentionMs: 1n,
          bytesMax: 1n,
          placementTags: [" "],
        }),
      }),
    {
      ...invalid,
      fields: [
        ...["shard.region", "shard.capacity", "shard.settings.replica_count"],
        ...["shard.settings.retention_ms", "shard.settings.bytes_max"],
        "shard.settings.placement_tags",
      ],
    },
  ],
  [
    "an update of nothing",
    () => calls.updateShard({ name: "x" }),
    { ...invalid, fields: ["shard.name"] },
  ],
  [
    "an update of an unknown field",
    () => calls.updateShard({ name: shard0 }, ["colour"]),
    { ...invalid, fields: ["update_mask"] },
  ],
  [
    "an update of a missing shard",
    () => calls.updateShard({ name: "groups/0/shards/9", region: "eu" }),
    missing,
  ],
  ["a stale update", () => calls.updateShard({ name: shard0, region: "eu", etag: "99" }), stale],
  ["a drain of a missing shard", () => calls.drain("groups/0/shards/9"), missing],
  ["a drain by a name of another group", () => calls.drain("groups/1/shards/0"), missing],
  ["a stale drain", () => calls.drain(shard0, "99"), stale],
  ["a retirement with slots", () => calls.retire(shard0), failed("SHARD_IN_USE")],
  ["a deletion of an active shard", () => calls.delete(shard0), failed("SHARD_IN_USE")],
  ["a stale deletion", () => calls.delete(shard1, "99"), stale],
  ["a move of a missing slot", () => calls.move("groups/0/slots/1024", shard1), missing],
  ["a move to a missing shard", () => calls.move(slot5, "groups/0/shards/9"), missing],
  ["a move to no shard", () => calls.move(slot5, "shards/1"), { ...invalid, fields: ["shard"] }],
  ["a stale move", () => calls.move(slot5, shard1, "9.9"), stale],
  ["a pin to a missing shard", () => calls.pin(slot5, "groups/0/shards/9"), missing],
  ["a rebalance of a missing group", () => calls.rebalance("groups/7"), missing],
  ["a group that is there", () => calls.createGroup("0", [shard({})]), { code: "ALREADY_EXISTS" }],
  ["a group without shards", () => calls.createGroup("2", []), { ...invalid, fields: ["shards"] }],
  [
    "a group of no number",
    () => calls.createGroup("16", [shard({})]),
    { fields: ["placement_group_id"] },
  ],
  [
    "a group with a shard elsewhere",
    () => calls.createGroup("2", [shard({ region: "us" })], ["eu"]),
    { ...invalid, fields: ["shards[0].region"] },
  ],
  [
    "regions without a shard",
    () => calls.updateGroup("groups/0", ["mars"]),
    failed("REGION_WITHOUT_SHARD"),
  ],
  ["a stale change of a group", () => calls.updateGroup("groups/0", [""], "99"), stale],
  ["a deletion of group 0", () => calls.deleteGroup("groups/0"), failed("GROUP_IN_USE")],
])("%s is refused, and changes nothing", async (_title, refused, expected) => {
  const before = await world();
  expect(await refusal(refused())).toMatchObject(expected);
  expect(await world()).toBe(before);
});

test("a drain is refused while one of it runs, and while pins hold slots there", async () => {
  const { slots, shards } = plane;
  await calls.pin(slot5, shard0);
  expect(await refusal(calls.drain(shard0))).toMatchObject(failed("PIN_TO_LEAVING_SHARD"));
  expect(await refusal(calls.move(slot5, shard1))).toMatchObject(failed("SLOT_PINNED"));
  await call(slots, slots.unpinSlot, { ...empty, name: slot5 });
  const { operation } = await calls.drain(shard0);
  const name = operation?.name ?? "";
  await call(operations, operations.pauseOperation, { ...empty, name });
  expect(await refusal(calls.drain(shard0))).toMatchObject(failed("OPERATION_CONFLICT"));
  // The other one is the last that takes slots now.
  expect(await refusal(calls.drain(shard1))).toMatchObject(failed("NO_ACTIVE_SHARD"));
  await call(operations, operations.abortOperation, { ...empty, name });
  expect((await endOf(operations, name)).state).toBe(OperationState.ABORTED);
  const again = call(operations, operations.abortOperation, { ...empty, name });
  expect(await refusal(again)).toMatchObject(failed("OPERATION_ENDED"));
  const { shard: found } = await call(shards, shards.getShard, { name: shard0 });
  expect(found).toMatchObject({ state: 1 }); // active again
});

test("a drained shard keeps its history, and is deleted before its end on purpose only", async () => {
  const opened = await openControlPlane();
  onTestFinished(() => opened.close());
  const { shards, slots, bus, plane: own } = opened;
  const client = new OperationServiceClient(own.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const made = shard({});
  await call(shards, shards.createShard, { ...empty, parent: "groups/0", shard: made });
  const room = newRoom();
  const move = { ...empty, name: `groups/0/slots/${room.slot}`, shard: shard1, pin: false };
  const moved = await call(slots, slots.moveSlot, move);
  await endOf(client, moved.operation?.name ?? "");
  await appendMany(bus, room, 5);
  const { operation } = await call(shards, shards.drainShard, { ...empty, name: shard1 });
  const ended = await endOf(client, operation?.name ?? "");
  expect(ended).toMatchObject({ state: OperationState.SUCCEEDED, doneCount: 1 });
  expect(await readAll(bus, room)).toHaveLength(5);
  const gone = { ...empty, name: shard1, discardHistory: false };
  const kept = await refusal(call(shards, shards.deleteShard, gone));
  expect(kept).toMatchObject(failed("HISTORY_KEPT"));
  expect(await readAll(bus, room)).toHaveLength(5);
  await call(shards, shards.deleteShard, { ...gone, discardHistory: true });
  const missingNow = call(shards, shards.getShard, { name: shard1 });
  expect(await refusal(missingNow)).toMatchObject(missing);
}, 30_000);

test("request_id: a repeat answers with the operation that the first call began", async () => {
  const wish = { ...empty, name: "groups/0/slots/9", shard: shard1, pin: false, requestId: "one" };
  const move = () => call(plane.slots, plane.slots.moveSlot, wish);
  const [first, second] = [await move(), await move()];
  expect(second.operation?.name).toBe(first.operation?.name);
  expect((await endOf(operations, first.operation?.name ?? "")).doneCount).toBe(1);
});

test("a request larger than the limit is RESOURCE_EXHAUSTED", async () => {
  const tags = Array.from({ length: 40_000 }, (_, i) => `tag-${i}`);
  const huge = calls.createShard({ settings: settings({ placementTags: tags }) });
  await expect(huge).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
});
