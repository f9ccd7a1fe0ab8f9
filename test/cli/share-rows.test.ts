/** Rows of a screen for several lists. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { shareRows } from "../../cli/share-rows.ts";

test.each([
  ["all fit", 20, [3, 5, 1], [3, 5, 1]],
  ["equal shares", 12, [50, 50, 50], [4, 4, 4]],
  ["what one does not want goes to the others", 12, [2, 50, 50], [2, 5, 5]],
  ["the first ones first", 7, [50, 50, 50], [3, 2, 2]],
  ["too few for all", 3, [50, 50, 50], [2, 1, 0]],
  ["none", -4, [50, 1], [0, 0]],
  ["no end", Number.POSITIVE_INFINITY, [50, 1], [50, 1]],
])("%s", (_name, available, wanted, shares) => {
  expect(shareRows(available, wanted)).toEqual(shares);
});

test("never more than there are, never more than wanted, nothing left while somebody wants", () => {
  const wants = fc.array(fc.nat(80), { maxLength: 5 });
  const check = fc.property(fc.nat(120), wants, (available, wanted) => {
    const shares = shareRows(available, wanted);
    const used = shares.reduce((sum, each) => sum + each, 0);
    const all = wanted.reduce((sum, each) => sum + each, 0);
    expect(used).toBe(Math.min(available, all));
    shares.forEach((share, at) => {
      expect(share).toBeLessThanOrEqual(wanted[at] ?? 0);
    });
  });
  fc.assert(check, { numRuns: 300 });
});
