/**
 * `fleet`: what the state of a large fleet costs one control plane: the real code, on a real NATS,
 * with gateways that are there in name, report load and follow, and have no clients.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Bus } from "../bus/bus.ts";
import { openEmbeddedBus } from "../bus/embedded/embedded-bus.ts";
import type { KeyValueEntry } from "../bus/key-value.ts";
import { openNatsBus } from "../bus/nats/nats-bus.ts";
import { Owners } from "../bus/seats/owners.ts";
import { startControlPlane } from "../controlplane/control-plane.ts";
import { ConfigLog, encodeResponse } from "../controlplane/routing/config-log.ts";
import { ConfigSource } from "../controlplane/routing/config-source.ts";
import { toDirectory } from "../controlplane/routing/directory.ts";
import { ReportedLoads } from "../controlplane/routing/slot-loads.ts";
import { Watchers } from "../controlplane/routing/watchers.ts";
import { sweepSeats } from "../controlplane/seat-sweep.ts";
import { startNats } from "../deploy/nats/cluster.ts";
import { findNatsServer } from "../deploy/nats/find-server.ts";
import { STREAMED_RECORDS } from "../proto/control-records.ts";
import type { GatewayAddress } from "../proto/gen/tidegate/control/v1/routing.ts";
import { LoadReport } from "../proto/gen/tidegate/control/v1/routing_service.ts";
import { encodedReport, type FleetSize, fillFleet, simulatedBus } from "./fleet-state.ts";
import type { BenchOptions } from "./options.ts";
import { type BenchReport, type Row, type Spread, shownSpread, spreadOf } from "./report.ts";

const WHOLE = { rooms: 5000, seats: 50_000, slots: 4096, shards: 64, classes: 1000 };
const TINY = { rooms: 50, seats: 200, slots: 256, shards: 4, classes: 20 };
const GATEWAY_COUNTS = [10, 100, 1000] as const;
const TINY_COUNTS = [5] as const;
const RUNS_DEFAULT = 3;
/** Changes of one run, each encoded once for all gateways. */
const DELTAS = 50;
/** Snapshots of one run. */
const SNAPSHOTS = 5;
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

interface FleetFigures {
  readonly gateways: number;
  /** A new control plane on a full bus, until it serves and has looked through all seats. */
  readonly rebuildMs: number;
  /** Every record and address, from nothing. */
  readonly snapshotMs: number;
  readonly snapshotBytes: number;
  /** One change, encoded and given to every gateway. */
  readonly deltaMs: number;
  /** One load report, decoded and added. */
  readonly reportMs: number;
  /** What the replica holds, and what the process has in all. */
  readonly heldMb: number;
  readonly residentMb: number;
  readonly seatCount: number;
  readonly recordCount: number;
}

export async function benchFleet(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const counts = options.isTiny ? TINY_COUNTS : GATEWAY_COUNTS;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: FleetFigures[] = [];
  await withBus(options, async (bus) => {
    for (const [i, gateways] of counts.entries()) {
      const size: FleetSize = { gateways, ...(options.isTiny ? TINY : WHOLE) };
      const simulated = await simulatedBus(bus, size);
      if (i === 0) await fillFleet(simulated, size);
      for (let round = 0; round < rounds; round += 1) {
        runs.push(await measure(simulated, size));
        progress(`${gateways} gateways, round ${round + 1}/${rounds} done`);
      }
    }
  });
  return report(counts, runs);
}

async function measure(bus: Bus, size: FleetSize): Promise<FleetFigures> {
  globalThis.gc?.();
  const before = heldBytes();
  const startMs = performance.now();
  const plane = await startControlPlane(bus, silentLog, { port: 0, balances: false });
  const seats = () => bus.keyValue("seats");
  const swept = await sweepSeats(await seats(), new Owners(bus, seats, 45_000));
  const rebuildMs = performance.now() - startMs;
  const source = await ConfigSource.open(bus);
  try {
    const followed = follow(source.log, size);
    const directory = toDirectory(await bus.topology.processes(), Date.now() * 1000);
    const loads = new ReportedLoads(performance.now());
    const reports = Array.from({ length: size.gateways }, (_, i) => encodedReport(size, i));
    const reportMs =
      timed(() => {
        for (const bytes of reports) loads.add(LoadReport.decode(bytes), performance.now());
      }) / reports.length;
    const { recordCount } = source.log;
    const snapshot = measureSnapshot(await readRecords(bus), [...directory.values()]);
    const deltaMs = measureDeltas(source.log, followed.watchers);
    globalThis.gc?.();
    return {
      ...{ gateways: size.gateways, rebuildMs, ...snapshot, deltaMs, reportMs },
      heldMb: (heldBytes() - before) / 1024 ** 2,
      residentMb: process.memoryUsage().rss / 1024 ** 2,
      seatCount: swept.keyCount,
      recordCount,
    };
  } finally {
    source.close();
    await plane.close();
  }
}

