/**
 * The store's rules that need time, crashes or fullness: on real SQLite, with a clock of our own.
 */
import { describe, expect, test } from "vitest";
import { Refusal } from "../../../bus/embedded/append-batch.ts";
import { NAME_COUNT_MAX } from "../../../bus/embedded/dedupe-window.ts";
import { type RoomAddress, roomAddress } from "../../../bus/subjects.ts";
import { type Append, type Result, StoreHarness } from "./store-harness.ts";

const lobby = roomAddress("acme", "chat:lobby");
const other = roomAddress("acme", "chat:other");
const lobbyKey = { token: lobby.token, slot: lobby.slot };
const kept = {
  op: "kvCreate",
  bucket: "b",
  key: "k",
  value: new Uint8Array(1),
  ttlMs: 0,
} as const;
const daySeconds = 24 * 3600;

function many(room: RoomAddress, count: number, bytes = 20, producer = "p", from = 1): Append[] {
  return Array.from({ length: count }, (_, i) => ({ room, producer, seq: from + i, bytes }));
}

function seqsOf(results: readonly Result[]): number[] {
  return results.map(({ seq }) => seq);
}

describe("StoreWorker names", () => {
  test("a name is known for the window and not longer", () => {
    const store = new StoreHarness();
    const [first] = store.append({ room: lobby, producer: "p", seq: 1 });
    store.pass(30);
    expect(store.append({ room: lobby, producer: "p", seq: 1 })).toEqual([
      { seq: -1, timeUs: first?.timeUs, prevSeq: 0, epoch: 1 },
    ]);
    store.pass(0.001);
    expect(seqsOf(store.append({ room: lobby, producer: "p", seq: 1 }))).toEqual([2]);
  });

  test("a name of before a restart is known for what is left of the window", () => {
    const store = new StoreHarness();
    const [first] = store.append({ room: lobby, producer: "p", seq: 1 });
    store.append({ room: lobby, producer: "p", seq: 2 });
    store.pass(10);
    store.append({ room: other, producer: "p", seq: 1 });
    store.restart();
    store.pass(19);
    const again = store.append(
      { room: lobby, producer: "p", seq: 1 },
      { room: other, producer: "p", seq: 1 },
    );
    expect(again[0]).toEqual({ seq: -1, timeUs: first?.timeUs, prevSeq: 0, epoch: 1 });
    expect(again[1]?.seq).toBe(-3);
    store.pass(2);
    const late = store.append(
      { room: lobby, producer: "p", seq: 1 },
      { room: other, producer: "p", seq: 1 },
    );
    expect(seqsOf(late)).toEqual([4, -3]);
  });

  test("all names of a long tail are recalled after a restart, and appends wait for it", () => {
    const store = new StoreHarness();
    const count = 10_000;
    for (let from = 1; from <= count; from += 1000) {
      store.append(...many(lobby, 1000, 1, "p", from));
      store.pass(1);
    }
    store.restart();
    store.take(...many(lobby, 1, 1, "p", 1), ...many(lobby, 1, 1, "p", count));
    expect(store.turn()).toBeGreaterThan(2);
    expect(seqsOf(store.results())).toEqual([-1, -count]);
  });

  test("a clock set back or forward forgets no name early and keeps none for ever", () => {
    const store = new StoreHarness();
    store.append({ room: lobby, producer: "p", seq: 1 });
    store.wallUs -= 3600e6;
    expect(seqsOf(store.append({ room: lobby, producer: "p", seq: 1 }))).toEqual([-1]);
    store.wallUs += 7200e6;
    expect(seqsOf(store.append({ room: lobby, producer: "p", seq: 1 }))).toEqual([-1]);
    store.pass(31);
    expect(seqsOf(store.append({ room: lobby, producer: "p", seq: 1 }))).toEqual([2]);
  });

  test("the most names are more than 100 000 a second over the window", () => {
    expect(NAME_COUNT_MAX / 30).toBeGreaterThan(100_000);
  });
});

