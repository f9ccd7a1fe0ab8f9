/**
 * Records of shards, groups and slots in the store: what a failed commit leaves, what options may
 * change, and groups whose rooms have the same names.
 */
import { expect, test } from "vitest";
import { Refusal } from "../../../bus/embedded/append-batch.ts";
import { NUMBER_TAKEN } from "../../../bus/embedded/worker-protocol.ts";
import type { KeyValueEntry, KeyWrite } from "../../../bus/key-value.ts";
import { shardKey } from "../../../bus/record-keys.ts";
import { decodeShardSettings, toSetting } from "../../../bus/shard-record.ts";
import { roomAddress, SLOT_COUNT } from "../../../bus/subjects.ts";
import type { ShardSetting } from "../../../bus/topology.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { newFolder, StoreHarness } from "./store-harness.ts";

const lobby = roomAddress("acme", "chat:lobby");
const audit = { key: "audit.20260101.1", value: new Uint8Array(1), revision: 0 };

/** The settings of a shard, by its record. */
function settingOf(store: StoreHarness, shard: number): ShardSetting | null {
  const key = shardKey(shard);
  const entry = store.read({ op: "kvGet", bucket: CONTROL_BUCKET, key }) as KeyValueEntry | null;
  const settings = entry === null ? null : decodeShardSettings(entry.value);
  return settings === null ? null : toSetting(settings);
}

/** Group 3, with these shards. */
function createGroup(store: StoreHarness, shards: number[], along: KeyWrite[] = []): void {
  const wish = { group: 3, region: "", capacity: 1 };
  const group = { group: 3, shards: shards.map(() => wish) };
  store.write({ op: "groupCreate", wish: group, shards, along });
}

test("a change whose commit failed is not in force, and can be made later", () => {
  const store = new StoreHarness();
  store.createShard(1);
  store.append({ room: lobby, producer: "p", seq: 1 });
  store.isDiskFull = true;
  const big = (key: string) => ({ key, value: new Uint8Array(100_000), revision: 0 });
  const wish = { group: 0, region: "", capacity: 1 };
  const change = { state: "draining", roomMessageCountMax: 5 } as const;
  const changes = [
    () => store.write({ op: "shardCreate", shard: 2, wish, along: [big("a")] }),
    () => store.write({ op: "shardUpdate", shard: 1, change, revision: 1, along: [big("b")] }),
    () => store.write({ op: "shardDelete", shard: 1, discardHistory: true, along: [big("c")] }),
  ];
  for (const attempt of changes) expect(attempt).toThrow("STORE_FULL");
  // The move itself would fit, but what is stored with it does not.
  store.take({ room: lobby, producer: "p", seq: 2, bytes: 100_000 });
  expect(() => store.move(lobby, 1)).toThrow("STORE_FULL");
  expect(store.results()).toMatchObject([{ seq: 0, timeUs: Refusal.FULL }]);
  store.isDiskFull = false;
  expect(store.tables()).toEqual(["message_0", "message_1"]);
  expect([settingOf(store, 1)?.state, settingOf(store, 2)]).toEqual(["active", null]);
  expect(store.append({ room: lobby, producer: "p", seq: 2 })).toMatchObject([
    { seq: 2, prevSeq: 1, epoch: 1 },
  ]);
  expect(store.factsOf(1)).toMatchObject({ messageCount: 0 });
  store.move(lobby, 1);
  for (const attempt of changes.slice(0, 2)) attempt();
  expect(store.append({ room: lobby, producer: "p", seq: 3 })).toMatchObject([
    { seq: 3, prevSeq: 0, epoch: 2 },
  ]);
  expect(settingOf(store, 1)).toMatchObject({ state: "draining", roomMessageCountMax: 5 });
});

test("changes that were made before their commit failed are undone in memory too", () => {
  const store = new StoreHarness();
  store.createShard(1);
  store.append({ room: lobby, producer: "p", seq: 1 });
  const wish = { group: 0, region: "", capacity: 1 };
  const change = { roomMessageCountMax: 5 };
  store.hold({ op: "moveSlot", slot: lobby.slot, shard: 1 });
  store.hold({ op: "shardCreate", shard: 2, wish, along: [] });
  store.hold({ op: "shardUpdate", shard: 0, change, revision: 1, along: [] });
  store.hold({ op: "groupDelete", group: 9, revision: 1, shards: [], along: [] }); // refused alone
  store.isDiskFull = true;
  const value = new Uint8Array(100_000);
  const failing = { op: "kvCreate", bucket: "b", key: "k", value, ttlMs: 0 } as const;
  expect(() => store.write(failing)).toThrow("STORE_FULL");
  store.isDiskFull = false;
  expect(store.tables()).toEqual(["message_0", "message_1"]);
  expect(store.factsOf(2)).toBeNull();
  expect(store.append({ room: lobby, producer: "p", seq: 2 })).toMatchObject([
    { seq: 2, prevSeq: 1, epoch: 1 },
  ]);
  expect(store.seqsOf(lobby)).toEqual([1, 2]);
  store.createShard(2);
  store.move(lobby, 2);
  expect(store.append({ room: lobby, producer: "p", seq: 3 })).toMatchObject([
    { seq: 3, prevSeq: 0, epoch: 2 },
  ]);
  expect(store.factsOf(1)).toMatchObject({ messageCount: 0 });
});

