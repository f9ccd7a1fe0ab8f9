/**
 * Writes what vitest found as counts.ts reads it; its own JSON reporter leaves out why a test
 * skips.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Reporter, SerializedError, TestModule } from "vitest/node";
import { REPORT_VARIABLE, type VitestReport } from "./counts.ts";

/** The repository's root. */
const root = path.resolve(import.meta.dirname, "../..");

/** Vitest makes one and calls it when the run has ended. */
export default class CountsReporter implements Reporter {
  /** Writes the report, also when nothing ran. */
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const report: VitestReport = {
      files: modules.map((module) => ({
        name: path.relative(root, module.moduleId),
        isFailed: module.state() === "failed",
        errors: module.errors().map((error) => error.message),
        tests: [...module.children.allTests()].map((test) => {
          const result = test.result();
          const note = result.state === "skipped" ? (result.note ?? "") : "";
          return { title: test.fullName, state: result.state, note };
        }),
      })),
      unhandled: unhandled.map((error) => error.message),
    };
    const file = process.env[REPORT_VARIABLE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(report));
  }
}
