/** bench: the arithmetic behind the figures. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Histogram } from "../../bench/load/histogram.ts";
import { dueAtUs, dueCount } from "../../bench/load/pace.ts";
import { DEFAULTS, parseBenchArgs } from "../../bench/options.ts";
import { type BenchReport, formatTable, shownSpread, spreadOf } from "../../bench/report.ts";
import { judge, readTargets } from "../../bench/targets.ts";

describe("Histogram", () => {
  test("Histogram: a percentile is at most 3.2 % above the true one, and never below", () => {
    const values = fc.array(fc.integer({ min: 0, max: 60_000_000 }), {
      minLength: 1,
      maxLength: 200,
    });
    const run = (all: readonly number[], share: number): void => {
      const histogram = new Histogram();
      for (const value of all) histogram.record(value);
      const sorted = [...all].sort((a, b) => a - b);
      const exact = sorted[Math.max(0, Math.ceil(all.length * share) - 1)] ?? 0;
      expect(histogram.percentile(share)).toBeGreaterThanOrEqual(exact);
      expect(histogram.percentile(share)).toBeLessThanOrEqual(exact * 1.032 + 1);
      expect(histogram.max).toBe(sorted.at(-1));
    };
    fc.assert(fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), run));
  });

  test("Histogram: merging equals recording into one, also from another process", () => {
    const [one, two, both] = [new Histogram(), new Histogram(), new Histogram()];
    for (const value of [1, 900, 31, 32, 33, 70_000]) {
      (value % 2 === 0 ? one : two).record(value);
      both.record(value);
    }
    one.merge(Histogram.fromPlain(structuredClone(two.toPlain())));
    expect(one).toEqual(both);
    expect(one.count).toBe(6);
  });

  test("Histogram: an empty one has percentile 0", () => {
    expect(new Histogram().percentile(0.99)).toBe(0);
  });
});

test("dueCount: every message is due at its time, not before, and none beyond the count", () => {
  expect(dueCount(0, 1000, 50)).toBe(1);
  expect(dueCount(999, 1000, 50)).toBe(1);
  expect(dueCount(dueAtUs(7, 1000), 1000, 50)).toBe(8);
  expect(dueCount(1e9, 1000, 50)).toBe(50);
});

test("spreadOf: median of odd and even counts, and the range", () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, n: 3 });
  expect(spreadOf([4, 1])).toEqual({ median: 2.5, min: 1, max: 4, n: 2 });
  expect(shownSpread(spreadOf([1.234, 1, 2]))).toBe("1.23 (1 to 2)");
});

test("formatTable: text flush left, numbers flush right, missing cells empty", () => {
  const rows = [
    { name: "a", "count/s": 12_345 },
    { name: "bcd", "count/s": 7 },
  ];
  expect(formatTable(rows)).toBe("name  count/s\n----  -------\na      12,345\nbcd         7");
});

describe("targets", () => {
  const report = (name: string, ...values: number[]): BenchReport => ({
    bench: name.split("/")[0] ?? "",
    measures: { [name]: spreadOf(values) },
    runs: [],
    rows: [],
    hash: "",
    problems: [],
    notes: [],
  });

  test("judge: the median decides, at the bound it is met, beyond it is missed", () => {
    const targets = [{ name: "a/b", max: 1.3, unit: "x", reason: "" }];
    expect(judge(report("a/b", 1, 1.3, 9), targets)).toMatchObject([
      { isMet: true, measured: 1.3 },
    ]);
    expect(judge(report("a/b", 1.31), targets)).toMatchObject([{ isMet: false }]);
    const least = [{ name: "a/b", min: 20_000, unit: "/s", reason: "" }];
    expect(judge(report("a/b", 19_999), least)).toMatchObject([{ isMet: false }]);
    expect(judge(report("a/b", 20_000), least)).toMatchObject([{ isMet: true }]);
  });

  test("judge: a figure that is not a number misses its target", () => {
    const targets = [{ name: "a/b", max: 1.3, unit: "x", reason: "" }];
    expect(judge(report("a/b", Number.NaN), targets)).toMatchObject([{ isMet: false }]);
  });

  test("targets.json: every target has a name of its own, one bound, a unit and a reason", () => {
    const targets = readTargets();
    expect(new Set(targets.map((target) => target.name)).size).toBe(targets.length);
    for (const { max, min, unit, reason } of targets) {
      expect((max === undefined) !== (min === undefined)).toBe(true);
      expect(unit).not.toBe("");
      expect(reason.length).toBeGreaterThan(20);
    }
  });
});

describe("parseBenchArgs", () => {
  test("parseBenchArgs: without options the defaults", () => {
    const options = { ...DEFAULTS };
    expect(parseBenchArgs(["fanout"])).toEqual({ kind: "run", name: "fanout", options });
    expect(DEFAULTS).toEqual({
      isJson: false,
      isCheck: false,
      isTiny: false,
      isNoisy: false,
      seconds: 5,
      runs: 0,
      only: "",
      profileDir: "",
      natsServer: "",
    });
  });

  test.each([
    [["fanout", "--seconds", "0"], '--seconds is "0"; it must be a whole number, 1 to 600'],
    [["fanout", "--runs", "x"], '--runs is "x"; it must be a whole number, 1 to 100'],
    [["fanout", "memory"], "one bench at a time, not memory"],
  ])("parseBenchArgs: refuses %j by value and bound", (args, reason) => {
    expect(parseBenchArgs(args)).toEqual({ kind: "wrong", reason });
  });

  test("parseBenchArgs: refuses an option that is not there", () => {
    expect(parseBenchArgs(["fanout", "--quick"])).toMatchObject({ kind: "wrong" });
  });
});
