/** What the store says of itself stays true while messages come, are refused and are trimmed. */
import { expect, test } from "vitest";
import type { LogFacts } from "../../../bus/embedded/shard-log.ts";
import { roomAddress } from "../../../bus/subjects.ts";
import { type Append, StoreHarness } from "./store-harness.ts";

const lobby = roomAddress("default", "chat:lobby");

function appends(count: number, producer = "p"): Append[] {
  return Array.from({ length: count }, (_, i) => ({ room: lobby, producer, seq: i + 1 }));
}

function facts(store: StoreHarness): Partial<LogFacts> {
  const found = store.factsOf(0);
  if (found === null) throw new Error("no facts");
  const { messageCount, firstSeq, lastSeq, bytes } = found;
  const oneBytes = 20 + 64;
  expect(bytes).toBe(messageCount * oneBytes);
  return { messageCount, firstSeq, lastSeq };
}

test("facts: an empty store has no message, and its first sequence is the next one", () => {
  const store = new StoreHarness();
  expect(facts(store)).toEqual({ messageCount: 0, firstSeq: 1, lastSeq: 0 });
});

test("facts: the count asked for once follows appends, retries and trimming", () => {
  const store = new StoreHarness({ roomMessageCountMax: 10 });
  store.append(...appends(5));
  expect(facts(store)).toEqual({ messageCount: 5, firstSeq: 1, lastSeq: 5 });
  store.append(...appends(30)); // five of them again
  expect(facts(store)).toEqual({ messageCount: 30, firstSeq: 1, lastSeq: 30 });
  store.pass(31);
  store.turn();
  expect(facts(store)).toEqual({ messageCount: 10, firstSeq: 21, lastSeq: 30 });
  store.restart();
  expect(facts(store)).toEqual({ messageCount: 10, firstSeq: 21, lastSeq: 30 });
});

test("facts: when all is trimmed, the last sequence stays; what is rolled back is not counted", () => {
  const store = new StoreHarness({ retentionMs: 60_000 });
  store.append(...appends(700));
  expect(facts(store).messageCount).toBe(700);
  store.pass(61);
  store.turn();
  const trimmed = { messageCount: 0, firstSeq: 701, lastSeq: 700 };
  expect(facts(store)).toEqual(trimmed);
  store.isDiskFull = true;
  store.append(...appends(2000, "q").map((each) => ({ ...each, bytes: 1000 })));
  expect(facts(store)).toEqual(trimmed);
  store.isDiskFull = false;
  store.append(...appends(3, "r"));
  expect(facts(store)).toEqual({ messageCount: 3, firstSeq: 701, lastSeq: 703 });
});
