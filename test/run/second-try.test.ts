/** What gets a second try, and that a failure is never lost by one. */
import { expect, test } from "vitest";
import { countVitest, type VitestFile, type VitestReport } from "./counts.ts";
import { filesToTryAgain, mergeSecondTry, SECOND_TRY_FILES_MAX } from "./second-try.ts";

function fileOf(name: string, ...states: string[]): VitestFile {
  const tests = states.map((state, i) => ({ title: `test ${i}`, state, note: "" }));
  return { name, isFailed: states.includes("failed"), errors: [], tests };
}

function reportOf(...files: VitestFile[]): VitestReport {
  return { files, unfinished: [], unhandled: [] };
}

test("a few failed files are tried again, and one that did not end", () => {
  const report = { ...reportOf(fileOf("a", "passed"), fileOf("b", "failed")), unfinished: ["c"] };
  expect(filesToTryAgain(report)).toEqual(["b", "c"]);
  expect(filesToTryAgain(reportOf(fileOf("a", "passed", "skipped")))).toEqual([]);
});

test("many failed files, and an error outside of tests, are no chance", () => {
  const names = Array.from({ length: SECOND_TRY_FILES_MAX + 1 }, (_, i) => `f${i}`);
  expect(filesToTryAgain(reportOf(...names.map((name) => fileOf(name, "failed"))))).toEqual([]);
  const report = { ...reportOf(fileOf("b", "failed")), unhandled: ["boom"] };
  expect(filesToTryAgain(report)).toEqual([]);
});

test("passed alone: counted as passed, and told as flaky by name", () => {
  const first = reportOf(fileOf("a", "passed"), fileOf("b", "passed", "failed"));
  const merged = mergeSecondTry(first, reportOf(fileOf("b", "passed", "passed")));
  expect(merged.flaky).toEqual(["b: test 1"]);
  expect(countVitest(merged.report)).toMatchObject({ passed: 3, failed: 0 });
});

test("failed twice, or not ended in the second try: failed, and not flaky", () => {
  const first = reportOf(fileOf("a", "passed"), fileOf("b", "failed"));
  const twice = mergeSecondTry(first, reportOf(fileOf("b", "failed")));
  expect(twice.flaky).toEqual([]);
  expect(countVitest(twice.report)).toMatchObject({ passed: 1, failed: 1 });
  const lost = mergeSecondTry(first, { ...reportOf(), unfinished: ["b"] });
  expect(countVitest(lost.report)).toMatchObject({ passed: 1, failed: 1 });
});

test("a file that did not end and then passed is flaky; an error of the second try counts", () => {
  const first = { ...reportOf(fileOf("a", "passed")), unfinished: ["c"] };
  const merged = mergeSecondTry(first, reportOf(fileOf("c", "passed")));
  expect(merged.flaky).toEqual(["c: did not end"]);
  expect(countVitest(merged.report)).toMatchObject({ passed: 2, failed: 0 });
  const bad = mergeSecondTry(first, { ...reportOf(fileOf("c", "passed")), unhandled: ["boom"] });
  expect(countVitest(bad.report)).toMatchObject({ failed: 1 });
});
