import { expect, test } from "vitest";
import type { DurableMessage } from "../../bus/bus.ts";
import { encodeEnvelope } from "../../bus/envelope.ts";
import { PUBLISH_LIMITS } from "../../bus/void.ts";
import { addToPage, EMPTY_PAGE } from "../../controlplane/history-page.ts";

const { voidAfterUs } = PUBLISH_LIMITS;
const anywhere = { floor: null, oldestUs: 0, voidAfterUs };
const roomy = { count: 100, bytes: 1_000_000 };

function message(seq: number, sentAgoUs = 0): DurableMessage {
  const timeUs = 1_000_000_000 + seq * 1_000_000;
  const fields = { firstSentUs: timeUs - sentAgoUs, user: "", producer: "", producerSeq: 0 };
  const envelope = encodeEnvelope(fields, Buffer.from(`m${seq}`));
  return { epoch: 1, seq, timeUs, prevSeq: seq - 1, envelope };
}

function seqs(page: { messages: readonly DurableMessage[] }): number[] {
  return page.messages.map(({ seq }) => seq);
}

test("addToPage: takes newest first, and goes on over several reads", () => {
  const first = addToPage(EMPTY_PAGE, [message(4), message(5)], true, anywhere, roomy);
  expect(first.state).toBe("open");
  const second = addToPage(first, [message(2), message(3)], false, anywhere, roomy);
  expect(second.state).toBe("end");
  expect(seqs(second)).toEqual([5, 4, 3, 2]);
});

test("addToPage: is full only when one more is within reach", () => {
  const size = { count: 2, bytes: 1_000_000 };
  const found = [message(1), message(2), message(3)];
  expect(addToPage(EMPTY_PAGE, found, false, anywhere, size)).toMatchObject({ state: "full" });
  expect(addToPage(EMPTY_PAGE, found.slice(1), false, anywhere, size).state).toBe("end");
  expect(addToPage(EMPTY_PAGE, found.slice(1), true, anywhere, size).state).toBe("open");
  const floor = { epoch: 1, seq: 2, timeUs: 0 };
  expect(addToPage(EMPTY_PAGE, found, true, { ...anywhere, floor }, size).state).toBe("end");
});

test("addToPage: skips void messages without giving them a place", () => {
  const found = [message(1), message(2, 26_000_000), message(3, 24_000_000)];
  const page = addToPage(EMPTY_PAGE, found, false, anywhere, { count: 2, bytes: 1_000_000 });
  expect(seqs(page)).toEqual([3, 1]);
  expect(page.state).toBe("end");
});

test("addToPage: ends at the class's count and at its age", () => {
  const found = [1, 2, 3, 4].map((seq) => message(seq));
  const floor = { epoch: 1, seq: 3, timeUs: 0 };
  const byCount = addToPage(EMPTY_PAGE, found, true, { ...anywhere, floor }, roomy);
  expect([byCount.state, seqs(byCount)]).toEqual(["end", [4, 3]]);
  const oldestUs = message(2).timeUs;
  const byAge = addToPage(EMPTY_PAGE, found, true, { ...anywhere, oldestUs }, roomy);
  expect([byAge.state, seqs(byAge)]).toEqual(["end", [4, 3, 2]]);
});

test("addToPage: bounds the bytes, but takes one message whatever its size", () => {
  const found = [message(1), message(2)];
  const bytes = found[1]?.envelope.length ?? 0;
  const exact = addToPage(EMPTY_PAGE, found, false, anywhere, { count: 9, bytes });
  expect([exact.state, seqs(exact), exact.bytes]).toEqual(["full", [2], bytes]);
  const tiny = addToPage(EMPTY_PAGE, found, false, anywhere, { count: 9, bytes: 1 });
  expect([tiny.state, seqs(tiny)]).toEqual(["full", [2]]);
});
