/**
 * What a chaos run can be told: defaults that fit its length, and refusals that name the value.
 */
import { expect, test } from "vitest";
import { FAULTS } from "./faults/all.ts";
import { readChaosOptions } from "./options.ts";

test("options: a short run has a short window, a long one that of the product", () => {
  expect(readChaosOptions([], 5)).toMatchObject({ seconds: 60, seed: 5, windowMs: 4000 });
  const long = readChaosOptions(["--seconds", "600", "--seed", "7"], 5);
  expect(long).toMatchObject({ seconds: 600, seed: 7, windowMs: 30_000, faults: [] });
  expect(readChaosOptions(["--window-ms", "9000"], 5)?.windowMs).toBe(9000);
  expect(readChaosOptions(["--help"], 5)).toBeNull();
});

test("options: faults by name, or all but some", () => {
  expect(readChaosOptions(["--faults", "nats-kill,step-down"], 5)?.faults).toEqual([
    "nats-kill",
    "step-down",
  ]);
  const rest = readChaosOptions(["--faults=-nats-kill"], 5)?.faults ?? [];
  expect(rest).toHaveLength(FAULTS.length - 1);
  expect(rest).not.toContain("nats-kill");
});

test.each([
  [["--seconds", "4"], /--seconds is "4"/],
  [["--seed", "x"], /--seed is "x"/],
  [["--window-ms", "100"], /--window-ms is "100"/],
  [["--faults", "rain"], /--faults has "rain"/],
  [["--faults=-nats-kill,step-down"], /with and without -/],
  [["--variants", "--only", "none"], /--only has "none"; the variants are no-dedup/],
])("options: %j is refused", (args, message) => {
  expect(() => readChaosOptions(args, 5)).toThrow(message);
});
