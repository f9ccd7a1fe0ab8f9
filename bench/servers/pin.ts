/**
 * Keeps a process on one CPU core, so that server and generator do not move into each other's way.
 */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** Whether pinning works here: Linux with util-linux, and two cores to tell apart. */
export const canPin =
  availableParallelism() >= 2 && spawnSync("taskset", ["-c", "0", "true"]).status === 0;

/** A command line that runs `command` on `core` only; unchanged for null or without taskset. */
export function pinned(
  core: number | null,
  command: readonly [string, ...string[]],
): [string, ...string[]] {
  if (core === null || !canPin) return [...command];
  return ["taskset", "-c", String(core), ...command];
}