test("shard 0 follows the options until a call changes it", () => {
  const dataDir = newFolder();
  const open = (roomMessageCountMax: number) => new StoreHarness({ dataDir, roomMessageCountMax });
  const first = open(100);
  const made = settingOf(first, 0);
  expect(made).toMatchObject({ revision: 1, roomMessageCountMax: 100, group: 0, state: "active" });
  first.close();
  const second = open(200);
  expect(settingOf(second, 0)).toEqual({ ...made, roomMessageCountMax: 200 });
  const change = { region: "eu" };
  second.write({ op: "shardUpdate", shard: 0, change, revision: 1, along: [] });
  second.close();
  const third = open(300);
  expect(settingOf(third, 0)).toMatchObject({ ...change, revision: 2, roomMessageCountMax: 200 });
  // A shard that a call makes begins with the options, and keeps them.
  third.createShard(1);
  third.close();
  expect(settingOf(open(400), 1)).toMatchObject({ revision: 1, roomMessageCountMax: 300 });
});

test("copies and tags are for servers: BUS_UNSUITABLE", () => {
  const store = new StoreHarness();
  for (const limits of [{ replicaCount: 3 }, { placementTags: ["az:a"] }]) {
    expect(() => store.createShard(1, limits)).toThrow("BUS_UNSUITABLE");
    const update = { op: "shardUpdate", shard: 0, change: limits, revision: 1, along: [] } as const;
    expect(() => store.write(update)).toThrow("BUS_UNSUITABLE");
  }
  expect(settingOf(store, 1)).toBeNull();
});

test("rooms of one name in two groups are two rooms; without its group there is none", () => {
  const store = new StoreHarness();
  const twin = roomAddress("acme", "chat:lobby", 3);
  expect(twin.token).toBe(lobby.token);
  expect(twin.slot).toBe(3 * SLOT_COUNT + lobby.slot);
  const [refused] = store.append({ room: twin, producer: "p", seq: 1 });
  expect(refused).toMatchObject({ seq: 0, timeUs: Refusal.NO_GROUP });
  createGroup(store, [1], [audit]);
  const stored = store.append(
    { room: lobby, producer: "p", seq: 1 },
    { room: twin, producer: "p", seq: 1 },
  );
  expect(stored.map(({ seq }) => seq)).toEqual([1, 2]);
  store.restart();
  expect([store.seqsOf(lobby), store.seqsOf(twin)]).toEqual([[1], [2]]);
  expect(store.factsOf(1)).toMatchObject({ messageCount: 1, firstSeq: 2 });
});

test("deleting a group deletes its slots' records, and never group 0", () => {
  const store = new StoreHarness();
  const room = roomAddress("acme", "chat:lobby", 3);
  createGroup(store, [1, 2]);
  store.move(room, 2);
  store.createShard(3);
  store.move(lobby, 3);
  const list = (prefix: string) =>
    store.read({ op: "kvList", bucket: CONTROL_BUCKET, prefix }) as KeyValueEntry[];
  const [, kept] = list("group.");
  const remove = (group: number, shards: number[], revision = kept?.revision ?? 0) => {
    const along = [{ ...audit, key: `${audit.key}.${group}` }];
    return store.write({ op: "groupDelete", group, revision, shards, along });
  };
  expect(() => remove(0, [0, 3])).toThrow("GROUP_IN_USE");
  expect(() => remove(4, [])).toThrow("NOT_FOUND");
  expect(() => remove(3, [1, 2], 1)).toThrow("ETAG_MISMATCH");
  expect(remove(3, [1])).toBe(NUMBER_TAKEN); // another shard came
  remove(3, [1, 2]);
  expect([1, 2].map((shard) => store.factsOf(shard))).toEqual([null, null]);
  expect(
    list("")
      .map(({ key }) => key)
      .filter((key) => /^(slot|group|audit)/.test(key)),
  ).toEqual([`${audit.key}.3`, "group.0", `slot.0-${lobby.slot}`]);
  const [refused] = store.append({ room, producer: "p", seq: 1 });
  expect(refused).toMatchObject({ seq: 0, timeUs: Refusal.NO_GROUP });
});
