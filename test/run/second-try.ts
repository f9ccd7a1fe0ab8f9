/**
 * Which files of a test run get a second try, and what the run then comes to.
 *
 * Some tests kill real servers on machines shared with others. One that fails while others run and
 * passes alone is a bug, in the product or in the test, yet not proof that this change is broken:
 * it is told as flaky, by name, at the end of the run. Pure.
 */
import type { VitestFile, VitestReport } from "./counts.ts";

/** More files than this have not failed by chance: then none is tried again, and all count. */
export const SECOND_TRY_FILES_MAX = 3;

/** The files to run again, alone; none when everything passed or too much failed. */
export function filesToTryAgain(report: VitestReport): readonly string[] {
  if (report.unhandled.length > 0) return [];
  const failed = report.files.filter(isFailed).map(({ name }) => name);
  const names = [...failed, ...report.unfinished];
  return names.length > SECOND_TRY_FILES_MAX ? [] : names;
}

/** A run after its second try. */
export interface SecondTry {
  /** The first run with the files tried again in their place. */
  readonly report: VitestReport;
  /** Titles of tests that failed in the first run and passed alone. */
  readonly flaky: readonly string[];
}

/** Puts the second try's files in the place of the first's. */
export function mergeSecondTry(first: VitestReport, second: VitestReport): SecondTry {
  const again = new Map(second.files.map((file) => [file.name, file]));
  const files = first.files.map((file) => again.get(file.name) ?? file);
  const known = new Set(first.files.map(({ name }) => name));
  files.push(...second.files.filter(({ name }) => !known.has(name)));
  const flaky = first.files.flatMap((file) => flakyOf(file, again.get(file.name)));
  const ended = first.unfinished.filter((name) => again.has(name));
  flaky.push(...ended.map((name) => `${name}: did not end`));
  const unfinished = first.unfinished.filter((name) => !again.has(name));
  return {
    report: { files, unfinished, unhandled: [...first.unhandled, ...second.unhandled] },
    flaky,
  };
}

function isFailed(file: VitestFile): boolean {
  return file.isFailed || file.tests.some(({ state }) => state === "failed");
}

/** What failed in a file that passed as a whole when it ran alone. */
function flakyOf(file: VitestFile, again: VitestFile | undefined): string[] {
  if (again === undefined || isFailed(again) || !isFailed(file)) return [];
  const failed = file.tests.filter(({ state }) => state === "failed");
  if (failed.length === 0) return [`${file.name}: ${file.errors[0] ?? "one of its hooks failed"}`];
  return failed.map(({ title }) => `${file.name}: ${title}`);
}
