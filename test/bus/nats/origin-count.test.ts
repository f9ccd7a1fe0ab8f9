/** The count of one origin in one room: whatever is lost, delivered and told make the whole. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { GENERATION_MAX } from "../../../bus/nats/ephemeral-frame.ts";
import {
  IS_OLD,
  judgeFirstTail,
  LOSS_UNKNOWN,
  type OriginCount,
  takeMessage,
  takeTail,
} from "../../../bus/nats/origin-count.ts";

const origin = { id: 1, trafficTick: 0, signTick: 0, askedTick: 0, isSilent: false };

function countAt(seq: number, generation = 0): OriginCount {
  return { origin, generation, seq, trafficTick: 0, lowTick: 0 };
}

/** What an origin sends after message 1: messages and tails, some lost, some doubled, in order. */
const step = fc.record({
  kind: fc.constantFrom("message", "message", "message", "tail", "new generation"),
  fate: fc.constantFrom("arrives", "arrives", "lost", "doubled"),
});

test("takeMessage, takeTail: delivered and told are all that was sent, each once, in order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(GENERATION_MAX), (steps, first) => {
      const count = countAt(1, first);
      let [generation, seq, sent, told, tick] = [first, 1, 0, 0, 100];
      const delivered: string[] = [];
      const takeTrueTail = () => {
        const missed = seq === 0 ? 0 : takeTail(count, generation, seq, tick);
        expect(missed).toBeGreaterThanOrEqual(0);
        told += missed;
      };
      for (const { kind, fate } of steps) {
        tick += 1;
        if (kind === "new generation") {
          takeTrueTail(); // an origin forgets a room only after its tails
          generation = (generation + 1) & GENERATION_MAX;
          seq = 0;
        } else if (kind === "tail") {
          if (fate !== "lost") takeTrueTail();
        } else {
          seq += 1;
          sent += 1;
          for (
            let copies = fate === "lost" ? 0 : fate === "doubled" ? 2 : 1;
            copies > 0;
            copies -= 1
          ) {
            const missed = takeMessage(count, generation, seq);
            if (missed === IS_OLD) continue;
            told += missed;
            delivered.push(`${generation}:${seq}`);
          }
        }
      }
      takeTrueTail();
      expect(delivered.length + told).toBe(sent);
      expect(new Set(delivered).size).toBe(delivered.length);
    }),
  );
});

test("takeMessage: what comes late is old, also of an earlier generation", () => {
  const count = countAt(5, 3);
  expect(takeMessage(count, 3, 5)).toBe(IS_OLD);
  expect(takeMessage(count, 3, 2)).toBe(IS_OLD);
  expect(takeMessage(count, 2, 900)).toBe(IS_OLD);
  expect(takeTail(count, 2, 900, 1)).toBe(0);
  expect(count).toEqual(countAt(5, 3));
});

test("takeTail: a lower number is believed when it is told again later, and not sooner", () => {
  const count = countAt(1000);
  expect(takeTail(count, 0, 7, 50)).toBe(0);
  expect(takeTail(count, 0, 7, 51)).toBe(0); // a thawed server hands out old tails at once
  expect(takeMessage(count, 0, 1001)).toBe(0);
  expect(takeTail(count, 0, 7, 60)).toBe(0); // a true message came meanwhile
  expect(takeTail(count, 0, 8, 63)).toBe(LOSS_UNKNOWN);
  expect(takeMessage(count, 0, 9)).toBe(0);
});

test("judgeFirstTail: a loss only for who listened when the message must have come", () => {
  expect(judgeFirstTail(1, 2000, 500, 500)).toBe(1);
  expect(judgeFirstTail(9, 2000, 500, 500)).toBe(LOSS_UNKNOWN);
  expect(judgeFirstTail(9, 1000, 500, 500)).toBe(0);
  expect(judgeFirstTail(9, 2000, 9000, 500)).toBe(0);
});