describe("StoreWorker void rule", () => {
  test("a message frozen between its check and its storing is not stored (R2)", () => {
    const store = new StoreHarness();
    store.take({ room: lobby, producer: "p", seq: 1, ageUs: 19e6 });
    store.pass(7);
    store.turn();
    expect(store.results()).toEqual([{ seq: 0, timeUs: Refusal.VOID, prevSeq: 0, epoch: 0 }]);
    expect(store.seqsOf(lobby)).toEqual([]);
    store.pass(1);
    const edge = store.append({ room: lobby, producer: "p", seq: 1, ageUs: 25e6 });
    expect(seqsOf(edge)).toEqual([1]);
  });

  test("a room of which nothing was stored leaves nothing behind", () => {
    const store = new StoreHarness();
    const before = store.countRooms();
    store.append({ room: lobby, producer: "p", seq: 1, ageUs: 26e6 });
    expect(store.countRooms()).toBe(before);
    store.append({ room: lobby, producer: "p", seq: 1 });
    expect(store.countRooms()).toBe(before + 1);
  });

  test("times rise within small steps back of the clock", () => {
    const store = new StoreHarness();
    const [first] = store.append({ room: lobby, producer: "p", seq: 1 });
    store.wallUs -= 500_000;
    const [second] = store.append({ room: lobby, producer: "p", seq: 2 });
    store.wallUs -= 10e6;
    const [third] = store.append({ room: lobby, producer: "p", seq: 3 });
    expect(second?.timeUs).toBe((first?.timeUs ?? 0) + 1);
    expect(third?.timeUs).toBe(store.wallUs);
  });
});

