/** R5: a receiver that follows judgeChain counts every message once, in order, whatever arrives. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeChain } from "../../bus/chain.ts";

describe("judgeChain", () => {
  test.each([
    ["the first message", 1, 0, { epoch: 1, seq: 5, prevSeq: 0 }, "next"],
    ["the one that names the place", 1, 5, { epoch: 1, seq: 9, prevSeq: 5 }, "next"],
    ["one whose predecessor was read", 1, 7, { epoch: 1, seq: 9, prevSeq: 5 }, "next"],
    ["one whose predecessor is missing", 1, 4, { epoch: 1, seq: 9, prevSeq: 5 }, "gap"],
    ["the one reached", 1, 9, { epoch: 1, seq: 9, prevSeq: 5 }, "old"],
    ["one before", 1, 9, { epoch: 1, seq: 5, prevSeq: 0 }, "old"],
    ["one of an earlier epoch", 2, 0, { epoch: 1, seq: 5, prevSeq: 0 }, "old"],
    ["one of a later epoch", 1, 9, { epoch: 2, seq: 1, prevSeq: 0 }, "gap"],
  ] as const)("%s", (_what, epoch, seq, message, verdict) => {
    expect(judgeChain({ epoch, seq }, message)).toBe(verdict);
  });

  test("over any losses, repeats and delays, gaps filled from the store leave no hole", () => {
    const arrivals = fc.array(fc.nat({ max: 19 }), { maxLength: 60 });
    fc.assert(
      fc.property(arrivals, (indexes) => {
        const stored = Array.from({ length: 20 }, (_, i) => ({
          epoch: 1,
          seq: i * 3 + 1,
          prevSeq: i === 0 ? 0 : i * 3 - 2,
        }));
        const delivered: number[] = [];
        let reached = { epoch: 1, seq: 0 };
        for (const index of indexes) {
          const message = stored[index];
          if (message === undefined) continue;
          const verdict = judgeChain(reached, message);
          if (verdict === "old") continue;
          const missing = stored.filter(({ seq }) => seq > reached.seq && seq <= message.seq);
          expect(missing.length === 1).toBe(verdict === "next");
          delivered.push(...missing.map(({ seq }) => seq));
          reached = message;
        }
        expect(delivered).toEqual(stored.slice(0, delivered.length).map(({ seq }) => seq));
      }),
    );
  });
});
