/** Connections a second from one address. */
import { expect, test } from "vitest";
import { ADDRESS_COUNT_MAX, BURST_S, FloodGuard } from "../../../gateway/edge/flood-guard.ts";

const admitted = (guard: FloodGuard, address: string, nowMs: number, tries: number) => {
  let count = 0;
  for (let i = 0; i < tries; i += 1) {
    if (guard.judge(address, nowMs) === "admit") count += 1;
  }
  return count;
};

test("an address has ten seconds' worth at once, then the rate; another one its own", () => {
  const guard = new FloodGuard(20);
  expect(admitted(guard, "a", 0, 1000)).toBe(20 * BURST_S);
  expect(guard.refusedCount).toBe(800);
  expect(admitted(guard, "a", 500, 100)).toBe(10);
  expect(admitted(guard, "b", 500, 100)).toBe(100);
  expect(admitted(guard, "a", 3_600_000, 1000)).toBe(20 * BURST_S);
});

test("rate 0 and an unknown address are not limited, and not remembered", () => {
  expect(admitted(new FloodGuard(0), "a", 0, 10_000)).toBe(10_000);
  const guard = new FloodGuard(1);
  expect(admitted(guard, "", 0, 10_000)).toBe(10_000);
  expect(guard.addressCount).toBe(0);
});

test("a flood from more addresses than are remembered: newcomers are refused, and memory ends", () => {
  const guard = new FloodGuard(1);
  for (let i = 0; i < ADDRESS_COUNT_MAX; i += 1) guard.judge(`a${i}`, 0);
  expect(guard.judge("new", 100)).toBe("full");
  expect(guard.addressCount).toBe(ADDRESS_COUNT_MAX);
  expect(guard.judge("a7", 100)).toBe("admit"); // who is known is not locked out
  // A second later every bucket is full again: they make room, a bounded number at a time.
  expect(guard.judge("new", 1500)).toBe("admit");
  expect(guard.addressCount).toBeLessThan(ADDRESS_COUNT_MAX);
  expect(guard.addressCount).toBeGreaterThan(ADDRESS_COUNT_MAX - 100);
});
