/**
 * A crash at any moment of a change of shards or slots leaves all of it or nothing.
 *
 * SQLite's transaction is in its write-ahead log alone until it is checkpointed, and a killed
 * process leaves a log that ends anywhere. So the log is cut at every frame, and inside frames, and
 * each cut is opened as the next start would.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { STORE_FILE } from "../../../bus/embedded/database.ts";
import type { ShardRequest } from "../../../bus/embedded/worker-protocol.ts";
import { type RoomAddress, roomAddress } from "../../../bus/subjects.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { newFolder, StoreHarness } from "./store-harness.ts";

const lobby = roomAddress("acme", "chat:lobby");
const other = roomAddress("acme", "chat:other");

/** Bytes of a frame of the log, and of its header. */
const frameBytes = 4096 + 24;
const cutStep = frameBytes / 4;

interface Snapshot {
  readonly file: Buffer;
  readonly log: Buffer;
}

/** What a process that is killed now leaves. */
function snapshot({ dataDir }: StoreHarness): Snapshot {
  const file = path.join(dataDir, STORE_FILE);
  return { file: readFileSync(file), log: readFileSync(`${file}-wal`) };
}

/** The next start after a crash that left so much of the log. */
function reopen({ file, log }: Snapshot, logBytes: number, wallUs: number): StoreHarness {
  const dataDir = path.join(newFolder(), "data");
  mkdirSync(dataDir);
  writeFileSync(path.join(dataDir, STORE_FILE), file);
  writeFileSync(path.join(dataDir, `${STORE_FILE}-wal`), log.subarray(0, logBytes));
  return new StoreHarness({ dataDir }, wallUs);
}

/** What is known of shards, slots and messages, to be compared. */
function picture(store: StoreHarness): object {
  const keys = store.read({ op: "kvList", bucket: CONTROL_BUCKET, prefix: "" });
  const facts = [0, 1, 2, 3].map((shard) => store.factsOf(shard));
  const rooms = [lobby, other].map((room) => store.messagesOf(room));
  return { keys, facts, rooms };
}

/** A store with shards 0, 1 and 2, and the lobby's messages in epochs on 0 and 1. */
function prepared(): StoreHarness {
  const store = new StoreHarness();
  store.createShard(1);
  store.createShard(2);
  store.append({ room: lobby, producer: "a", seq: 1 }, { room: other, producer: "a", seq: 1 });
  store.move(lobby, 1);
  store.append({ room: lobby, producer: "a", seq: 2 });
  return store;
}

const audit = { key: "audit.20260101.1", value: new Uint8Array(300), revision: 0 };
const changes: Record<string, ShardRequest> = {
  "a move to another shard": { op: "moveSlot", slot: lobby.slot, shard: 2 },
  "a move back": { op: "moveSlot", slot: lobby.slot, shard: 0 },
  "the first move of a slot": { op: "moveSlot", slot: other.slot, shard: 1 },
  "a creation": {
    op: "shardCreate",
    shard: 3,
    wish: { group: 0, region: "eu", capacity: 2 },
    along: [audit],
  },
  "an update": {
    op: "shardUpdate",
    shard: 1,
    change: { state: "draining", roomMessageCountMax: 7 },
    revision: 1,
    along: [audit],
  },
  "a deletion": { op: "shardDelete", shard: 2, discardHistory: false, along: [audit] },
};

test.each(Object.entries(changes))("crash inside %s: all of it or nothing", (_, request) => {
  const store = prepared();
  const before = picture(store);
  const start = snapshot(store);
  // In one commit with messages of before it, and behind it others that are not acknowledged.
  store.take({ room: lobby, producer: "a", seq: 3 }, { room: other, producer: "a", seq: 2 });
  store.write(request);
  const acked = store.results();
  expect(acked.map(({ seq }) => seq > 0)).toEqual([true, true]);
  const after = picture(store);
  const end = snapshot(store);
  expect(after).not.toEqual(before);
  expect(end.file).toEqual(start.file);
  let undoneCount = 0;
  for (let bytes = start.log.length; bytes <= end.log.length; bytes += cutStep) {
    const next = reopen(end, bytes, store.wallUs);
    const isDone = bytes === end.log.length;
    expect(picture(next)).toEqual(isDone ? after : before);
    if (!isDone) undoneCount += 1;
    expectGoesOn(next, isDone, lobby);
    next.close();
  }
  expect(undoneCount).toBeGreaterThanOrEqual(8);
});

/** Retries of what was under way are stored once, behind everything else, and are found. */
function expectGoesOn(store: StoreHarness, isDone: boolean, room: RoomAddress): void {
  const known = store.seqsOf(room);
  const retry = { room, producer: "a", seq: 3 };
  const [first] = store.append(retry);
  expect((first?.seq ?? 0) < 0).toBe(isDone);
  const [again] = store.append(retry);
  expect(again?.seq).toBe(-Math.abs(first?.seq ?? 0));
  expect(store.seqsOf(room)).toEqual(isDone ? known : [...known, first?.seq]);
  const epoch = store.routeOf(room).epoch;
  const [next] = store.append({ room, producer: "a", seq: 4 });
  expect(next?.epoch).toBe(epoch);
  expect(next?.seq).toBeGreaterThan(Math.max(...known));
}

test("a new folder that a crash left half made opens as a new one", () => {
  const store = new StoreHarness();
  const end = snapshot(store);
  const fresh = picture(store);
  for (let bytes = 0; bytes <= end.log.length; bytes += cutStep) {
    const next = reopen(end, bytes, store.wallUs);
    expect(picture(next)).toEqual(fresh);
    expect(next.append({ room: lobby, producer: "a", seq: 1 })).toMatchObject([
      { seq: 1, epoch: 1, prevSeq: 0 },
    ]);
    next.close();
  }
});
