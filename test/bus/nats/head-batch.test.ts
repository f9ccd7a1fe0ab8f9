/** bus/nats/head-batch.ts: one read for all that ask in a turn, each gets its own answer. */
import { expect, test } from "vitest";
import type { DirectAnswer, DirectQuery, StoredMessage } from "../../../bus/nats/direct-get.ts";
import { HEADS_AT_ONCE_MAX, HeadBatch } from "../../../bus/nats/head-batch.ts";
import { CodedError } from "../../../proto/coded-error.ts";

const empty = new Uint8Array(0);

function stored(subject: string, seq: number): StoredMessage {
  return { subject, seq, timeUs: seq, pendingCount: 0, data: empty };
}

/** Answers from `heads` (subject to sequence) and notes the questions. */
function batchOn(heads: Record<string, number>, upToSeq: () => number) {
  const queries: { shard: number; query: DirectQuery }[] = [];
  const batch = new HeadBatch(async (shard, query, isFresh) => {
    queries.push({ shard, query });
    for (;;) {
      const messages = (query.multi_last ?? []).flatMap((subject) => {
        const seq = heads[subject];
        return seq === undefined ? [] : [stored(subject, seq)];
      });
      const answer: DirectAnswer = { messages, upToSeq: upToSeq() };
      if (isFresh(answer, Number.POSITIVE_INFINITY)) return answer;
      await Promise.resolve();
    }
  });
  return { batch, queries };
}

test("HeadBatch: one read a shard and turn, each subject its own answer", async () => {
  const { batch, queries } = batchOn({ a: 5, b: 7, "tg.seal.1.anchor": 9 }, () => 9);
  const asked = [batch.head(1, "a", 3), batch.head(1, "none", 0), batch.head(1, "b", 2)];
  const again = batch.head(1, "a", 1);
  const other = batch.head(2, "a", 0);
  const heads = await Promise.all([...asked, again, other]);
  expect(heads.map((head) => head?.seq ?? null)).toEqual([5, null, 7, 5, 5]);
  expect(queries.map(({ shard, query }) => [shard, query.multi_last])).toEqual([
    [1, ["a", "none", "b", "tg.seal.1.anchor"]],
    [2, ["a", "tg.seal.2.anchor"]],
  ]);
  await batch.head(1, "a", 0);
  expect(queries.length).toBe(3); // an answer is never kept
});

test("HeadBatch: the answer knows what the latest of the askers has seen (R6)", async () => {
  let upTo = 4;
  const { batch } = batchOn({ a: 5 }, () => upTo++);
  await Promise.all([batch.head(1, "a", 3), batch.head(1, "b", 8)]);
  expect(upTo - 1).toBe(8);
});

test("HeadBatch: reads are of bounded size, and a failure reaches all that share it", async () => {
  const { batch, queries } = batchOn({}, () => 0);
  const subjects = Array.from({ length: 2 * HEADS_AT_ONCE_MAX + 1 }, (_, i) => `s${i}`);
  await Promise.all(subjects.map((subject) => batch.head(1, subject, 0)));
  expect(queries.map(({ query }) => query.batch)).toEqual([101, 101, 2]);
  const failing = new HeadBatch(() =>
    Promise.reject(new CodedError("UNAVAILABLE", "no fresh read")),
  );
  const settled = await Promise.allSettled([failing.head(1, "a", 0), failing.head(1, "b", 0)]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});