describe("StoreWorker retention", () => {
  test("count: the oldest of a room go, none younger than the window, others stay", () => {
    const store = new StoreHarness({ roomMessageCountMax: 40 });
    store.append(...many(other, 10));
    store.append(...many(lobby, 100));
    store.turn();
    expect(store.seqsOf(lobby)).toHaveLength(100);
    store.pass(31);
    store.turn();
    expect(store.seqsOf(lobby)).toEqual(Array.from({ length: 40 }, (_, i) => 71 + i));
    expect(store.seqsOf(other)).toHaveLength(10);
    store.append(...many(lobby, 6, 20, "q"));
    store.pass(31);
    store.turn();
    const kept = store.seqsOf(lobby);
    expect(kept.length).toBeGreaterThanOrEqual(40);
    expect(kept.length).toBeLessThanOrEqual(45);
    expect(kept.at(-1)).toBe(116);
  });

  test("count: a trimmed position is not continuous, the kept ones are", () => {
    const store = new StoreHarness({ roomMessageCountMax: 10 });
    const results = store.append(...many(lobby, 30));
    store.pass(31);
    store.turn();
    const isContinuous = (index: number) => {
      const { seq, timeUs } = results[index] as Result;
      const position = { epoch: 1, seq, timeUs };
      const request = { op: "readAfter", ...lobbyKey, position, limit: 5 } as const;
      return (store.read(request) as { isContinuous: boolean }).isContinuous;
    };
    expect([19, 20, 29].map(isContinuous)).toEqual([false, true, true]);
  });

  test("age: what is too old goes, and seq is never used again, also after a restart", () => {
    const store = new StoreHarness({ retentionMs: 60_000 });
    store.append(...many(lobby, 700));
    store.pass(61);
    store.turn();
    expect(store.seqsOf(lobby)).toEqual([]);
    const [next] = store.append({ room: lobby, producer: "q", seq: 1 });
    expect(next).toMatchObject({ seq: 701, prevSeq: 0 });
    store.pass(61);
    store.turn();
    store.restart();
    expect(store.append({ room: lobby, producer: "q", seq: 2 })).toMatchObject([
      { seq: 702, prevSeq: 0 },
    ]);
  });

  test("floor: at most a 64th too old, and never a trimmed one", () => {
    const store = new StoreHarness({ retentionMs: 60_000 });
    const floor = () => {
      const answer = store.read({ op: "floor", ...lobbyKey, count: 640 });
      return (answer as { seq: number } | null)?.seq ?? 0;
    };
    expect(floor()).toBe(0);
    for (let seq = 1; seq <= 700; seq += 1) {
      store.append({ room: lobby, producer: "p", seq });
      const exact = Math.max(0, seq - 639);
      expect(floor()).toBeLessThanOrEqual(exact);
      expect(floor()).toBeGreaterThanOrEqual(exact - 10);
    }
    store.pass(61);
    store.turn();
    expect(floor()).toBe(0);
  });

  test("age: only whole prefixes go, prev of what follows stays as it was stored", () => {
    const store = new StoreHarness({ retentionMs: 60_000 });
    store.append(...many(lobby, 5));
    store.pass(40);
    const [kept] = store.append(...many(lobby, 1, 20, "q"));
    store.pass(30);
    store.turn();
    expect(store.seqsOf(lobby)).toEqual([6]);
    expect(kept?.prevSeq).toBe(5);
    expect(store.append(...many(lobby, 1, 20, "r"))).toMatchObject([{ seq: 7, prevSeq: 6 }]);
  });

  test("a large backlog is trimmed in steps, and appends get between them", () => {
    const store = new StoreHarness({ retentionMs: 60_000 });
    for (let i = 0; i < 8; i += 1) store.append(...many(lobby, 1000, 1, `p${i}`));
    store.pass(31 * daySeconds);
    store.take({ room: other, producer: "q", seq: 1 });
    const turns = store.turn();
    expect(turns).toBeGreaterThan(8);
    expect(seqsOf(store.results())).toEqual([8001]);
    expect(store.seqsOf(lobby)).toEqual([]);
    expect(store.seqsOf(other)).toEqual([8001]);
  });

  test("a room that is trimmed to nothing comes back as a new one", () => {
    const store = new StoreHarness({ retentionMs: 60_000 });
    store.append(...many(lobby, 3), ...many(other, 3));
    store.pass(61);
    store.append(...many(other, 1, 20, "q"));
    store.turn();
    expect(store.seqsOf(lobby)).toEqual([]);
    expect(store.countRooms()).toBe(1);
    expect(store.append(...many(lobby, 1, 20, "q"))).toMatchObject([{ seq: 8, prevSeq: 0 }]);
    expect(store.seqsOf(lobby)).toEqual([8]);
    expect(store.seqsOf(other)).toEqual([7]);
  });
});

