/**
 * Slots that move between shards (R10) on real SQLite: what is stored where, what a reader is told
 * of it (R9), what a retry is answered (R4), and the order behind refusals (R3).
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Refusal } from "../../../bus/embedded/append-batch.ts";
import type { Position } from "../../../bus/position.ts";
import { SEALED_COUNT_MAX } from "../../../bus/route.ts";
import { type RoomAddress, roomAddress } from "../../../bus/subjects.ts";
import { placeOf } from "../contract-tools.ts";
import { type Append, type Result, StoreHarness } from "./store-harness.ts";

const lobby = roomAddress("acme", "chat:lobby");
const other = roomAddress("acme", "chat:other");
const rooms: readonly RoomAddress[] = [lobby, other, roomAddress("acme", "chat:third")];

function many(room: RoomAddress, count: number, producer = "p", from = 1): Append[] {
  return Array.from({ length: count }, (_, i) => ({ room, producer, seq: from + i }));
}

/** Positions that the results of appends name. */
function positionsOf(results: readonly Result[]): Position[] {
  return results.map(({ seq, timeUs, epoch }) => ({ epoch, seq: Math.abs(seq), timeUs }));
}

/** Places of a room's messages, page by page. */
function readAll(store: StoreHarness, room: RoomAddress, limit: number): Position[] {
  const all: Position[] = [];
  for (;;) {
    const page = store.readAfter(room, all.at(-1) ?? null, limit);
    expect(page.isContinuous).toBe(true);
    all.push(...page.messages.map(placeOf));
    if (page.isEnd) return all;
  }
}

type Step =
  | { readonly kind: "append"; readonly room: number; readonly count: number }
  | { readonly kind: "retry"; readonly nth: number }
  | { readonly kind: "move"; readonly room: number; readonly shard: number }
  | { readonly kind: "restart" };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      room: fc.nat(2),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("retry" as const), nth: fc.nat(200) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("move" as const), room: fc.nat(2), shard: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

test("moves: random appends, retries, moves and restarts agree with a list per room", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { minLength: 5, maxLength: 60 }), (steps) => {
      const store = new StoreHarness();
      for (const shard of [1, 2, 3]) store.createShard(shard);
      const stored = rooms.map((): Position[] => []);
      const epochs = rooms.map(() => 1);
      const owners = rooms.map(() => 0);
      const appends: { append: Append; position: Position }[] = [];
      for (const step of steps) {
        store.pass(0.001);
        if (step.kind === "restart") store.restart();
        else if (step.kind === "move") {
          const isMove = owners[step.room] !== step.shard;
          store.move(rooms[step.room] as RoomAddress, step.shard);
          owners[step.room] = step.shard;
          if (isMove) epochs[step.room] = (epochs[step.room] ?? 0) + 1;
        } else if (step.kind === "retry") {
          const known = appends[step.nth % Math.max(1, appends.length)];
          if (known === undefined) continue;
          const [again] = store.append(known.append);
          const { epoch, seq, timeUs } = known.position;
          expect(again).toEqual({ seq: -seq, timeUs, prevSeq: 0, epoch });
        } else {
          const from = appends.length + 1;
          const list = many(rooms[step.room] as RoomAddress, step.count, "p", from);
          const results = store.append(...list);
          const own = stored[step.room] as Position[];
          for (const [i, position] of positionsOf(results).entries()) {
            const before = own.at(-1);
            const epoch = epochs[step.room] ?? 0;
            expect(position.epoch).toBe(epoch);
            expect(results[i]?.prevSeq).toBe(before?.epoch === epoch ? before.seq : 0);
            own.push(position);
            appends.push({ append: list[i] as Append, position });
          }
        }
      }
      for (const [i, room] of rooms.entries()) expectRead(store, room, stored[i] ?? []);
      store.close();
    }),
    { numRuns: 40 },
  );
}, 60_000);

/** Every way to read the room gives exactly this. */
function expectRead(store: StoreHarness, room: RoomAddress, stored: readonly Position[]): void {
  for (const limit of [1, 3, 500]) expect(readAll(store, room, limit)).toEqual(stored);
  for (const [i, position] of stored.entries()) {
    const after = store.readAfter(room, position);
    expect(after).toMatchObject({ isContinuous: true, isEnd: true });
    expect(after.messages.map(placeOf)).toEqual(stored.slice(i + 1));
    const before = store.readBefore(room, position, 4);
    expect(before.messages.map(placeOf)).toEqual(stored.slice(Math.max(0, i - 4), i));
    expect(before.hasMore).toBe(i > 4);
    const { token, slot } = room;
    const floor = store.read({ op: "floor", token, slot, count: i + 1 });
    expect(floor).toEqual(stored.at(-1 - i));
  }
  const { token, slot } = room;
  expect(store.read({ op: "head", token, slot })).toEqual(stored.at(-1) ?? null);
  expect(store.readBefore(room, null).messages.map(placeOf)).toEqual(stored);
}

