/**
 * `seats`: what admission under limits costs: locally with permits at hand, and with a seat that is
 * taken or moved on NATS with three replicas.
 *
 * Two buses in this process are two gateways to the KV. Beside each take and move stands a bare
 * read and compare-and-set of one key, the least that any seat can cost, in the same turns.
 */

import type { Bus } from "../bus/bus.ts";
import type { KeyValue } from "../bus/key-value.ts";
import { openNatsBus } from "../bus/nats/nats-bus.ts";
import { Owners } from "../bus/seats/owners.ts";
import { SEAT_BUCKET, userKey } from "../bus/seats/seat-keys.ts";
import type { SeatClaim } from "../bus/seats/seat-set.ts";
import { newConnection } from "../gateway/connection.ts";
import { makeIdentity } from "../gateway/identity.ts";
import { Lagging } from "../gateway/lagging.ts";
import { ClientMeter } from "../gateway/metrics/client-meter.ts";
import { PublishLog } from "../gateway/publish-log.ts";
import { Limits } from "../gateway/seats/limits.ts";
import { SeatKeeper } from "../gateway/seats/seat-keeper.ts";
import { Seats } from "../gateway/seats/seats.ts";
import { SessionTokens } from "../gateway/seats/session-token.ts";
import { Sender } from "../gateway/sender.ts";
import { Limit, OutagePolicy } from "../proto/gen/tidegate/control/v1/limit.ts";
import { limitKey } from "../proto/limits.ts";
import { Histogram } from "./load/histogram.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, type Spread, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";

/** Admissions of one measurement. */
const ADMIT_COUNT = 200_000;
/** Seats of one round. */
const SEAT_COUNT = 1000;
const TINY_COUNT = 20;
const RUNS_DEFAULT = 3;
/** Large enough that all admissions find their permit here. */
const LIMIT = 1_000_000_000;
/** No wait in this bench comes near it, ms. */
const WAIT_MS = 10_000;

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const KINDS = ["bare", "take", "move"] as const;
type Kind = (typeof KINDS)[number];

interface SeatFigures {
  readonly admitNs: number;
  readonly p50Ms: Readonly<Record<Kind, number>>;
  readonly p99Ms: Readonly<Record<Kind, number>>;
}

/** Runs the bench; targets: bench/targets.json. */
export async function benchSeats(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: SeatFigures[] = [];
  const fleet = await NatsFleet.start(options.natsServer, options.isTiny ? 1 : 3);
  const buses: Bus[] = [];
  try {
    for (const name of ["first", "second"]) {
      const { urls, replicaCount } = fleet.target;
      const shape = { servers: [...urls], name, replicaCount, shardCount: 1 };
      buses.push(await openNatsBus({ ...shape, parts: "gateway" }));
    }
    for (let round = 0; round < rounds; round += 1) {
      if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
      const figures = await runOnce(buses, round, options.isTiny);
      const { take, move, bare } = figures.p99Ms;
      const times = [take, move, bare].map((each) => each.toFixed(2)).join(", ");
      progress(`round ${round + 1}/${rounds}: p99 take, move, bare ${times} ms`);
      runs.push(figures);
    }
  } finally {
    for (const bus of buses) await bus.close();
    await fleet.stop();
  }
  return report(runs);
}

async function runOnce(buses: readonly Bus[], round: number, isTiny: boolean) {
  const [first, second] = buses;
  if (first === undefined || second === undefined) throw new Error("two buses are needed");
  const admitNs = await measureAdmission(first, isTiny ? TINY_COUNT : ADMIT_COUNT);
  const times = { bare: new Histogram(), take: new Histogram(), move: new Histogram() };
  const keys = await first.keyValue(SEAT_BUCKET);
  const keepers = await Promise.all([first, second].map((bus) => keeperOf(bus)));
  const count = isTiny ? TINY_COUNT : SEAT_COUNT;
  for (let i = 0; i < count; i += 1) {
    const key = userKey("bench", `${round}.${i}`);
    await timed(times.bare, () => bareChange(keys, `bare.${round}`));
    await timed(times.take, () => claim(keepers[0], first, key, i, 1));
    await timed(times.move, () => claim(keepers[1], second, key, i, 2));
  }
  const of = (part: number) => ({
    bare: times.bare.percentile(part) / 1000,
    take: times.take.percentile(part) / 1000,
    move: times.move.percentile(part) / 1000,
  });
  return { admitNs, p50Ms: of(0.5), p99Ms: of(0.99) };
}