describe("StoreWorker fullness", () => {
  test("a full store refuses, reads on, knows its names, and frees up by age", () => {
    const store = new StoreHarness({ storeBytesMax: 1024 ** 2, retentionMs: 60_000 });
    let stored = 0;
    let refused: Result | undefined;
    for (let i = 1; refused === undefined && i < 2000; i += 1) {
      const [result] = store.append({ room: lobby, producer: "p", seq: i, bytes: 10_000 });
      if (result?.seq === 0) refused = result;
      else stored += 1;
    }
    expect(refused?.timeUs).toBe(Refusal.FULL);
    expect(store.detail).toContain("storeBytesMax (1048576 bytes)");
    expect(stored).toBeGreaterThan(50);
    expect(store.seqsOf(lobby)).toHaveLength(stored);
    expect(seqsOf(store.append({ room: lobby, producer: "p", seq: stored }))).toEqual([-stored]);
    expect(store.write(kept)).toBe(1);
    store.pass(61);
    store.turn();
    const [again] = store.append({ room: lobby, producer: "p", seq: stored + 1, bytes: 10_000 });
    expect(again?.seq).toBe(stored + 1);
    expect(store.seqsOf(lobby)).toEqual([stored + 1]);
  });

  test("a full disk refuses the whole commit, and nothing of it is remembered", () => {
    const store = new StoreHarness();
    const [first] = store.append({ room: lobby, producer: "p", seq: 1 });
    const revision = store.write(kept);
    store.isDiskFull = true;
    const refused = store.append(...many(other, 100, 1000), ...many(lobby, 100, 1000, "q"));
    expect(new Set(refused.map(({ timeUs }) => timeUs))).toEqual(new Set([Refusal.FULL]));
    expect(seqsOf(refused).some((seq) => seq !== 0)).toBe(false);
    expect(store.detail).toMatch(/^the disk of .* is full$/);
    expect(store.seqsOf(other)).toEqual([]);
    expect(store.seqsOf(lobby)).toEqual([first?.seq]);
    expect(() => store.write({ ...kept, key: "big", value: new Uint8Array(100_000) })).toThrow(
      "STORE_FULL",
    );
    store.isDiskFull = false;
    expect(store.read({ op: "kvGet", bucket: "b", key: "big" })).toBeNull();
    expect(store.write({ ...kept, key: "next" })).toBe((revision as number) + 1);
    const retried = store.append(...many(other, 100, 1000), ...many(lobby, 100, 1000, "q"));
    expect(seqsOf(retried)).toEqual(Array.from({ length: 200 }, (_, i) => i + 2));
    expect(retried[100]?.prevSeq).toBe(first?.seq);
    store.restart();
    expect(store.seqsOf(other)).toHaveLength(100);
  });

  test("what was appended before the refusal was heard is refused too (R3)", () => {
    const store = new StoreHarness({ storeBytesMax: 1024 ** 2, retentionMs: 60_000 });
    const fill = (seq: number) =>
      store.append({ room: lobby, producer: "fill", seq, bytes: 100_000 })[0]?.seq ?? 0;
    for (let seq = 1; fill(seq) > 0 && seq < 100; seq += 1);
    const oldFence = store.fence;
    const [refused] = store.append({ room: lobby, producer: "p", seq: 1, bytes: 100_000 });
    expect(refused?.seq).toBe(0);
    store.pass(61);
    store.turn();
    const newFence = store.fence;
    store.fence = oldFence;
    expect(seqsOf(store.append({ room: lobby, producer: "p", seq: 2 }))).toEqual([0]);
    store.fence = newFence;
    const retried = store.append(
      { room: lobby, producer: "p", seq: 1 },
      { room: lobby, producer: "p", seq: 2 },
    );
    expect(retried.every(({ seq }) => seq > 0)).toBe(true);
  });
});

describe("StoreWorker keys", () => {
  const value = new Uint8Array([1]);
  const create = (key: string, ttlMs: number) =>
    ({ op: "kvCreate", bucket: "b", key, value, ttlMs }) as const;

  test("a time to live goes on over a restart, and revisions are never used again", () => {
    const store = new StoreHarness();
    expect(store.write(create("a", 10_000))).toBe(1);
    expect(store.write(create("b", 60_000))).toBe(2);
    store.write({ op: "kvDelete", bucket: "b", key: "b", revision: 2 });
    store.pass(9);
    store.restart();
    expect(store.read({ op: "kvGet", bucket: "b", key: "a" })).toMatchObject({ revision: 1 });
    store.pass(2);
    expect(store.read({ op: "kvGet", bucket: "b", key: "a" })).toBeNull();
    store.turn();
    expect(store.write(create("a", 0))).toBe(5);
    store.restart();
    expect(store.write(create("c", 0))).toBe(6);
  });

  test("thousands of keys that expire at once go in steps", () => {
    const store = new StoreHarness();
    for (let i = 0; i < 2000; i += 1) store.write(create(`k${i}`, 5000));
    store.pass(6);
    store.turn();
    while (store.turn() > 1);
    expect(store.read({ op: "kvList", bucket: "b", prefix: "" })).toEqual([]);
    for (let i = 0; i < 4; i += 1) store.turn();
    expect(store.write(create("k0", 0))).toBe(4001);
  });
});