describe("moves: what a resume is told (R9)", () => {
  /** Three epochs on shards 0, 1, 0, with four messages each. */
  function threeEpochs(store: StoreHarness): Position[] {
    const positions = positionsOf(store.append(...many(lobby, 4, "a")));
    store.move(lobby, 1);
    store.pass(40);
    positions.push(...positionsOf(store.append(...many(lobby, 4, "b"))));
    store.move(lobby, 0);
    store.pass(40);
    positions.push(...positionsOf(store.append(...many(lobby, 4, "c"))));
    return positions;
  }
  const isContinuous = (store: StoreHarness, position: Position | undefined) =>
    store.readAfter(lobby, position ?? null).isContinuous;

  test("an epoch between that was trimmed by age is missed, not read over", () => {
    const store = new StoreHarness();
    store.createShard(1, { retentionMs: 60_000 });
    const positions = threeEpochs(store);
    expect(isContinuous(store, positions[0])).toBe(true);
    store.pass(25);
    store.turn();
    expect(store.seqsOf(lobby)).toEqual([1, 2, 3, 4, 9, 10, 11, 12]);
    expect(positions.map((position) => isContinuous(store, position))).toEqual([
      ...[false, false, false, false],
      ...[false, false, false, false],
      ...[true, true, true, true],
    ]);
    store.restart();
    expect(isContinuous(store, positions[3])).toBe(false);
    expect(isContinuous(store, positions[8])).toBe(true);
  });

  test("an epoch between that was trimmed by count is missed, though the limit rose since", () => {
    const store = new StoreHarness();
    store.createShard(1);
    const positions = threeEpochs(store);
    const change = { roomMessageCountMax: 2 };
    store.write({ op: "shardUpdate", shard: 1, change, revision: 1, along: [] });
    store.turn();
    expect(store.seqsOf(lobby)).toEqual([1, 2, 3, 4, 7, 8, 9, 10, 11, 12]);
    const raised = { roomMessageCountMax: 1000 };
    store.write({ op: "shardUpdate", shard: 1, change: raised, revision: 2, along: [] });
    store.restart();
    const held = positions.map((position) => isContinuous(store, position));
    expect(held).toEqual([...Array(4).fill(false), false, false, ...Array(6).fill(true)]);
  });

  test("messages of a deleted shard are missed, also when its number is used again", () => {
    const store = new StoreHarness();
    store.createShard(1);
    const positions = threeEpochs(store);
    const deletion = { op: "shardDelete", shard: 1, along: [] } as const;
    expect(() => store.write({ ...deletion, discardHistory: false })).toThrow("HISTORY_KEPT");
    store.write({ ...deletion, discardHistory: true });
    const expectGone = () => {
      expect(store.seqsOf(lobby)).toEqual([1, 2, 3, 4, 9, 10, 11, 12]);
      expect(isContinuous(store, positions[3])).toBe(false);
      expect(isContinuous(store, positions[5])).toBe(false);
      expect(isContinuous(store, positions[8])).toBe(true);
      expect(store.readBefore(lobby, positions[9] as Position, 5)).toMatchObject({
        hasMore: false,
      });
    };
    expectGone();
    // Names are known as long as ever: what was delivered must not be stored again.
    const [again] = store.append({ room: lobby, producer: "c", seq: 1 });
    expect(again?.seq).toBe(-9);
    store.createShard(1);
    expectGone();
    expect(store.factsOf(1)).toMatchObject({ messageCount: 0, newestUs: 0 });
    store.move(lobby, 1);
    const [next] = store.append({ room: lobby, producer: "d", seq: 1 });
    expect(next).toMatchObject({ seq: 13, prevSeq: 0, epoch: 4 });
    expect(isContinuous(store, positions[8])).toBe(true);
    store.restart();
    expect(store.seqsOf(lobby)).toEqual([1, 2, 3, 4, 9, 10, 11, 12, 13]);
  });

  test("names of a deleted shard are known for the window, over a restart too", () => {
    const store = new StoreHarness();
    store.createShard(1);
    store.move(lobby, 1);
    const [first] = store.append({ room: lobby, producer: "a", seq: 1 });
    store.move(lobby, 0);
    store.write({ op: "shardDelete", shard: 1, discardHistory: true, along: [] });
    store.pass(20);
    store.turn();
    store.restart();
    expect(store.seqsOf(lobby)).toEqual([]);
    const [again] = store.append({ room: lobby, producer: "a", seq: 1 });
    expect(again).toMatchObject({ seq: -1, timeUs: first?.timeUs, epoch: 2 });
  });

  test("the log of a deleted shard is emptied and dropped, and rooms of nothing else with it", () => {
    const store = new StoreHarness();
    store.createShard(1);
    store.move(lobby, 1);
    store.append(...many(lobby, 2000, "a"), ...many(other, 3, "a"));
    store.move(lobby, 0);
    store.write({ op: "shardDelete", shard: 1, discardHistory: true, along: [] });
    expect(store.tables()).toEqual(["message_0", "message_1"]);
    expect(store.countRooms()).toBe(2);
    store.restart();
    store.pass(31);
    store.turn();
    expect(store.tables()).toEqual(["message_0"]);
    expect(store.countRooms()).toBe(1);
    const [next] = store.append({ room: lobby, producer: "b", seq: 1 });
    expect(next).toMatchObject({ seq: 2004, prevSeq: 0, epoch: 3 });
  });

  test("a slot that moved too often gives its oldest epochs up, and says so", () => {
    const store = new StoreHarness();
    store.createShard(1);
    const positions: Position[] = [];
    const epochCount = SEALED_COUNT_MAX + 3;
    for (let epoch = 1; epoch <= epochCount; epoch += 1) {
      positions.push(...positionsOf(store.append(...many(lobby, 2, `e${epoch}`))));
      if (epoch < epochCount) store.move(lobby, epoch % 2);
    }
    const kept = positions.slice(2 * (epochCount - SEALED_COUNT_MAX - 1));
    expect(kept).toHaveLength(2 * (SEALED_COUNT_MAX + 1));
    for (const limit of [7, 500]) expect(readAll(store, lobby, limit)).toEqual(kept);
    expect(isContinuous(store, positions[3])).toBe(false);
    expect(isContinuous(store, kept[0])).toBe(true);
    expect(store.readBefore(lobby, kept[1] as Position)).toMatchObject({ hasMore: false });
  });

  test("epochs of which nothing is left leave the record", () => {
    const store = new StoreHarness({ retentionMs: 60_000 });
    store.createShard(1);
    threeEpochs(store);
    store.pass(61);
    store.turn();
    store.move(lobby, 1);
    expect(store.routeOf(lobby).sealed).toMatchObject([{ epoch: 3, shard: 0, lastSeq: 12n }]);
  });
});

