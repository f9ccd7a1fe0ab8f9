/** Token buckets as one number. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { BURST_US, takeFrom, waitFor } from "../../../gateway/rates/bucket.ts";

test("bucket: in any time no more is taken than the rate and one burst", () => {
  const step = fc.record({ waitUs: fc.nat(3_000_000), cost: fc.integer({ min: 1, max: 5 }) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 5, max: 50 }),
      (steps, rate) => {
        let paidUs = 0;
        let nowUs = 1_000_000;
        const taken: { atUs: number; cost: number }[] = [];
        for (const { waitUs, cost } of steps) {
          nowUs += waitUs % 400_000;
          const next = takeFrom(paidUs, nowUs, (cost * 1e6) / rate);
          if (next < 0) continue;
          paidUs = next;
          taken.push({ atUs: nowUs, cost });
        }
        for (const [i, first] of taken.entries()) {
          let sum = 0;
          for (const each of taken.slice(i)) {
            sum += each.cost;
            const spanUs = each.atUs - first.atUs;
            expect(sum).toBeLessThanOrEqual(((spanUs + BURST_US) * rate) / 1e6 + 1e-6);
          }
        }
      },
    ),
  );
});

test("bucket: after the wait that is told it is taken, and not before", () => {
  const costUs = 100_000;
  let paidUs = 0;
  while (takeFrom(paidUs, 0, costUs) >= 0) paidUs = takeFrom(paidUs, 0, costUs);
  expect(paidUs).toBe(BURST_US);
  const waitUs = waitFor(paidUs, 0, costUs);
  expect(waitUs).toBe(costUs);
  expect(takeFrom(paidUs, waitUs - 1, costUs)).toBe(-1);
  expect(takeFrom(paidUs, waitUs, costUs)).toBeGreaterThan(0);
});

test("bucket: what is larger than a burst is taken when it is full, and paid for after", () => {
  const paidUs = takeFrom(0, 10, 7_000_000);
  expect(paidUs).toBe(7_000_010);
  expect(takeFrom(paidUs, 20, 1)).toBe(-1);
  expect(waitFor(paidUs, 10, 7_000_000)).toBe(7_000_000);
  expect(takeFrom(paidUs, 7_000_010, 7_000_000)).toBeGreaterThan(0);
});
