/**
 * `nats-join`: how long a join of a quiet room takes on a gateway that does not know the room.
 *
 * Three servers, three replicas, nothing else going on; one connection joins room after room, so no
 * join waits for another. Some rooms hold messages, some never had one.
 */
import { Histogram } from "./load/histogram.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { RoomCommand, RoomReply } from "./load/room-protocol.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, type Spread, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";

/** Rooms of each kind in one round, and messages stored in those that hold some. */
const ROOM_COUNT = 1000;
const TINY_ROOM_COUNT = 5;
const MESSAGES_PER_ROOM = 3;
const PUBLISH_PER_S = 1000;
const RUNS_DEFAULT = 3;
/** The gateway compiles its code on rooms of their own. */
const WARM_SHARE = 0.5;
/** Rooms of one connection: the gateway's highest limit. */
const TIDEGATE_FLAGS = ["--room-count-max=4096"];

const KINDS = ["stored", "empty"] as const;
type Kind = (typeof KINDS)[number];

interface JoinFigures {
  readonly kind: Kind;
  readonly joinedCount: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

type Load = LoadProcess<RoomCommand, RoomReply>;

/** Runs the bench; targets: bench/targets.json. */
export async function benchNatsJoin(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const roomCount = options.isTiny ? TINY_ROOM_COUNT : ROOM_COUNT;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: JoinFigures[] = [];
  const problems: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const figures = await runOnce(roomCount, options, progress, problems);
    for (const { kind, p99Ms } of figures)
      progress(`round ${round + 1}/${rounds} ${kind}: p99 ${p99Ms.toFixed(2)} ms`);
    runs.push(...figures);
  }
  const of = (kind: Kind, figure: (run: JoinFigures) => number): Spread =>
    spreadOf(runs.filter((run) => run.kind === kind).map(figure));
  const measures: Record<string, Spread> = {};
  for (const kind of KINDS) measures[`nats-join/${kind}/p99-ms`] = of(kind, (run) => run.p99Ms);
  const rowOf = (kind: Kind): Row => ({
    rooms: kind,
    "joins a round": of(kind, (run) => run.joinedCount).median,
    "p50 ms": of(kind, (run) => run.p50Ms).median,
    "p99 ms (min to max)": shownSpread(of(kind, (run) => run.p99Ms)),
    "max ms": of(kind, (run) => run.maxMs).max,
  });
  const hash = runs.reduce((sum, run) => sum + run.joinedCount, 0).toString(16);
  return {
    ...{ bench: "nats-join", measures, runs, rows: KINDS.map(rowOf) },
    ...{ hash, problems, notes: [] },
  };
}

async function runOnce(
  roomCount: number,
  options: BenchOptions,
  progress: (line: string) => void,
  problems: string[],
): Promise<readonly JoinFigures[]> {
  const fleet = await NatsFleet.start(options.natsServer, options.isTiny ? 1 : 3);
  const load: Load = new LoadProcess("room-generator.ts", null);
  const warmCount = Math.ceil(roomCount * WARM_SHARE);
  try {
    await store(load, fleet, roomCount + warmCount);
    const gateway = await startGateway(fleet);
    try {
      if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
      const { url } = gateway.ready;
      await join(load, url, 0, warmCount);
      const stored = await join(load, url, warmCount, roomCount);
      const empty = await join(load, url, warmCount + roomCount, roomCount);
      const { tally } = await load.ask({ kind: "take" }, "taken");
      problems.push(...tally.reasons);
      return [figuresOf("stored", stored), figuresOf("empty", empty)];
    } finally {
      await load.stop();
      await gateway.stop();
    }
  } finally {
    await load.stop();
    await fleet.stop();
  }
}

/** Puts messages into rooms 0 to `roomCount` - 1, by a gateway that is gone afterwards. */
async function store(load: Load, fleet: NatsFleet, roomCount: number): Promise<void> {
  const gateway = await startGateway(fleet);
  try {
    const plan = { url: gateway.ready.url, roomCount, membersPerRoom: 1, isJoining: false };
    await load.ask({ kind: "open", plan }, "opened");
    const count = roomCount * MESSAGES_PER_ROOM;
    await load.ask({ kind: "publish", count, ratePerS: PUBLISH_PER_S }, "published");
    await load.ask({ kind: "part" }, "parted");
  } finally {
    await gateway.stop();
  }
}

function startGateway(fleet: NatsFleet): Promise<ServerProcess> {
  return ServerProcess.start({
    ...{ system: "tidegate", core: null, nodeFlags: [] },
    tidegateFlags: TIDEGATE_FLAGS,
    nats: fleet.target,
  });
}

async function join(
  load: Load,
  url: string,
  firstRoom: number,
  roomCount: number,
): Promise<Histogram> {
  const command = { kind: "join", url, firstRoom, roomCount, inTurn: true } as const;
  const { latency } = await load.ask(command, "joined");
  return Histogram.fromPlain(latency);
}

function figuresOf(kind: Kind, latency: Histogram): JoinFigures {
  return {
    kind,
    joinedCount: latency.count,
    p50Ms: latency.percentile(0.5) / 1000,
    p99Ms: latency.percentile(0.99) / 1000,
    maxMs: latency.max / 1000,
  };
}
