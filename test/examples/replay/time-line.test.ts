/** Pressing events of days into seconds. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { pressIntoTime } from "../../../examples/replay/time-line.ts";

test("pressIntoTime: keeps order and rhythm, within the length, whatever the dates", () => {
  const dates = fc.array(fc.integer({ min: 0, max: 2_000_000_000_000 }), { minLength: 1 });
  fc.assert(
    fc.property(dates, fc.integer({ min: 1, max: 200 }), (atMs, countMax) => {
      const timed = pressIntoTime(
        atMs.map((at) => ({ atMs: at, event: { at } })),
        5000,
        countMax,
      );
      const due = timed.map(({ dueMs }) => dueMs);
      const earliest = atMs.toSorted((a, b) => a - b).slice(0, countMax);
      expect(timed.map(({ event }) => event)).toEqual(earliest.map((at) => ({ at })));
      expect(due).toEqual(due.toSorted((a, b) => a - b));
      expect(due[0]).toBe(0);
      expect(due.at(-1)).toBeLessThanOrEqual(5000);
    }),
  );
  const thirds = [0, 10, 30].map((atMs) => ({ atMs, event: {} }));
  expect(pressIntoTime(thirds, 300, 9).map(({ dueMs }) => dueMs)).toEqual([0, 100, 300]);
});
