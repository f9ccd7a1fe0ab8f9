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
}

/** Nothing counted yet. */
export const NO_COUNTS: Counts = { passed: 0, failed: 0, skipped: [], failures: [] };

/** The part of vitest's JSON report (`--reporter=json`) that is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Counts a vitest report; `root` is cut from the front of file names. */
export function countVitest(report: VitestReport, root: string): Counts {
  let counts = NO_COUNTS;
  for (const file of report.testResults) {
    const name = file.name.startsWith(root) ? file.name.slice(root.length + 1) : file.name;
    const results = file.assertionResults;
    for (const { status, fullName } of results) {
      counts = addCounts(counts, countTest(status, `${name}: ${fullName}`));
    }
    const hasFailedTest = results.some(({ status }) => status === "failed");
    if (file.status === "failed" && !hasFailedTest) {
      const title = `${name}: ${firstLine(file.message) || "the file or one of its hooks failed"}`;
      counts = addCounts(counts, { ...NO_COUNTS, failed: 1, failures: [title] });
    }
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
