/**
 * Writes what vitest found as counts.ts reads it; its own JSON reporter leaves out why a test
 * skips.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Reporter, SerializedError, TestModule } from "vitest/node";
import { REPORT_VARIABLE, type VitestFile, type VitestReport } from "./counts.ts";

/** The repository's root. */
const root = path.resolve(import.meta.dirname, "../..");

/** Vitest makes one, and tells it of each file. */
export default class CountsReporter implements Reporter {
  readonly #ended: VitestFile[] = [];
  readonly #running = new Set<string>();

  /** A file has begun. */
  onTestModuleQueued(module: TestModule): void {
    this.#running.add(nameOf(module));
  }

  /** A file has ended. Written each time: a run that a hanging file cuts short has counts too. */
  onTestModuleEnd(module: TestModule): void {
    this.#running.delete(nameOf(module));
    this.#ended.push({
      name: nameOf(module),
      isFailed: module.state() === "failed",
      errors: module.errors().map((error) => error.message),
      tests: [...module.children.allTests()].map((test) => {
        const result = test.result();
        const note = result.state === "skipped" ? (result.note ?? "") : "";
        return { title: test.fullName, state: result.state, note };
      }),
    });
    this.#write([]);
  }

  /** The run has ended; `unhandled` are errors outside of tests. */
  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    this.#write(unhandled.map((error) => error.message));
  }

  #write(unhandled: readonly string[]): void {
    const report: VitestReport = {
      files: this.#ended,
      unfinished: [...this.#running],
      unhandled,
    };
    const file = process.env[REPORT_VARIABLE];
    if (file !== undefined) writeFileSync(file, JSON.stringify(report));
  }
}

function nameOf(module: TestModule): string {
  return path.relative(root, module.moduleId);
}
