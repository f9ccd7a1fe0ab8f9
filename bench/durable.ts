/**
 * `durable`: acknowledged publishes a second with 1 000 in flight, every ack after its fsync.
 *
 * Through the gateway by one and by ten connections, and straight to the embedded bus in a process
 * of its own, so that the difference is the gateway's cost. A raw fsync figure goes with it.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DurableFigures, type DurableShape, runDurable } from "./durable-run.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, type Spread, shownSpread, spreadOf } from "./report.ts";

const SHAPES: readonly DurableShape[] = [
  { name: "gateway-1", file: "durable-generator.ts", connectionCount: 1, ratePerS: 0 },
  { name: "gateway-10", file: "durable-generator.ts", connectionCount: 10, ratePerS: 0 },
  { name: "bus-10", file: "bus-generator.ts", connectionCount: 10, ratePerS: 0 },
];
const RUNS_DEFAULT = 3;
const SYNC_TRIES = 200;

export async function benchDurable(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shapes = SHAPES.filter((shape) => shape.name.includes(options.only));
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: DurableFigures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const shape of shapes) {
      if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
      const run = await runDurable(shape, null, options);
      const rate = `${Math.round(run.ackedPerS)} acked/s`;
      progress(
        `round ${round + 1}/${rounds} ${shape.name}: ${rate}, p99 ${Math.round(run.p99Us)} us`,
      );
      runs.push(run);
    }
  }
  const measures: Record<string, Spread> = {};
  for (const { name } of shapes)
    measures[`durable/${name}/acked-per-s`] = spreadOf(
      runs.flatMap((run) => (run.shape === name ? [run.ackedPerS] : [])),
    );
  const syncUs = options.isTiny ? [] : syncTimesUs();
  const acked = runs.reduce((sum, run) => sum + run.ackedCount, 0);
  return {
    bench: "durable",
    measures,
    runs,
    rows: shapes.map((shape) => rowOf(runs, shape.name)),
    hash: options.isTiny ? acked.toString(16) : "none: as many as fit the window",
    problems: runs.flatMap((run) => run.problems),
    notes: syncUs.length === 0 ? [] : [`the disk: write + fdatasync of 4 kB ${spreadText(syncUs)}`],
  };
}

function rowOf(runs: readonly DurableFigures[], shape: string): Row {
  const own = runs.filter((run) => run.shape === shape);
  const of = (figure: (run: DurableFigures) => number): Spread => spreadOf(own.map(figure));
  return {
    shape,
    "acked/s (min to max)": shownSpread(of((run) => run.ackedPerS)),
    "cpu us/publish": of((run) => run.cpuPerPublishUs).median,
    "p50 ms": of((run) => run.p50Us / 1000).median,
    "p99 ms": of((run) => run.p99Us / 1000).median,
    "max ms": of((run) => run.maxUs / 1000).median,
    "server core %": of((run) => run.serverShare * 100).median,
    "others %": of((run) => run.foreignShare * 100).median,
  };
}

/** What the disk itself takes, to judge the figures by: 4 kB appended and synced, in a row. */
function syncTimesUs(): readonly number[] {
  const dir = mkdtempSync(path.join(tmpdir(), "tidegate-bench-sync-"));
  const file = openSync(path.join(dir, "probe"), "w");
  const page = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let i = 0; i < SYNC_TRIES; i += 1) {
    const before = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    times.push((performance.now() - before) * 1000);
  }
  closeSync(file);
  rmSync(dir, { recursive: true });
  return times;
}

function spreadText(timesUs: readonly number[]): string {
  const sorted = [...timesUs].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0);
  return `${at(0.5)} us, p99 ${at(0.99)} us, n ${sorted.length}`;
}
