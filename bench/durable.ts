/**
 * `durable`: acknowledged publishes a second with 1 000 in flight, every ack after its fsync.
 *
 * Through the gateway by one and by ten connections, and straight to the embedded bus in a process
 * of its own, so that the difference is the gateway's cost. A raw fsync figure goes with it.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Histogram } from "./load/histogram.ts";
import { type GeneratorFile, LoadProcess } from "./load/load-process.ts";
import type { DurableCommand, DurableReply } from "./load/protocol.ts";
import type { BenchOptions } from "./options.ts";
import { cpuTime } from "./proc.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, type Spread, shownSpread, spreadOf } from "./report.ts";
import { ServerProcess } from "./servers/server-process.ts";

interface DurableShape {
  readonly name: string;
  readonly file: GeneratorFile;
  readonly connectionCount: number;
}

const SHAPES: readonly DurableShape[] = [
  { name: "gateway-1", file: "durable-generator.ts", connectionCount: 1 },
  { name: "gateway-10", file: "durable-generator.ts", connectionCount: 10 },
  { name: "bus-10", file: "bus-generator.ts", connectionCount: 10 },
];
/** The target's number in flight. */
const IN_FLIGHT = 1000;
const WARM_MS = 1000;
/** More than any disk stores in the window; the generator is ended when the window is over. */
const ENDLESS = 0x7fff_fff0;
const TINY_COUNT = 300;
const TINY_IN_FLIGHT = 50;
const RUNS_DEFAULT = 3;
const SYNC_TRIES = 200;

type Load = LoadProcess<DurableCommand, DurableReply>;

export interface DurableFigures {
  readonly shape: string;
  readonly ackedPerS: number;
  readonly ackedCount: number;
  /** Of the process that holds the store, all threads. */
  readonly cpuPerPublishUs: number;
  readonly serverShare: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  readonly problems: readonly string[];
}

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
      const run = await runShape(shape, options);
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
  };
}

async function runShape(shape: DurableShape, options: BenchOptions): Promise<DurableFigures> {
  if (shape.file === "bus-generator.ts") {
    const load: Load = new LoadProcess(shape.file, null);
    return measure(load, load.pid, "", shape, options).finally(() => load.stop());
  }
  const nodeFlags =
    options.profileDir === "" ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profileDir}`];
  const server = await ServerProcess.start({
    system: "tidegate",
    core: null,
    nodeFlags,
    tidegateFlags: [],
  });
  const load: Load = new LoadProcess(shape.file, null);
  try {
    return await measure(load, server.pid, server.ready.url, shape, options);
  } finally {
    await load.stop();
    await server.stop();
  }
}

async function measure(
  load: Load,
  storePid: number,
  url: string,
  shape: DurableShape,
  options: BenchOptions,
): Promise<DurableFigures> {
  const inFlightMax = options.isTiny ? TINY_IN_FLIGHT : IN_FLIGHT;
  const plan = { url, connectionCount: shape.connectionCount, inFlightMax };
  await load.ask({ kind: "open", plan }, "opened");
  const count = options.isTiny ? TINY_COUNT : ENDLESS;
  const published = load.ask({ kind: "publish", count, ratePerS: 0 }, "published");
  published.catch(() => undefined); // ended below before all are published, unless tiny
  await sleep(options.isTiny ? 0 : WARM_MS);
  const begin = await takeMark(load, storePid);
  if (options.isTiny) await published;
  else await sleep(options.seconds * 1000);
  const end = await takeMark(load, storePid);
  const acked = end.tally.deliveredCount - begin.tally.deliveredCount;
  const seconds = (end.atMs - begin.atMs) / 1000;
  const latency = Histogram.fromPlain(end.tally.latency);
  const problems =
    end.tally.errorCount === 0
      ? []
      : [`${shape.name}: ${end.tally.errorCount} errors: ${end.tally.reasons.join("; ")}`];
  if (options.isTiny && end.tally.deliveredCount !== TINY_COUNT)
    problems.push(`${shape.name}: ${end.tally.deliveredCount} of ${TINY_COUNT} were acknowledged`);
  return {
    shape: shape.name,
    ackedPerS: acked / seconds,
    ackedCount: end.tally.deliveredCount,
    cpuPerPublishUs: (end.cpuUs - begin.cpuUs) / acked,
    serverShare: (end.cpuUs - begin.cpuUs) / (seconds * 1e6),
    p50Us: latency.percentile(0.5),
    p99Us: latency.percentile(0.99),
    maxUs: latency.max,
    problems,
  };
}

async function takeMark(load: Load, storePid: number) {
  const { userUs, systemUs } = cpuTime(storePid);
  const atMs = performance.now();
  const { tally } = await load.ask({ kind: "take" }, "taken");
  return { atMs, tally, cpuUs: userUs + systemUs };
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
