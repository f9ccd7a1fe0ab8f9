/**
 * How many refused calls are written.
 */
import { expect, test } from "vitest";
import {
  REFUSED_BURST_MAX,
  REFUSED_INTERVAL_MS,
  RefusalRate,
} from "../../../controlplane/audit/refusal-rate.ts";

test("a burst is written whole, then one in five minutes, which tells of the others", () => {
  const rate = new RefusalRate();
  const first = Array.from({ length: REFUSED_BURST_MAX + 20 }, () => rate.take(1000));
  expect(first.filter((count) => count === 0)).toHaveLength(REFUSED_BURST_MAX);
  expect(first.filter((count) => count === null)).toHaveLength(20);
  expect(rate.take(1000 + REFUSED_INTERVAL_MS - 1)).toBeNull();
  expect(rate.take(1000 + REFUSED_INTERVAL_MS)).toBe(21);
  expect(rate.take(1000 + REFUSED_INTERVAL_MS)).toBeNull();
  expect(rate.take(1000 + 2 * REFUSED_INTERVAL_MS)).toBe(1);
});

test("a quiet time fills the burst up again, and not more", () => {
  const rate = new RefusalRate();
  rate.take(0);
  const later = 10_000 * REFUSED_INTERVAL_MS;
  const counts = Array.from({ length: REFUSED_BURST_MAX + 1 }, () => rate.take(later));
  expect(counts.filter((count) => count !== null)).toHaveLength(REFUSED_BURST_MAX);
});

test("one that could not be written is told of by the next", () => {
  const rate = new RefusalRate();
  expect(rate.take(0)).toBe(0);
  rate.giveBack(0);
  expect(rate.take(0)).toBe(1);
});
