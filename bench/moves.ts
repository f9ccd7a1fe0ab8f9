/**
 * `moves`: 64 slots are moved from one shard to another while their rooms take 5 000 durable
 * messages a second, and the checker of chaos runs judges every call, delivery and stored message.
 *
 * Three servers, two processes that publish and listen as gateways do, and a mover; all load is in
 * the slots that move. The pause of a room is the longest time between two messages of it at a
 * member while slots move; each room gets one every 26 ms.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { type NatsBus, openNatsBus } from "../bus/nats/nats-bus.ts";
import { roomAddress } from "../bus/subjects.ts";
import { PUBLISH_LIMITS } from "../bus/void.ts";
import { CHECK_LIMITS, checkHistory, type Verdict } from "../test/chaos/check.ts";
import type { ConsumerEvent, History, Publish } from "../test/chaos/history.ts";
import { readStored } from "../test/chaos/stored.ts";
import { monotonicUs } from "./load/clock.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { MoveCommand, MoveReply } from "./load/protocol.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";

interface Shape {
  readonly nodeCount: 1 | 3;
  readonly shardCount: number;
  /** Slots that move; each of the first shard's. */
  readonly slotCount: number;
  readonly roomsPerSlot: number;
  readonly ratePerS: number;
}

const FULL: Shape = {
  ...{ nodeCount: 3, shardCount: 16, slotCount: 64, roomsPerSlot: 2, ratePerS: 5000 },
};
const TINY: Shape = {
  ...{ nodeCount: 1, shardCount: 16, slotCount: 4, roomsPerSlot: 1, ratePerS: 200 },
};
const RUNS_DEFAULT = 3;
/** Load before the first move and after the last, ms. */
const WARM_MS = 2000;
const AFTER_MS = 1000;
/** A move that another process hinders is asked for again, at most so often. */
const TRY_COUNT_MAX = 40;
/** Deliveries still owed after this are missing, ms. */
const SETTLE_MS = 20_000;

/** One run. */
interface MoveFigures {
  readonly movedCount: number;
  readonly ackedPerS: number;
  readonly moveMs: number;
  readonly pauseP50Ms: number;
  readonly pauseP99Ms: number;
  readonly pauseMaxMs: number;
  /** The same before the first move: what the machine does. */
  readonly quietP99Ms: number;
  /** Longest wait for an ack of each room, p99 over rooms. */
  readonly ackP99Ms: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  readonly ackedCount: number;
  readonly problems: readonly string[];
}

type Worker = LoadProcess<MoveCommand, MoveReply>;

/** Runs the bench; targets: bench/targets.json. */
export async function benchMoves(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shape = options.isTiny ? TINY : FULL;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: MoveFigures[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
    const run = await runMoves(shape, options);
    runs.push(run);
    const pause = `pause p99 ${Math.round(run.pauseP99Ms)} ms`;
    const quiet = `before ${Math.round(run.quietP99Ms)} ms`;
    progress(`round ${round}/${rounds}: a move ${Math.round(run.moveMs)} ms, ${pause} (${quiet})`);
  }
  return report(runs);
}