describe("moves: a full shard", () => {
  const small = { shardBytesMax: 16 * 1024 ** 2 };
  /** Fills shard 1 by its room; the producer seq of the first that was refused. */
  function fill(store: StoreHarness, room: RoomAddress): number {
    for (let seq = 1; seq < 100; seq += 1) {
      const [result] = store.append({ room, producer: "fill", seq, bytes: 900_000 });
      if (result?.seq === 0) return seq;
    }
    throw new Error("it is never full");
  }

  test("refuses its own rooms and no others, and says which shard it is", () => {
    const store = new StoreHarness();
    store.createShard(1, small);
    store.move(lobby, 1);
    const refused = fill(store, lobby);
    expect(refused).toBeGreaterThan(15);
    expect(store.detail).toBe(`shard 1 holds shardBytesMax (${16 * 1024 ** 2} bytes)`);
    const results = store.append(
      { room: lobby, producer: "p", seq: 1, bytes: 900_000 },
      { room: other, producer: "p", seq: 1, bytes: 900_000 },
      // Small enough to fit, but it would overtake the first (R3).
      { room: lobby, producer: "p", seq: 2, bytes: 1 },
      { room: other, producer: "p", seq: 2, bytes: 1 },
    );
    expect(results.map(({ seq }) => seq > 0)).toEqual([false, true, false, true]);
    expect(results[0]?.timeUs).toBe(Refusal.FULL);
  });

  test("can be left; what it refused is not overtaken where the slot goes (R3)", () => {
    const store = new StoreHarness();
    store.createShard(1, small);
    store.move(lobby, 1);
    fill(store, lobby);
    const sentFence = store.fence;
    const [first] = store.append({ room: lobby, producer: "p", seq: 1, bytes: 900_000 });
    expect(first?.seq).toBe(0);
    store.move(lobby, 0);
    // The second was sent before the caller heard of the first's refusal.
    const heardFence = store.fence;
    store.fence = sentFence;
    const [second] = store.append({ room: lobby, producer: "p", seq: 2 });
    expect(second).toMatchObject({ seq: 0, timeUs: Refusal.FULL });
    store.fence = heardFence;
    const retried = store.append(...many(lobby, 2, "p"));
    expect(retried.map(({ seq, epoch }) => [seq > 0, epoch])).toEqual([
      [true, 3],
      [true, 3],
    ]);
  });
});
