/**
 * Keeps a process on one CPU core, so that server and generator do not move into each other's way,
 * or behind all others.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
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

/** The lowest there is: what is left when nobody else wants the machine. */
const NICE_MAX = 19;

/** The command that starts `command` so that it runs when nothing else wants its core. */
export function yielding(command: readonly [string, ...string[]]): [string, ...string[]] {
  return canPin ? ["chrt", "--idle", "0", ...command] : [...command];
}

/**
 * Lowers the session of a process started with {@link yielding} and `detached`: Linux shares its
 * time between sessions first (autogroups), then between the processes of one.
 */
export function yieldSession(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, `${NICE_MAX}`);
  } catch {
    // Without autogroups the policy says it already.
  }
}
