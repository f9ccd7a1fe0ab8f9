/** When a gateway tries the next control plane. */
import { expect, test } from "vitest";
import { BACK_OFF_MS_MAX, backOffMs } from "../../../gateway/control-link/back-off.ts";

test("backOffMs: each of a round soon, then rounds further and further apart, up to 10 s", () => {
  const waits = (urlCount: number, chance: number) =>
    Array.from({ length: 9 }, (_, failed) => Math.round(backOffMs(failed, urlCount, chance)));
  expect(waits(3, 1)).toEqual([100, 100, 100, 200, 100, 100, 400, 100, 100]);
  expect(waits(1, 1)).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  expect(waits(1, 0)).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  expect(backOffMs(100_000, 1, 1)).toBe(BACK_OFF_MS_MAX);
});
