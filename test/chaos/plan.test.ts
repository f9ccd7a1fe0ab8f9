/**
 * The plan of a run: the same for a seed, and every fault in its round.
 */
import { expect, test } from "vitest";
import { Dice } from "./dice.ts";
import { FAULTS } from "./faults/all.ts";
import { planFaults } from "./plan.ts";
import { quietFrom } from "./spans.ts";

const wish = { seed: 7, totalMs: 120_000, faults: FAULTS, longMs: 8000 };
const namesOf = (seed: number) =>
  Object.values(planFaults({ ...wish, seed })).flatMap((line) =>
    line.map(({ fault, holdMs, restMs }) => `${fault.name} ${holdMs} ${restMs}`),
  );

test("plan: a seed plans the same faults each time, another seed others", () => {
  expect(namesOf(7)).toEqual(namesOf(7));
  expect(namesOf(8)).not.toEqual(namesOf(7));
});

test("plan: a round has every fault of the domain once, and long ones are long", () => {
  const { nats } = planFaults(wish);
  const own = FAULTS.filter(({ domain }) => domain === "nats").map(({ name }) => name);
  const round = nats.slice(0, own.length).map(({ fault }) => fault.name);
  expect(round.toSorted()).toEqual(own.toSorted());
  for (const { fault, holdMs } of nats) {
    if (fault.isLong) expect(holdMs).toBe(8000);
    else expect(holdMs).toBeLessThanOrEqual(fault.holdMs[1]);
  }
});

test("plan: everything restarts once in a minute, and once in a short run", () => {
  expect(planFaults(wish).everything).toHaveLength(2);
  expect(planFaults({ ...wish, totalMs: 10_000 }).everything).toHaveLength(1);
  const without = FAULTS.filter(({ domain }) => domain !== "everything");
  expect(planFaults({ ...wish, faults: without }).everything).toEqual([]);
});

test("dice: the same seed, the same numbers, all within bounds", () => {
  const throws = (seed: number) => {
    const dice = new Dice(seed);
    return Array.from({ length: 1000 }, () => dice.between(1, 6));
  };
  expect(throws(1)).toEqual(throws(1));
  expect(throws(2)).not.toEqual(throws(1));
  expect(new Set(throws(1))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
  expect(new Dice(3).shuffle([1, 2, 3]).toSorted()).toEqual([1, 2, 3]);
});

test("quietFrom: spans that follow one another closely are one, others do not count", () => {
  const span = (fromUs: number, toUs: number) => ({ fromUs, toUs });
  expect(quietFrom(10, 5, [])).toBe(10);
  expect(quietFrom(10, 5, [span(12, 20), span(24, 30)])).toBe(30);
  expect(quietFrom(10, 5, [span(24, 30), span(12, 20)])).toBe(30);
  expect(quietFrom(10, 5, [span(12, 20), span(26, 30)])).toBe(20);
  expect(quietFrom(10, 5, [span(0, 9), span(16, 18)])).toBe(10);
});
