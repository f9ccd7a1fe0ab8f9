import { expect, test } from "vitest";
import {
  addCounts,
  closingLine,
  countJunit,
  countVitest,
  judgeCounts,
  NO_COUNTS,
} from "./counts.ts";

const report = {
  testResults: [
    {
      name: "/repo/test/a.test.ts",
      status: "failed",
      assertionResults: [
        { fullName: "a: holds", status: "passed" },
        { fullName: "a: breaks", status: "failed" },
        { fullName: "a: waits", status: "pending" },
      ],
    },
    { name: "/repo/test/b.test.ts", status: "failed", message: "no x\nat", assertionResults: [] },
  ],
};

test("countVitest: counts each test, and a file that could not be loaded as one failure", () => {
  expect(countVitest(report, "/repo")).toEqual({
    passed: 1,
    failed: 2,
    skipped: ["test/a.test.ts: a: waits"],
    failures: ["test/a.test.ts: a: breaks", "test/b.test.ts: no x"],
  });
});

test("countVitest: a hook that failed after all tests passed is a failure", () => {
  const afterAll = {
    name: "/repo/test/c.test.ts",
    status: "failed",
    message: "afterAll broke",
    assertionResults: [{ fullName: "c: holds", status: "passed" }],
  };
  const counts = countVitest({ testResults: [afterAll] }, "/repo");
  expect([counts.passed, counts.failed]).toEqual([1, 1]);
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
  });
});

test("judgeCounts: turns a skipped test into a failure in CI, and only there", () => {
  const counts = { ...NO_COUNTS, passed: 2, skipped: ["x"] };
  expect(closingLine(judgeCounts(counts, false))).toBe("2 passed, 0 failed, 1 skipped");
  expect(closingLine(judgeCounts(counts, true))).toBe("2 passed, 1 failed");
});

test("addCounts: adds numbers and joins lists", () => {
  const one = { passed: 1, failed: 1, skipped: ["a"], failures: ["b"] };
  expect(addCounts(one, one)).toEqual({
    passed: 2,
    failed: 2,
    skipped: ["a", "a"],
    failures: ["b", "b"],
  });
});