/** Gateways that follow a log, and take every message at once. */
function follow(log: ConfigLog, { gateways }: FleetSize) {
  const side = { age: () => encodeResponse({ ageMs: 0 }), directory: () => [] };
  const watchers = new Watchers(log, side, () => performance.now());
  const outlet = { write: (_: Buffer, done: () => void) => queueMicrotask(done), cut: () => {} };
  for (let i = 0; i < gateways; i += 1) watchers.add(`g${i}`, log.version, outlet);
  return { watchers };
}

/** Every record that gateways are sent. */
async function readRecords(bus: Bus): Promise<KeyValueEntry[]> {
  const keys = await bus.keyValue("control");
  const lists = await Promise.all([...STREAMED_RECORDS.keys()].map((prefix) => keys.list(prefix)));
  return lists.flat().sort((a, b) => a.revision - b.revision);
}

/** From nothing: every record is encoded anew. */
function measureSnapshot(entries: readonly KeyValueEntry[], gateways: GatewayAddress[]) {
  let snapshotBytes = 0;
  const encode = () => {
    const fresh = new ConfigLog();
    for (const entry of entries) fresh.apply(entry);
    const frames = [...fresh.since(0), encodeResponse({ gateways, allGateways: true })];
    snapshotBytes = frames.reduce((sum, frame) => sum + frame.length, 0);
  };
  const times = Array.from({ length: SNAPSHOTS }, () => timed(encode));
  return { snapshotMs: spreadOf(times).median, snapshotBytes };
}

function measureDeltas(log: ConfigLog, watchers: Watchers): number {
  const times = Array.from({ length: DELTAS }, (_, i) => {
    const revision = log.version + 1;
    const value = new Uint8Array(60).fill(i);
    return timed(() => {
      log.apply({ key: `class.tenant-0.delta-${i}`, value, revision });
      log.since(revision - 1);
    });
  });
  watchers.flush();
  return spreadOf(times).median;
}

function timed(work: () => void): number {
  const startMs = performance.now();
  work();
  return performance.now() - startMs;
}

function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function withBus(options: BenchOptions, use: (bus: Bus) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-fleet-"));
  const binary = options.isTiny ? "" : findNatsServer(options.natsServer, console.error);
  const nats = binary === "" ? null : await startNats(binary, folder, 1);
  try {
    const bus =
      nats === null
        ? await openEmbeddedBus({ dataDir: folder })
        : await openNatsBus({ servers: nats.urls, name: "bench", parts: "controlplane" });
    try {
      await use(bus);
    } finally {
      await bus.close();
    }
  } finally {
    await nats?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(counts: readonly number[], runs: readonly FleetFigures[]): BenchReport {
  const measures: Record<string, Spread> = {};
  const names = ["rebuildMs", "snapshotMs", "deltaMs", "reportMs", "heldMb", "residentMb"] as const;
  const shownNames: Readonly<Record<(typeof names)[number], string>> = {
    rebuildMs: "rebuild-ms",
    snapshotMs: "snapshot-ms",
    deltaMs: "delta-ms",
    reportMs: "report-ms",
    heldMb: "held-mb",
    residentMb: "resident-mb",
  };
  const rows = counts.map((count): Row => {
    const own = runs.filter(({ gateways }) => gateways === count);
    const cells = names.map((name): [string, string] => {
      const spread = spreadOf(own.map((run) => run[name]));
      measures[`fleet/${count}/${shownNames[name]}`] = spread;
      return [shownNames[name], shownSpread(spread)];
    });
    const kb = Math.round((own[0]?.snapshotBytes ?? 0) / 1024);
    return { gateways: count, ...Object.fromEntries(cells), "snapshot kB": kb };
  });
  const [first] = runs;
  const problems = runs.flatMap(({ seatCount, recordCount, gateways }) =>
    seatCount === first?.seatCount && recordCount === first.recordCount
      ? []
      : [`${gateways} gateways: ${seatCount} seats, ${recordCount} records`],
  );
  const hash = ((first?.seatCount ?? 0) + (first?.recordCount ?? 0)).toString(16);
  return { bench: "fleet", measures, runs, rows, hash, problems, notes: [] };
}
