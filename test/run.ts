/**
 * What `npm test` runs: types, lint, protobuf lint, vitest, and the Python SDK's own checks.
 *
 * Files that failed run once more, alone: see run/second-try.ts. Goes on after a step that failed,
 * so that one run reports everything. The last line is "N passed, N failed" (", N skipped"); the
 * exit code is 1 when anything failed. With
 * `npm test -- <pattern>` only the vitest files whose path contains the pattern run.
 * In CI (the environment has CI) a skipped test is a failure.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import {
  addCounts,
  type Counts,
  closingLine,
  countJunit,
  countVitest,
  judgeCounts,
  NO_COUNTS,
  REPORT_VARIABLE,
  type VitestReport,
} from "./run/counts.ts";
import { filesToTryAgain, mergeSecondTry } from "./run/second-try.ts";
import { runStep, type StepEnd } from "./run/step.ts";

const root = path.resolve(import.meta.dirname, "..");
const bin = (name: string) => path.join(root, "node_modules/.bin", name);
/** Of this run alone: two may run side by side. */
const reports = path.join(root, ".cache/test-reports", String(process.pid));
const python = path.join(root, ".cache/venv/bin/python");
const sdkPython = path.join(root, "sdk/python");

/** Quick checks end in seconds; a hanging one is ended here. */
const CHECK_LIMIT_MS = 3 * 60_000;
/** The whole run is to stay below 20 minutes on 2 cores, most of it vitest. */
const TESTS_LIMIT_MS = 17 * 60_000;
/** For the few files that are tried again; the slowest takes a minute. */
const SECOND_TRY_LIMIT_MS = 3 * 60_000;

process.exitCode = await main(process.argv.slice(2));

async function main(patterns: string[]): Promise<number> {
  const isCi = Boolean(process.env.CI);
  mkdirSync(reports, { recursive: true });
  let counts = NO_COUNTS;
  if (patterns.length === 0) counts = addCounts(counts, await runChecks());
  counts = addCounts(counts, await runVitest(patterns));
  if (patterns.length === 0) counts = addCounts(counts, await runPython());
  rmSync(reports, { recursive: true, force: true });
  const verdict = judgeCounts(counts, isCi);
  report(verdict);
  return verdict.failed === 0 ? 0 : 1;
}

async function runChecks(): Promise<Counts> {
  let counts = NO_COUNTS;
  // The page is checked with the browser's types, so it has a project of its own.
  for (const project of [".", "examples/page/browser"]) {
    const title = project === "." ? "types" : `types of ${project}`;
    counts = addCounts(counts, await runCheck(title, bin("tsc"), ["-p", project]));
  }
  const biome = ["check", "--colors=off", "--error-on-warnings", "."];
  counts = addCounts(counts, await runCheck("lint and format", bin("biome"), biome));
  return addCounts(counts, await runCheck("protobuf lint", bin("buf"), ["lint"]));
}

async function runPython(): Promise<Counts> {
  if (!existsSync(python)) {
    heading("Python SDK");
    say("skipped: no Python environment in .cache/venv (it needs python3 with venv)");
    return { ...NO_COUNTS, skipped: ["Python SDK (no python3 with venv on this machine)"] };
  }
  let counts = NO_COUNTS;
  // _gen is protoc's: its code and its line lengths are not ours.
  const checks: [string, string[]][] = [
    ["Python types", ["-m", "mypy", "--strict", "--exclude", "_gen/", "."]],
    ["Python lint", ["-m", "ruff", "check", "--quiet", "--extend-exclude", "_gen", "."]],
    ["Python format", ["-m", "ruff", "format", "--check", "--extend-exclude", "_gen", "."]],
  ];
  for (const [title, args] of checks) {
    counts = addCounts(counts, await runCheck(title, python, args, sdkPython));
  }
  if (!existsSync(path.join(sdkPython, "tests"))) return counts;
  const xml = path.join(reports, "pytest.xml");
  const args = ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", `--junitxml=${xml}`];
  heading("Python tests");
  const end = await runStep({
    command: python,
    args,
    cwd: sdkPython,
    isLoud: true,
    timeLimitMs: TESTS_LIMIT_MS,
  });
  const found = existsSync(xml) ? countJunit(readFileSync(xml, "utf8")) : NO_COUNTS;
  return addCounts(counts, settle("Python tests", end, found));
}