async function runMoves(shape: Shape, options: BenchOptions): Promise<MoveFigures> {
  const { nodeCount, shardCount, ratePerS } = shape;
  const fleet = await NatsFleet.start(options.natsServer, nodeCount);
  const closers: (() => Promise<void>)[] = [() => fleet.stop()];
  try {
    const { urls: servers, replicaCount } = fleet.target;
    const limits = { shardCount, replicaCount, shardBytesMax: 256 * 1024 ** 2 };
    const parts = "controlplane";
    const bus = await openNatsBus({ servers: [...servers], name: "mover", parts, ...limits });
    closers.push(() => bus.close());
    const rooms = roomsOf(shape);
    const workers = ["one", "two"].map((): Worker => new LoadProcess("move-worker.ts", null));
    closers.push(...workers.map((worker) => () => worker.stop()));
    const open = (worker: Worker, i: number) => {
      const plan = { nats: fleet.target, name: `w${i}`, shardCount, rooms };
      return worker.ask({ kind: "open", plan }, "opened");
    };
    await Promise.all(workers.map(open));
    const each = { kind: "publish", ratePerS: ratePerS / workers.length } as const;
    const startUs = monotonicUs();
    await Promise.all(workers.map((worker) => worker.ask(each, "publishing")));
    await sleep(options.isTiny ? 200 : WARM_MS);
    const movesUs = monotonicUs();
    const movedCount = await moveAll(bus, shape);
    const movedUs = monotonicUs();
    await sleep(options.isTiny ? 200 : AFTER_MS);
    const ends = await Promise.all(workers.map((worker) => worker.ask({ kind: "end" }, "ended")));
    const endUs = monotonicUs();
    const count = ends.reduce((sum, { publishCount }) => sum + publishCount, 0);
    const settle = { kind: "settle", count, waitMs: SETTLE_MS } as const;
    await Promise.all(workers.map((worker) => worker.ask(settle, "settled")));
    const taken = await Promise.all(workers.map((worker) => worker.ask({ kind: "take" }, "taken")));
    const history = await toHistory(rooms, servers, taken);
    const times = { startUs, movesUs, movedUs, endUs };
    return judge(history, rooms, movedCount, shape, times);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Rooms of the first shard's slots, by their hash. */
function roomsOf({ shardCount, slotCount, roomsPerSlot }: Shape): string[] {
  const bySlot = new Map<number, string[]>();
  for (let slot = 0; slot < slotCount; slot += 1) bySlot.set(slot * shardCount, []);
  let left = slotCount * roomsPerSlot;
  for (let i = 0; left > 0; i += 1) {
    const room = `chat:move-${i}`;
    const own = bySlot.get(roomAddress("default", room).slot);
    if (own === undefined || own.length === roomsPerSlot) continue;
    own.push(room);
    left -= 1;
  }
  return [...bySlot.values()].flat();
}

/** One slot after the other, to the second shard. @returns how many moved. */
async function moveAll(bus: NatsBus, { shardCount, slotCount }: Shape): Promise<number> {
  let movedCount = 0;
  for (let i = 0; i < slotCount; i += 1) {
    for (let turn = 0; turn < TRY_COUNT_MAX; turn += 1) {
      const isMoved = await bus.shards.moveSlot(i * shardCount, 1).then(
        () => true,
        () => sleep(100, false), // the shard's list is being looked at
      );
      if (!isMoved) continue;
      movedCount += 1;
      break;
    }
  }
  return movedCount;
}

async function toHistory(
  rooms: readonly string[],
  servers: readonly string[],
  taken: readonly { publishes: readonly Publish[]; events: readonly ConsumerEvent[] }[],
): Promise<History> {
  const connection = await connect({ servers: [...servers] });
  try {
    const stored = await readStored(connection, rooms, PUBLISH_LIMITS.voidAfterUs);
    return {
      durableRooms: rooms,
      ephemeralRooms: [],
      publishes: taken.flatMap(({ publishes }) => publishes),
      producerAbsences: {},
      consumers: taken.map(({ events }, i) => ({
        ...{ name: `w${i}`, rooms, events, absences: [], isSlow: false },
      })),
      stored,
      faults: [],
      deaths: [],
    };
  } finally {
    await connection.close();
  }
}

interface Times {
  readonly startUs: number;
  readonly movesUs: number;
  readonly movedUs: number;
  readonly endUs: number;
}

function judge(
  history: History,
  rooms: readonly string[],
  movedCount: number,
  { slotCount }: Shape,
  { startUs, movesUs, movedUs, endUs }: Times,
): MoveFigures {
  const { counts, violations }: Verdict = checkHistory(history, CHECK_LIMITS);
  const pauses = pausesOf(history, rooms, movesUs, endUs);
  const quiet = pausesOf(history, rooms, startUs + (movesUs - startUs) / 2, movesUs);
  const acks = new Map<string, number>();
  for (const { room, outcome, invokedUs, endedUs } of history.publishes) {
    if (outcome !== "acked" || invokedUs < movesUs) continue;
    acks.set(room, Math.max(acks.get(room) ?? 0, endedUs - invokedUs));
  }
  const problems = violations.slice(0, 5).map(({ kind, text }) => `${kind}: ${text}`);
  if (movedCount < slotCount) problems.push(`${slotCount - movedCount} slots did not move`);
  if (counts.unknown + counts.failed > 0) {
    problems.push(`${counts.unknown} publishes ended unknown, ${counts.failed} failed`);
  }
  return {
    movedCount,
    ackedPerS: counts.acked / ((endUs - startUs) / 1e6),
    moveMs: (movedUs - movesUs) / 1000 / slotCount,
    pauseP50Ms: percentile(pauses, 0.5),
    pauseP99Ms: percentile(pauses, 0.99),
    pauseMaxMs: percentile(pauses, 1),
    quietP99Ms: percentile(quiet, 0.99),
    ackP99Ms: percentile(
      [...acks.values()].map((us) => us / 1000),
      0.99,
    ),
    lost: counts.missing,
    doubled: counts.doubled,
    reordered: counts.reordered,
    ackedCount: counts.acked,
    problems,
  };
}

/** Of each room the longest time between two messages of it at any member in a window, ms. */
function pausesOf(
  { consumers }: History,
  rooms: readonly string[],
  fromUs: number,
  toUs: number,
): number[] {
  const longest = new Map<string, number>(rooms.map((room) => [room, 0]));
  for (const { events } of consumers) {
    const before = new Map<string, number>();
    for (const event of events) {
      if (event.type !== "message" || event.atUs > toUs) continue;
      const { room, atUs } = event;
      const lastUs = before.get(room);
      before.set(room, atUs);
      if (lastUs === undefined || atUs < fromUs) continue;
      longest.set(room, Math.max(longest.get(room) ?? 0, (atUs - lastUs) / 1000));
    }
  }
  return [...longest.values()];
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function report(runs: readonly MoveFigures[]): BenchReport {
  const of = (figure: (run: MoveFigures) => number) => spreadOf(runs.map(figure));
  return {
    bench: "moves",
    measures: {
      "moves/pause-p99-ms": of((run) => run.pauseP99Ms),
      "moves/acked-per-s": of((run) => run.ackedPerS),
      "moves/lost": of((run) => run.lost),
      "moves/doubled": of((run) => run.doubled),
      "moves/reordered": of((run) => run.reordered),
      "moves/move-ms": of((run) => run.moveMs),
    },
    runs,
    rows: runs.map((run) => ({
      moved: run.movedCount,
      "acked/s": run.ackedPerS,
      "ms a move": run.moveMs,
      "pause p50 ms": run.pauseP50Ms,
      "p99 ms": run.pauseP99Ms,
      "max ms": run.pauseMaxMs,
      "before p99 ms": run.quietP99Ms,
      "ack p99 ms": run.ackP99Ms,
      lost: run.lost,
      doubled: run.doubled,
      reordered: run.reordered,
    })),
    hash: runs.reduce((sum, { movedCount }) => sum + movedCount, 0).toString(16),
    problems: runs.flatMap(({ problems }) => problems),
    notes: [],
  };
}
