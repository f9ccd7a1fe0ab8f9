/** The steps of overload: when they are taken, and when they are left. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  CALM,
  CALM_COUNT,
  nextOverload,
  OVERLOAD_THRESHOLDS,
  type OverloadReading,
  PRESSED_COUNT,
} from "../../../gateway/overload/decide-overload.ts";

const calm: OverloadReading = { loopDelayMs: 1, memoryShare: 0.2, busLagMs: 1 };

function run(readings: readonly OverloadReading[], from = CALM) {
  return readings.reduce(nextOverload, from);
}
const times = (count: number, reading: OverloadReading) =>
  Array<OverloadReading>(count).fill(reading);

test.each(["loopDelayMs", "memoryShare", "busLagMs"] as const)(
  "overload: %s raises the level step by step, and lowers it later and lower",
  (measure) => {
    const [first, second] = OVERLOAD_THRESHOLDS[measure];
    const at = (value: number) => ({ ...calm, [measure]: value });
    expect(run(times(50, at(first * 0.999))).level).toBe(0);
    expect(run([at(second), at(first * 0.9), at(second)]).level).toBe(0); // not one peak
    const one = run(times(PRESSED_COUNT, at(second)));
    expect(one).toMatchObject({ level: 1, cause: measure });
    const two = run(times(PRESSED_COUNT, at(second)), one);
    expect(two).toMatchObject({ level: 2, cause: measure });
    expect(run(times(99, at(second)), two).level).toBe(2);
    // Between where it is left and where it is entered it stays.
    expect(run(times(99, at(second * 0.71)), two).level).toBe(2);
    expect(run(times(CALM_COUNT - 1, calm), two).level).toBe(2);
    const down = run(times(CALM_COUNT, calm), two);
    expect(down.level).toBe(1);
    expect(
      run([...times(CALM_COUNT - 1, calm), at(first), ...times(CALM_COUNT - 1, calm)], down),
    ).toMatchObject({ level: 1 });
    expect(run(times(CALM_COUNT, calm), down)).toEqual(CALM);
  },
);

test("overload: any readings move it by one step at a time, and no faster than stated", () => {
  const reading = fc.record({
    loopDelayMs: fc.double({ min: 0, max: 500, noNaN: true }),
    memoryShare: fc.double({ min: 0, max: 1, noNaN: true }),
    busLagMs: fc.double({ min: 0, max: 5000, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 80 }), (readings) => {
      let state = CALM;
      let changedAt = -1;
      for (const [i, each] of readings.entries()) {
        const next = nextOverload(state, each);
        const by = next.level - state.level;
        expect(Math.abs(by)).toBeLessThanOrEqual(1);
        if (by !== 0) {
          expect(i - changedAt).toBeGreaterThanOrEqual(by > 0 ? PRESSED_COUNT : CALM_COUNT);
          changedAt = i;
        }
        state = next;
      }
    }),
  );
});
