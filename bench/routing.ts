/**
 * `routing`: how long a change of the configuration is on its way to gateways, by the control
 * plane's stream: from the write on the (embedded) bus to the last gateway that applies it.
 *
 * Control plane, bus and all gateways share this process and its one event loop, so the figures are
 * an upper bound: in a fleet each gateway has a loop of its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Spread, spreadOf } from "./report.ts";
import { openRoutingFleet, type RoutingFleet } from "./routing-fleet.ts";

const SHAPES = [10, 100, 400] as const;
const CHANGES = 100;
const TINY_CHANGES = 10;
const RUNS_DEFAULT = 3;
/** Between two changes, ms: each is alone on its way. */
const PAUSE_MS = 20;

interface RoutingFigures {
  readonly shape: string;
  /** Changes applied over all gateways; each gateway applies each once. */
  readonly appliedCount: number;
  /** From the write's begin, over all (gateway, change), ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the write's begin to its answer, ms. */
  readonly writeP99Ms: number;
}

export async function benchRouting(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shapes = (options.isTiny ? ([100] as const) : SHAPES).filter((count) =>
    String(count).includes(options.only),
  );
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: RoutingFigures[] = [];
  const problems: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const count of shapes) {
      if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
      const fleet = await openRoutingFleet(count);
      try {
        const changes = options.isTiny ? TINY_CHANGES : CHANGES;
        runs.push(await measure(fleet, count, changes, problems));
      } finally {
        await fleet.close();
      }
    }
    progress(`round ${round + 1}/${rounds} done`);
  }
  return report(shapes, runs, problems);
}

async function measure(
  fleet: RoutingFleet,
  count: number,
  changes: number,
  problems: string[],
): Promise<RoutingFigures> {
  const begun = new Map<string, number>();
  const writes: number[] = [];
  const from = fleet.arrivals.length;
  for (let i = 0; i < changes; i += 1) {
    const text = `change ${i}`;
    const startMs = performance.now();
    begun.set(text, startMs);
    await fleet.change(text);
    writes.push(performance.now() - startMs);
    await fleet.applied(from + (i + 1) * count);
    await sleep(PAUSE_MS);
  }
  const arrivals = fleet.arrivals.slice(from);
  const inOrder = [...begun.keys()].join();
  for (let gateway = 0; gateway < count; gateway += 1) {
    const texts = arrivals.filter((each) => each.gateway === gateway).map(({ text }) => text);
    if (texts.join() !== inOrder) problems.push(`gateway ${gateway} applied ${texts.length}`);
  }
  const times = arrivals.map(({ text, atMs }) => atMs - (begun.get(text) ?? 0));
  return {
    shape: String(count),
    appliedCount: arrivals.length,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    writeP99Ms: percentile(writes, 0.99),
  };
}

function report(
  shapes: readonly number[],
  runs: readonly RoutingFigures[],
  problems: readonly string[],
): BenchReport {
  const measures: Record<string, Spread> = {};
  const rows = shapes.map((count) => {
    const own = runs.filter(({ shape }) => shape === String(count));
    const p99 = spreadOf(own.map(({ p99Ms }) => p99Ms));
    measures[`routing/${count}/p99-ms`] = p99;
    return {
      gateways: count,
      "p50 ms": spreadOf(own.map(({ p50Ms }) => p50Ms)).median,
      "p99 ms": p99.median,
      "p99 ms, worst run": p99.max,
      "p99 ms of the write alone": spreadOf(own.map(({ writeP99Ms }) => writeP99Ms)).median,
    };
  });
  const sum = runs.reduce((all, { appliedCount }) => all + appliedCount, 0);
  const notes = ["one process for all: control plane, bus and gateways share a core"];
  return { bench: "routing", measures, runs, rows, hash: sum.toString(16), problems, notes };
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? 0;
}
