/** Weights of slots: the mean for what was not observed, a floor for what is idle. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LOAD_MAX, weighSlots } from "../../../controlplane/placement/slot-weights.ts";

const weigh = (...loads: (number | null)[]): number[] =>
  weighSlots(loads.map((load, slot) => ({ slot, owner: 0, load, pin: null }))).map(
    ({ weight }) => weight,
  );

describe("weighSlots", () => {
  test.each([
    ["the mean is 1000", [5, 15, 10], [500, 1500, 1000]],
    ["not observed: the mean of the observed", [5, 15, null], [500, 1500, 1000]],
    ["nothing observed: all alike", [null, null], [1000, 1000]],
    ["all idle: all alike", [0, 0, null], [1000, 1000, 1000]],
    ["idle: a hundredth of the mean", [0, 20], [10, 2000]],
    ["nonsense is not observed", [Number.NaN, -1, 5], [1000, 1000, 1000]],
    ["endless is a lot", [Number.POSITIVE_INFINITY, LOAD_MAX], [1000, 1000]],
    ["next to nothing is idle", [5e-324, 1e-300, 1], [10, 10, 3000]],
    ["no slots", [], []],
  ])("%s", (_name, loads, weights) => {
    expect(weigh(...loads)).toEqual(weights);
  });

  test("are returned by slot number, in whatever order slots are given", () => {
    const slots = [3, 1, 2].map((slot) => ({ slot, owner: 0, load: slot, pin: null }));
    expect(weighSlots(slots).map(({ slot }) => slot.slot)).toEqual([1, 2, 3]);
  });

  test("are whole and safe to add up, for any loads", () => {
    const load = fc.option(fc.double({ min: 0, noNaN: true }));
    fc.assert(
      fc.property(fc.array(load, { maxLength: 200 }), (loads) => {
        const weights = weigh(...loads);
        expect(weights.every((weight) => Number.isSafeInteger(weight) && weight >= 10)).toBe(true);
        const sum = weights.reduce((all, weight) => all + weight, 0);
        expect(sum).toBeLessThanOrEqual(1011 * loads.length);
      }),
    );
  });
});
