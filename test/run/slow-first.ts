/**
 * The order of test files: the slowest first, so that no worker is left with one of them at the end
 * while the other has nothing to do. Vitest's own order is by what it measured here before, and by
 * size on a machine that has not run them yet.
 */
import path from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The repository's root. */
const root = path.resolve(import.meta.dirname, "../..");

/** Files of 20 s and more when they were measured, the longest first. */
export const SLOW_FILES: readonly string[] = [
  "test/chaos/variants.test.ts",
  "test/chaos/run.test.ts",
  "test/chaos/moves/mover-dies.test.ts",
  "test/bus/nats.test.ts",
  "test/nats/control-leader.test.ts",
  "test/nats/drain.test.ts",
  "test/bench/nats.test.ts",
  "test/bus/embedded.test.ts",
  "test/nats/moves.test.ts",
  "test/nats/access.test.ts",
  "test/nats/rolling.test.ts",
  "test/workers/fleet.test.ts",
  "test/nats/no-control-plane.test.ts",
  "test/nats/foreign.test.ts",
  "test/nats/bad-nats.test.ts",
  "test/examples/replay/main.test.ts",
  "test/gateway/drain/cut-off-move.test.ts",
  "test/nats/lease.test.ts",
  "test/bus/nats/lease.test.ts",
];

/** The slow ones of these paths in their order, then the others as they were. */
export function slowFirst<T>(files: readonly T[], pathOf: (file: T) => string): T[] {
  const rankOf = (file: T) => {
    const rank = SLOW_FILES.indexOf(pathOf(file));
    return rank < 0 ? SLOW_FILES.length : rank;
  };
  return files.toSorted((a, b) => rankOf(a) - rankOf(b));
}

/** Vitest makes one. */
export default class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return slowFirst(await super.sort(files), ({ moduleId }) => path.relative(root, moduleId));
  }
}