async function timed(histogram: Histogram, act: () => Promise<unknown>): Promise<void> {
  const startedMs = performance.now();
  await act();
  histogram.record((performance.now() - startedMs) * 1000);
}

/** One read and one compare-and-set. */
async function bareChange(keys: KeyValue, key: string): Promise<void> {
  const entry = await keys.get(key);
  const value = Buffer.alloc(80, 1);
  if (entry === null) await keys.create(key, value);
  else await keys.update(key, value, entry.revision);
}

async function keeperOf(bus: Bus): Promise<SeatKeeper> {
  const keys = await bus.keyValue(SEAT_BUCKET);
  const open = () => Promise.resolve(keys);
  return new SeatKeeper(open, new Owners(bus, open, WAIT_MS), silent);
}

async function claim(
  keeper: SeatKeeper | undefined,
  bus: Bus,
  key: string,
  connection: number,
  dialCount: number,
): Promise<void> {
  const session = Buffer.alloc(16, connection % 251).toString("latin1");
  const wish: SeatClaim = {
    ...{ session, owner: bus.self, connection, dialCount, isNewcomer: true },
  };
  const verdict = await keeper?.claim(key, wish, 1, WAIT_MS);
  const expected = dialCount === 1 ? "taken" : "moved";
  if (verdict?.is !== expected) throw new Error(`a seat is ${verdict?.is}, not ${expected}`);
}

/** Admits and lets go under a limit of the tenant whose permits are here; nanoseconds for both. */
async function measureAdmission(bus: Bus, count: number): Promise<number> {
  const apply: ((key: string, value: Uint8Array) => string | null)[] = [];
  const limits = new Limits({ follow: (_prefix, each) => apply.push(each) });
  const record = { name: "", value: BigInt(LIMIT), outagePolicy: OutagePolicy.FAIL_CLOSED };
  const value = Limit.encode({ ...record, etag: "", updateTime: undefined, used: 0n }).finish();
  apply[0]?.(limitKey("bench", "connections"), value);
  const lagging = new Lagging(new PublishLog(), () => {});
  const seats = new Seats({
    ...{
      bus,
      log: silent,
      limits,
      sender: new Sender(lagging, 1, new ClientMeter()),
      holdMs: WAIT_MS,
    },
    ...{ tokens: new SessionTokens(Buffer.alloc(32, 1)), hasRoomLimit: () => false },
  });
  const identity = makeIdentity({ tenant: "bench", user: "ann", grants: [] });
  const hello = { sessionToken: Buffer.alloc(0), dialCount: 1 };
  const admit = (number: number) => {
    const connection = newConnection(number);
    const waiting = seats.admit(connection, identity, hello, () => "");
    if (waiting === null) seats.close(connection, true);
    return { waiting, connection };
  };
  await admit(0).waiting; // takes the permits that the rest finds here
  for (let i = 1; i <= count; i += 1) admit(i); // compiles it
  const startedMs = performance.now();
  for (let i = 1; i <= count; i += 1) {
    if (admit(i).waiting !== null) throw new Error("an admission was not local");
  }
  const ns = ((performance.now() - startedMs) * 1e6) / count;
  await seats.stop();
  return ns;
}

function report(runs: readonly SeatFigures[]): BenchReport {
  const of = (figure: (run: SeatFigures) => number): Spread => spreadOf(runs.map(figure));
  const measures: Record<string, Spread> = {
    "seats/admit/us": of((run) => run.admitNs / 1000),
    "seats/take/p99-ms": of((run) => run.p99Ms.take),
    "seats/move/p99-ms": of((run) => run.p99Ms.move),
    "seats/take/p50-ratio": of((run) => run.p50Ms.take / run.p50Ms.bare),
    "seats/move/p50-ratio": of((run) => run.p50Ms.move / run.p50Ms.bare),
  };
  const rows: Row[] = KINDS.map((kind) => ({
    what: kind === "bare" ? "a bare read and compare-and-set" : `${kind} a seat`,
    "p50 ms": shownSpread(of((run) => run.p50Ms[kind])),
    "p99 ms (min to max)": shownSpread(of((run) => run.p99Ms[kind])),
  }));
  const hash = runs.length.toString(16);
  return { bench: "seats", measures, runs, rows, hash, problems: [], notes: [] };
}
