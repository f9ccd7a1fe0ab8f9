/** Histograms of times. */
import { expect, test } from "vitest";
import { HISTOGRAM_BOUNDS_S, Histogram } from "../../../telemetry/metrics/histogram.ts";

test("histogram: a time is in the first bucket whose bound it does not exceed", () => {
  for (const [i, bound] of HISTOGRAM_BOUNDS_S.entries()) {
    for (const [valueS, index] of [
      [bound * 0.999, i],
      [bound * 1.001, i + 1],
    ] as const) {
      const histogram = new Histogram();
      histogram.record(valueS);
      expect([valueS, histogram.counts.indexOf(1)]).toEqual([valueS, index]);
    }
  }
  expect(HISTOGRAM_BOUNDS_S).toContain(0.5);
  const exact = new Histogram();
  exact.record(0.5);
  expect(exact.counts[HISTOGRAM_BOUNDS_S.indexOf(0.5)]).toBe(1);
});

test("histogram: 0 and what is above all bounds are counted too", () => {
  const histogram = new Histogram();
  for (const valueS of [0, 1e-9, 1e6]) histogram.record(valueS);
  expect(histogram.counts[0]).toBe(2);
  expect(histogram.counts.at(-1)).toBe(1);
  expect(histogram).toMatchObject({ count: 3, sumS: 1_000_000.000000001 });
});
