/**
 * `memory`: what a joined connection costs in resident memory, as a slope between two counts.
 *
 * A slope leaves out what the process costs by itself; forced collection leaves out garbage.
 */
import { readFileSync } from "node:fs";
import { LoadProcess } from "./load/load-process.ts";
import { type LoadCommand, type LoadReply, SYSTEMS, type System } from "./load/protocol.ts";
import type { BenchOptions } from "./options.ts";
import { residentBytes } from "./proc.ts";
import { type BenchReport, spreadOf } from "./report.ts";
import { COLLECT_FLAGS, ServerProcess } from "./servers/server-process.ts";

interface MemorySize {
  /** Members of every room. */
  readonly membersPerRoom: number;
  /** Connections at the two ends of the slope. */
  readonly few: number;
  readonly many: number;
}

const SIZE: MemorySize = { membersPerRoom: 10, few: 5000, many: 15_000 };
const TINY_SIZE: MemorySize = { membersPerRoom: 5, few: 10, many: 30 };
const RUNS_DEFAULT = 5;
/** Descriptors a process needs beside its connections. */
const SPARE_FILES = 200;

interface MemoryFigures {
  readonly system: System;
  readonly bytesPerConnection: number;
  readonly fewBytes: number;
  readonly manyBytes: number;
  readonly joinedCount: number;
}

export async function benchMemory(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const size = options.isTiny ? TINY_SIZE : SIZE;
  requireFiles(size.many + SPARE_FILES);
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: MemoryFigures[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const figures: MemoryFigures[] = [];
    for (const system of SYSTEMS) {
      const run = await measureSlope(system, size);
      progress(`round ${round + 1}/${rounds} ${system}: ${run.bytesPerConnection.toFixed(0)} B`);
      figures.push(run);
    }
    runs.push(figures);
  }
  return report(runs);
}

function report(runs: readonly (readonly MemoryFigures[])[]): BenchReport {
  const slopes = (system: System): number[] =>
    runs.flat().flatMap((run) => (run.system === system ? [run.bytesPerConnection] : []));
  const bare = spreadOf(slopes("bare"));
  const tidegate = spreadOf(slopes("tidegate"));
  const bareSlopes = slopes("bare");
  const over = spreadOf(slopes("tidegate").map((slope, i) => slope - (bareSlopes[i] ?? 0)));
  return {
    bench: "memory",
    measures: { "memory/over-bare-bytes": over },
    runs,
    rows: [
      { system: "bare", "bytes/connection": bare.median, min: bare.min, max: bare.max },
      {
        system: "tidegate",
        "bytes/connection": tidegate.median,
        min: tidegate.min,
        max: tidegate.max,
      },
      { system: "difference", "bytes/connection": over.median, min: over.min, max: over.max },
    ],
    hash: runs
      .flat()
      .reduce((sum, run) => sum + run.joinedCount, 0)
      .toString(16),
    problems: [],
    notes: [],
  };
}

async function measureSlope(system: System, size: MemorySize): Promise<MemoryFigures> {
  const flags = COLLECT_FLAGS;
  const server = await ServerProcess.start({
    system,
    core: null,
    nodeFlags: flags,
    tidegateFlags: [],
  });
  const few = new LoadProcess<LoadCommand, LoadReply>("generator.ts", null);
  const more = new LoadProcess<LoadCommand, LoadReply>("generator.ts", null);
  try {
    await join(few, server, system, size, 0, size.few);
    const fewBytes = await collectedBytes(server);
    await join(more, server, system, size, size.few, size.many);
    const manyBytes = await collectedBytes(server);
    const slope = (manyBytes - fewBytes) / (size.many - size.few);
    return { system, bytesPerConnection: slope, fewBytes, manyBytes, joinedCount: size.many };
  } finally {
    await Promise.all([few.stop(), more.stop()]);
    await server.stop();
  }
}

/** Joins connections `from` to `to` - 1; rooms are filled one after the other. */
async function join(
  load: LoadProcess<LoadCommand, LoadReply>,
  server: ServerProcess,
  system: System,
  size: MemorySize,
  from: number,
  to: number,
): Promise<void> {
  const plan = {
    system,
    url: server.ready.url,
    firstIndex: from,
    firstRoom: from / size.membersPerRoom,
    roomCount: (to - from) / size.membersPerRoom,
    firstMember: 0,
    endMember: size.membersPerRoom,
    sampleEvery: 1,
  };
  await load.ask({ kind: "open", plan }, "opened");
}

async function collectedBytes(server: ServerProcess): Promise<number> {
  await server.collectGarbage();
  return residentBytes(server.pid);
}

/** Refuses to start what would end in refused connections half-way. */
function requireFiles(count: number): void {
  const line = /^Max open files\s+\d+\s+(\d+|unlimited)/m.exec(
    readFileSync("/proc/self/limits", "utf8"),
  );
  const hard = line?.[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(line?.[1] ?? 0);
  if (hard < count)
    throw new Error(`this needs ${count} open files a process, the limit is ${hard} (ulimit -Hn)`);
}
