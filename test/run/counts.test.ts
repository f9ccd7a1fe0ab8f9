import { expect, test } from "vitest";
import {
  addCounts,
  closingLine,
  countJunit,
  countVitest,
  judgeCounts,
  NO_COUNTS,
} from "./counts.ts";

const holds = { title: "holds", state: "passed", note: "" };

test("countVitest: counts each test, and names failed and skipped ones with the reason", () => {
  const tests = [
    holds,
    { title: "breaks", state: "failed", note: "" },
    { title: "waits", state: "skipped", note: "no strace here" },
  ];
  const file = { name: "test/a.test.ts", isFailed: true, errors: [], tests };
  expect(countVitest({ files: [file], unfinished: [], unhandled: [] })).toEqual({
    passed: 1,
    failed: 1,
    skipped: ["test/a.test.ts: waits (no strace here)"],
    failures: ["test/a.test.ts: breaks"],
    flaky: [],
  });
});

test("countVitest: a file that could not be loaded, whose hook failed, or that hangs, is a failure", () => {
  const broken = { name: "test/b.test.ts", isFailed: true, errors: ["no x\nat"], tests: [] };
  const afterAll = { name: "test/c.test.ts", isFailed: true, errors: [], tests: [holds] };
  const counts = countVitest({
    files: [broken, afterAll],
    unfinished: ["test/d.test.ts"],
    unhandled: ["late rejection"],
  });
  expect(counts.passed).toBe(1);
  expect(counts.failures).toEqual([
    "test/b.test.ts: no x",
    "test/c.test.ts: one of its hooks failed",
    "test/d.test.ts: did not end",
    "outside of tests: late rejection",
  ]);
});

test("countJunit: counts passes, failures, errors and skips with their reason", () => {
  const xml = `<?xml version="1.0"?><testsuites><testsuite name="pytest">
<testcase classname="tests.a" name="test_one" time="0.1" />
<testcase classname="tests.a" name="test_two[a&gt;b]"><failure message="x">text</failure></testcase>
<testcase classname="tests.a" name="test_three"><error message="y">text</error></testcase>
<testcase classname="tests.a" name="test_four"><skipped message="no picows" /></testcase>
</testsuite></testsuites>`;
  expect(countJunit(xml)).toEqual({
    passed: 1,
    failed: 2,
    skipped: ["tests.a: test_four (no picows)"],
    failures: ["tests.a: test_two[a>b]", "tests.a: test_three"],
    flaky: [],
  });
});

test("judgeCounts: turns a skipped test into a failure in CI, and only there", () => {
  const counts = { ...NO_COUNTS, passed: 2, skipped: ["x"] };
  expect(closingLine(judgeCounts(counts, false))).toBe("2 passed, 0 failed, 1 skipped");
  expect(closingLine(judgeCounts(counts, true))).toBe("2 passed, 1 failed");
});

test("addCounts: adds numbers and joins lists", () => {
  const one = { passed: 1, failed: 1, skipped: ["a"], failures: ["b"], flaky: ["c"] };
  expect(addCounts(one, one)).toEqual({
    passed: 2,
    failed: 2,
    skipped: ["a", "a"],
    failures: ["b", "b"],
    flaky: ["c", "c"],
  });
});
