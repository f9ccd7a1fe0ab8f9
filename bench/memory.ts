/**
 * `memory`: what a joined connection costs in resident memory, as a slope between two counts.
 *
 * A slope leaves out what the process costs by itself; forced collection leaves out garbage. Once
 * without anything configured, once with a user, a token, flags and rates for each connection.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { FLAG_COUNT, manyFlags } from "./flag-welcome.ts";
import { LoadProcess } from "./load/load-process.ts";
import { type LoadCommand, type LoadReply, MEMORY_SYSTEMS, type System } from "./load/protocol.ts";
import type { BenchOptions } from "./options.ts";
import { residentBytes } from "./proc.ts";
import { type BenchReport, type Row, spreadOf } from "./report.ts";
import { COLLECT_FLAGS, ServerProcess } from "./servers/server-process.ts";
import { setFlags, setLimits } from "./servers/set-limits.ts";

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

interface MemorySample {
  readonly residentBytes: number;
  readonly heapBytes: number;
}

interface MemoryFigures {
  readonly system: System;
  readonly bytesPerConnection: number;
  /** The part of it in the JavaScript heap; the rest is native. */
  readonly heapBytesPerConnection: number;
  readonly few: MemorySample;
  readonly many: MemorySample;
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
    for (const system of MEMORY_SYSTEMS) {
      const run = await measureSlope(system, size);
      progress(`round ${round + 1}/${rounds} ${system}: ${run.bytesPerConnection.toFixed(0)} B`);
      figures.push(run);
    }
    runs.push(figures);
  }
  return report(runs);
}

function report(runs: readonly (readonly MemoryFigures[])[]): BenchReport {
  const flat = runs.flat();
  const slopes = (system: System): number[] =>
    flat.flatMap((run) => (run.system === system ? [run.bytesPerConnection] : []));
  const bare = slopes("bare");
  const over = (system: System) =>
    spreadOf(slopes(system).map((slope, i) => slope - (bare[i] ?? 0)));
  const rowOf = (system: System): Row => {
    const { median, min, max } = spreadOf(slopes(system));
    const heaps = flat.flatMap((run) =>
      run.system === system ? [run.heapBytesPerConnection] : [],
    );
    const heap = spreadOf(heaps).median;
    return { system, "bytes/connection": median, min, max, "of it JS heap": heap };
  };
  return {
    bench: "memory",
    measures: {
      "memory/over-bare-bytes": over("tidegate"),
      "memory/full-over-bare-bytes": over("tidegate-full"),
    },
    runs,
    rows: MEMORY_SYSTEMS.map(rowOf),
    hash: flat.reduce((sum, run) => sum + run.joinedCount, 0).toString(16),
    problems: [],
    notes: [],
  };
}

async function measureSlope(system: System, size: MemorySize): Promise<MemoryFigures> {
  const isFull = system === "tidegate-full";
  const issuer = isFull ? new Issuer() : null;
  const server = await ServerProcess.start({
    ...{ system, core: null, nodeFlags: COLLECT_FLAGS },
    tidegateFlags: issuer?.flags ?? [],
  });
  const few = new LoadProcess<LoadCommand, LoadReply>("generator.ts", null);
  const more = new LoadProcess<LoadCommand, LoadReply>("generator.ts", null);
  try {
    if (isFull) {
      await setLimits(server.ready.grpc ?? "");
      await setFlags(server.ready.grpc ?? "", manyFlags(FLAG_COUNT));
    }
    const { privateKey = "" } = issuer ?? {};
    await join(few, { server, system, size, privateKey }, 0, size.few);
    const atFew = await sample(server);
    await join(more, { server, system, size, privateKey }, size.few, size.many);
    const atMany = await sample(server);
    const slope = (figure: (of: MemorySample) => number): number =>
      (figure(atMany) - figure(atFew)) / (size.many - size.few);
    return {
      system,
      bytesPerConnection: slope((of) => of.residentBytes),
      heapBytesPerConnection: slope((of) => of.heapBytes),
      few: atFew,
      many: atMany,
      joinedCount: size.many,
    };
  } finally {
    await Promise.all([few.stop(), more.stop()]);
    await server.stop();
    issuer?.forget();
  }
}

/** Signs tokens; its public key is in a file. */
class Issuer {
  readonly privateKey: string;
  readonly flags: readonly string[];
  readonly #folder = mkdtempSync(path.join(tmpdir(), "tidegate-bench-"));

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const file = path.join(this.#folder, "key.pem");
    writeFileSync(file, publicKey);
    this.privateKey = privateKey;
    this.flags = ["--auth=jwt", `--auth-jwt-key-file=${file}`];
  }

  forget(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface JoinPlan {
  readonly server: ServerProcess;
  readonly system: System;
  readonly size: MemorySize;
  readonly privateKey: string;
}

/** Joins connections `from` to `to` - 1; rooms are filled one after the other. */
async function join(
  load: LoadProcess<LoadCommand, LoadReply>,
  { server, system, size, privateKey }: JoinPlan,
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
    privateKey,
  };
  await load.ask({ kind: "open", plan }, "opened");
}

async function sample(server: ServerProcess): Promise<MemorySample> {
  const heapBytes = await server.collectGarbage();
  return { residentBytes: residentBytes(server.pid), heapBytes };
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
