/**
 * `start`: how long the all-in-one takes from process start until it is ready, as it says itself.
 */
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, spreadOf } from "./report.ts";
import { ServerProcess } from "./servers/server-process.ts";

/** Starts unless --runs says otherwise. */
const RUNS_DEFAULT = 10;

interface StartFigures {
  /** What the server prints: from process start to listening. */
  readonly readyMs: number;
  /** From spawn to the line, as the parent sees it: adds the start of Node itself. */
  readonly spawnedMs: number;
}

export async function benchStart(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const count = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: StartFigures[] = [];
  for (let i = 0; i < count; i += 1) {
    if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
    const run = await startOnce();
    progress(`start ${i + 1}/${count}: ready ${run.readyMs.toFixed(0)} ms`);
    runs.push(run);
  }
  const ready = spreadOf(runs.map((run) => run.readyMs));
  const spawned = spreadOf(runs.map((run) => run.spawnedMs));
  return {
    bench: "start",
    measures: { "start/ready-ms": ready },
    runs,
    rows: [
      { figure: "ready, as printed", "median ms": ready.median, min: ready.min, max: ready.max },
      {
        figure: "seen by the parent",
        "median ms": spawned.median,
        min: spawned.min,
        max: spawned.max,
      },
    ],
    hash: count.toString(16),
    problems: runs.filter((run) => !(run.readyMs > 0)).map(() => "a start printed no ready figure"),
    notes: [],
  };
}

async function startOnce(): Promise<StartFigures> {
  const before = performance.now();
  const server = await ServerProcess.start({
    system: "tidegate",
    core: null,
    nodeFlags: [],
    tidegateFlags: [],
  });
  const spawnedMs = performance.now() - before;
  await server.stop();
  return { readyMs: server.ready.readyMs ?? 0, spawnedMs };
}
