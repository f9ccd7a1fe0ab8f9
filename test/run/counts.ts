/**
 * Counts of a test run: from vitest's JSON report, from pytest's JUnit XML, and the closing line.
 *
 * Pure. A file that could not be loaded has no tests to count, so it counts as one failure; else a
 * syntax error would look like an empty, green file.
 */

/** What a step, or the whole run, came to. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Titles of the tests that were skipped, with their file and reason. */
  readonly skipped: readonly string[];
  /** Titles of the tests that failed, with their file. */
  readonly failures: readonly string[];
  /** Titles of the tests that failed beside others and passed alone: see second-try.ts. */
  readonly flaky: readonly string[];
}

/** Nothing counted yet. */
export const NO_COUNTS: Counts = { passed: 0, failed: 0, skipped: [], failures: [], flaky: [] };

/** Names, in the environment, the file that vitest-reporter.ts writes. */
export const REPORT_VARIABLE = "TIDEGATE_TEST_REPORT";

/** One test file that has ended. */
export interface VitestFile {
  readonly name: string;
  readonly isFailed: boolean;
  /** Of the file itself: it could not be loaded. */
  readonly errors: readonly string[];
  readonly tests: readonly {
    readonly title: string;
    readonly state: string;
    readonly note: string;
  }[];
}

/** What vitest-reporter.ts writes. */
export interface VitestReport {
  readonly files: readonly VitestFile[];
  /** Files that had begun, and not ended when this was written. */
  readonly unfinished: readonly string[];
  /** Errors that belong to no test. */
  readonly unhandled: readonly string[];
}

/** Counts a vitest report. */
export function countVitest(report: VitestReport): Counts {
  let counts = NO_COUNTS;
  for (const { name, isFailed, errors, tests } of report.files) {
    for (const { title, state, note } of tests) {
      const reason = note === "" ? "" : ` (${note})`;
      counts = addCounts(counts, countTest(state, `${name}: ${title}${reason}`));
    }
    if (isFailed && !tests.some(({ state }) => state === "failed")) {
      const reason = firstLine(errors[0]) || "one of its hooks failed";
      counts = addCounts(counts, countTest("failed", `${name}: ${reason}`));
    }
  }
  for (const name of report.unfinished) {
    counts = addCounts(counts, countTest("failed", `${name}: did not end`));
  }
  for (const message of report.unhandled) {
    counts = addCounts(counts, countTest("failed", `outside of tests: ${firstLine(message)}`));
  }
  return counts;
}

/** Counts a JUnit XML report as pytest writes it. */
export function countJunit(xml: string): Counts {
  let counts = NO_COUNTS;
  for (const [, attributes = "", body = ""] of xml.matchAll(testCase)) {
    const title = `${attribute(attributes, "classname")}: ${attribute(attributes, "name")}`;
    const skipped = /<skipped\b([^>]*)/.exec(body);
    if (/<(failure|error)\b/.test(body)) {
      counts = addCounts(counts, countTest("failed", title));
    } else if (skipped !== null) {
      const reason = attribute(skipped[1] ?? "", "message");
      counts = addCounts(counts, countTest("skipped", `${title} (${reason})`));
    } else {
      counts = addCounts(counts, countTest("passed", title));
    }
  }
  return counts;
}

/** The sum of two counts. */
export function addCounts(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: [...a.skipped, ...b.skipped],
    failures: [...a.failures, ...b.failures],
    flaky: [...a.flaky, ...b.flaky],
  };
}

/**
 * What the run comes to: in CI nothing may be skipped, so there each skipped test is a failure.
 */
export function judgeCounts(counts: Counts, isCi: boolean): Counts {
  if (!isCi) return counts;
  const failures = counts.skipped.map((title) => `${title}: skipped, and in CI nothing is skipped`);
  return addCounts({ ...counts, skipped: [] }, { ...NO_COUNTS, failed: failures.length, failures });
}

/** The closing line: "12 passed, 0 failed", and ", 1 skipped" when any was. */
export function closingLine(counts: Counts): string {
  const skipped = counts.skipped.length > 0 ? `, ${counts.skipped.length} skipped` : "";
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

const testCase = /<testcase\b((?:[^>"/]|"[^"]*")*)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

function countTest(status: string, title: string): Counts {
  if (status === "passed") return { ...NO_COUNTS, passed: 1 };
  if (status === "failed") return { ...NO_COUNTS, failed: 1, failures: [title] };
  return { ...NO_COUNTS, skipped: [title] }; // skipped, pending, todo, disabled
}

function attribute(attributes: string, name: string): string {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");
}

function firstLine(text: string | undefined): string {
  return (text ?? "").trim().split("\n")[0] ?? "";
}