async function runVitest(patterns: readonly string[]): Promise<Counts> {
  heading(patterns.length === 0 ? "vitest" : `vitest ${patterns.join(" ")}`);
  const first = await runFiles(patterns, TESTS_LIMIT_MS);
  const again = filesToTryAgain(first.report);
  if (first.end.isOk || again.length === 0) {
    return settle("vitest", first.end, countVitest(first.report));
  }
  heading("second try, alone");
  for (const name of again) say(name);
  const second = await runFiles([...again, "--maxWorkers=1"], SECOND_TRY_LIMIT_MS);
  const { report, flaky } = mergeSecondTry(first.report, second.report);
  return addCounts(settle("vitest", second.end, countVitest(report)), { ...NO_COUNTS, flaky });
}

async function runFiles(
  args: readonly string[],
  timeLimitMs: number,
): Promise<{ end: StepEnd; report: VitestReport }> {
  const json = path.join(reports, "vitest.json");
  rmSync(json, { force: true });
  const vitest = [
    "--disable-warning=ExperimentalWarning",
    path.join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--reporter=default",
    `--reporter=${path.join(root, "test/run/vitest-reporter.ts")}`,
  ];
  const end = await runStep({
    command: bin("node"),
    args: [...vitest, ...args],
    cwd: root,
    env: { [REPORT_VARIABLE]: json },
    isLoud: true,
    timeLimitMs,
  });
  if (!existsSync(json)) return { end, report: { files: [], unfinished: [], unhandled: [] } };
  return { end, report: JSON.parse(readFileSync(json, "utf8")) as VitestReport };
}

/** A step that is one check: it passes or fails as a whole. */
async function runCheck(
  title: string,
  command: string,
  args: string[],
  cwd = root,
): Promise<Counts> {
  heading(title);
  const end = await runStep({ command, args, cwd, isLoud: false, timeLimitMs: CHECK_LIMIT_MS });
  say(end.isOk ? `ok, ${seconds(end)}` : `FAILED (${end.reason}), ${seconds(end)}`);
  if (end.isOk) return { ...NO_COUNTS, passed: 1 };
  return { ...NO_COUNTS, failed: 1, failures: [`${title}: ${end.reason}`] };
}

/** A run that failed without a failed test in its report is itself the failure. */
function settle(title: string, end: StepEnd, found: Counts): Counts {
  say(`${title}: ${closingLine(found)}, ${seconds(end)}${end.isOk ? "" : ` (${end.reason})`}`);
  if (!end.isOk && found.failed === 0) {
    return addCounts(found, { ...NO_COUNTS, failed: 1, failures: [`${title}: ${end.reason}`] });
  }
  if (found.passed + found.failed + found.skipped.length > 0) return found;
  return { ...NO_COUNTS, failed: 1, failures: [`${title}: no test was found`] };
}

function report(counts: Counts): void {
  heading("result");
  for (const title of counts.skipped) say(`skipped: ${title}`);
  for (const title of counts.failures) say(`failed: ${title}`);
  for (const title of counts.flaky) say(`FLAKY, a bug to find: ${title}`);
  say(`${Math.round(process.uptime())} s in all`);
  say(closingLine(counts));
}

function heading(title: string): void {
  say(`\n── ${title} ${"─".repeat(Math.max(0, 70 - title.length))}`);
}

function seconds(end: StepEnd): string {
  return `${(end.tookMs / 1000).toFixed(1)} s`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
