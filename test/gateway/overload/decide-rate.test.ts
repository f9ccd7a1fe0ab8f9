/** The pace of new clients. */
import { expect, test } from "vitest";
import {
  CALM_DELAY_MS,
  FIRST_PACE,
  nextPace,
  RATE_FIRST,
  RATE_MAX,
  RATE_MIN,
} from "../../../gateway/overload/decide-rate.ts";

function run(count: number, delayMs: number, isPaced = true, from = FIRST_PACE) {
  let pace = from;
  for (let i = 0; i < count; i += 1) pace = nextPace(pace, delayMs, isPaced);
  return pace;
}

test("pace: grows while the loop is calm and somebody waits, within its bounds", () => {
  expect(run(1, 1).ratePerS).toBeGreaterThan(RATE_FIRST);
  expect(run(25, 1).ratePerS).toBeGreaterThan(2 * RATE_FIRST); // doubled in three seconds
  expect(run(10, 1).ratePerS).toBeLessThan(1.5 * RATE_FIRST); // not by leaps
  expect(run(1000, 1).ratePerS).toBe(RATE_MAX);
  expect(run(1000, 1, false).ratePerS).toBe(RATE_FIRST);
});

test("pace: shrinks at once when the loop is late, and never to nothing", () => {
  const delayMs = 3 * CALM_DELAY_MS;
  expect(run(1, delayMs).ratePerS).toBeLessThanOrEqual(0.8 * RATE_FIRST);
  expect(run(1000, delayMs).ratePerS).toBe(RATE_MIN);
});

test("pace: a loop that is always a little late has more room, and not any amount of it", () => {
  const late = run(200, 12, false);
  expect(run(1, 20, true, late).ratePerS).toBeGreaterThan(RATE_FIRST); // within 2 x normal
  expect(run(1, 30, true, late).ratePerS).toBeLessThan(RATE_FIRST);
  const veryLate = run(200, 500, false);
  expect(run(1, 201, true, veryLate).ratePerS).toBeLessThan(RATE_FIRST);
});
