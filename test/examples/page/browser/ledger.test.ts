/** The page's bookkeeping: what counts as missing, doubled and out of order. */
import { describe, expect, test } from "vitest";
import { Ledger } from "../../../../examples/page/browser/ledger.ts";

const clean = { missing: 0, doubled: 0, outOfOrder: 0 };

describe("Ledger", () => {
  test("a message that is acknowledged waits until it comes", () => {
    const ledger = new Ledger();
    expect(ledger.onSent("a", 1, 50)).toBe(true);
    expect(ledger.counts).toMatchObject({ ...clean, waiting: 1, received: 0 });
    expect(ledger.waitingSinceMs("a", 1)).toBe(50);
    expect(ledger.onArrived("a", 1, true)).toEqual({ arrival: "new", overtaken: [] });
    expect(ledger.counts).toMatchObject({ ...clean, waiting: 0, received: 1, recovered: 1 });
  });

  test("a message that comes before its acknowledgement never waits", () => {
    const ledger = new Ledger();
    ledger.onArrived("a", 1, false);
    expect(ledger.onSent("a", 1, 50)).toBe(false);
    expect(ledger.counts).toMatchObject({ ...clean, waiting: 0, received: 1 });
  });

  test("one that a later one of its publisher has overtaken is missing, until it comes", () => {
    const ledger = new Ledger();
    for (const n of [1, 2, 3]) ledger.onSent("a", n, n);
    ledger.onSent("b", 1, 1);
    ledger.onArrived("a", 1, false);
    expect(ledger.onArrived("a", 3, false).overtaken).toEqual(["a/2"]);
    expect(ledger.counts).toMatchObject({ ...clean, missing: 1, waiting: 1 });
    expect(ledger.onArrived("a", 2, false).arrival).toBe("late");
    expect(ledger.counts).toMatchObject({ ...clean, outOfOrder: 1, waiting: 1 });
  });

  test("one acknowledged after a later one came is missing at once", () => {
    const ledger = new Ledger();
    ledger.onArrived("a", 2, false);
    ledger.onSent("a", 1, 1);
    expect(ledger.counts).toMatchObject({ ...clean, missing: 1, waiting: 0 });
  });

  test("one that comes twice is doubled and counts once", () => {
    const ledger = new Ledger();
    ledger.onArrived("a", 1, false);
    expect(ledger.onArrived("a", 1, true).arrival).toBe("doubled");
    expect(ledger.counts).toMatchObject({ ...clean, doubled: 1, received: 1, recovered: 0 });
  });

  test("a gap makes missing what was sent before it, and nothing later", () => {
    const ledger = new Ledger();
    ledger.onSent("a", 1, 10);
    ledger.onSent("a", 2, 20);
    expect(ledger.loseBefore(15)).toEqual(["a/1"]);
    expect(ledger.counts).toMatchObject({ ...clean, missing: 1, waiting: 1 });
  });
});
