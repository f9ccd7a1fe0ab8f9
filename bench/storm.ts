/**
 * `storm`: 15 000 clients lose their gateway by kill -9, and come back all at once to the workers
 * that are left, while those keep serving members of their own.
 *
 * One nats-server, three workers of one parent. The clock runs from the kill to the last client in
 * its room again; each is to be told `recovered: true` and to have every message once, in order,
 * also those that were published meanwhile. Members of the other workers get messages all the time:
 * their latency in the storm stands beside the one before it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { findPort } from "../gateway/listen.ts";
import { monotonicUs } from "./load/clock.ts";
import { Histogram } from "./load/histogram.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { SecondLatency, StormCommand, StormReply } from "./load/storm-protocol.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, type Spread, shown, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";

const WORKER_COUNT = 3;
const RUNS_DEFAULT = 3;
/** Class of the clients' rooms; witnesses are in rooms of both. */
const CLASSES = ["chat", "live"] as const;
/** Rooms of witnesses have numbers from here on. */
const FIRST_WITNESS_ROOM = 1_000_000;

interface StormShape {
  readonly generatorCount: number;
  readonly roomsPerGenerator: number;
  readonly membersPerRoom: number;
  readonly witnessRoomCount: number;
  readonly witnessesPerRoom: number;
  /** Publishes a second: to the clients' rooms, and to the witnesses' of each class. */
  readonly stormRatePerS: number;
  readonly witnessRatePerS: number;
  /** Seconds of latency before the kill. */
  readonly normalS: number;
}
const FULL: StormShape = {
  ...{ generatorCount: 3, roomsPerGenerator: 500, membersPerRoom: 10 },
  ...{ witnessRoomCount: 20, witnessesPerRoom: 10, stormRatePerS: 100, witnessRatePerS: 50 },
  // Every room has a message by then, so that its members know a position to resume from.
  normalS: 20,
};
const TINY: StormShape = {
  ...{ generatorCount: 2, roomsPerGenerator: 6, membersPerRoom: 5 },
  ...{ witnessRoomCount: 2, witnessesPerRoom: 2, stormRatePerS: 60, witnessRatePerS: 20 },
  normalS: 1,
};

/** One second of a storm. */
interface CurvePoint {
  /** Since the kill. */
  readonly second: number;
  readonly backCount: number;
  /** Of witnesses, by class, ms. */
  readonly p99Ms: Readonly<Record<string, number>>;
}

export interface StormFigures {
  readonly clientCount: number;
  readonly backCount: number;
  readonly recoveredCount: number;
  readonly exactCount: number;
  readonly memberCount: number;
  /** From the kill to half, 99 % and all of them back. */
  readonly halfS: number;
  readonly mostS: number;
  readonly allS: number;
  /** Of witnesses, by class, before and in the storm. */
  readonly normalP99Ms: Readonly<Record<string, number>>;
  readonly stormP99Ms: Readonly<Record<string, number>>;
  readonly shedCount: number;
  readonly failedDialCount: number;
  readonly curve: readonly CurvePoint[];
  readonly problems: readonly string[];
}

type Load = LoadProcess<StormCommand, StormReply>;

/** Runs the bench; targets: bench/targets.json. */
export async function benchStorm(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shape = options.isTiny ? TINY : FULL;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: StormFigures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const run = await runOnce(shape, options, progress);
    progress(`round ${round + 1}/${rounds}: all back after ${shown(run.allS)} s`);
    runs.push(run);
  }
  const of = (figure: (run: StormFigures) => number): Spread => spreadOf(runs.map(figure));
  const ratio = (name: string) =>
    of(({ stormP99Ms, normalP99Ms }) => (stormP99Ms[name] ?? 0) / (normalP99Ms[name] || 1));
  return {
    bench: "storm",
    measures: {
      "storm/seconds": of((run) => run.allS),
      "storm/p99-ratio": ratio("chat"),
      "storm/ephemeral-p99-ratio": ratio("live"),
      "storm/not-exact": of((run) => run.memberCount - run.exactCount),
    },
    runs,
    rows: rowsOf(runs),
    hash: runs.reduce((sum, run) => sum + run.exactCount, 0).toString(16),
    problems: runs.flatMap((run) => run.problems),
    notes: [...curveNotes(runs), `told to come again: ${shownSpread(of((run) => run.shedCount))}`],
  };
}

function rowsOf(runs: readonly StormFigures[]): Row[] {
  return runs.map((run, i) => ({
    run: i + 1,
    clients: run.clientCount,
    back: run.backCount,
    exact: run.exactCount,
    "half s": run.halfS,
    "99 % s": run.mostS,
    "all s": run.allS,
    "normal p99 ms": run.normalP99Ms.chat ?? 0,
    "storm p99 ms": run.stormP99Ms.chat ?? 0,
    "live normal": run.normalP99Ms.live ?? 0,
    "live storm": run.stormP99Ms.live ?? 0,
  }));
}

/** The curve of the first run: how many are back, and what members noticed. */
function curveNotes(runs: readonly StormFigures[]): string[] {
  return (runs[0]?.curve ?? []).map(({ second, backCount, p99Ms }) => {
    const latencies = CLASSES.map((name) => `${name} ${shown(p99Ms[name] ?? 0)} ms`).join(", ");
    return `second ${second}: ${backCount} back, p99 ${latencies}`;
  });
}

async function runOnce(
  shape: StormShape,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<StormFigures> {
  const fleet = await NatsFleet.start(options.natsServer, 1);
  const storms: Load[] = Array.from(
    { length: shape.generatorCount },
    () => new LoadProcess("storm-generator.ts", null, { yields: true }),
  );
  const witness: Load = new LoadProcess("storm-generator.ts", null);
  const direct = await findPorts();
  let server: ServerProcess | null = null;
  try {
    server = await ServerProcess.start({
      ...{ system: "tidegate", core: null, nodeFlags: [], nats: fleet.target },
      tidegateFlags: ["--parts=gateway", `--workers=${WORKER_COUNT}`, `--direct-port=${direct}`],
    });
    const { url, children } = server.ready;
    const urls = Array.from({ length: WORKER_COUNT }, (_, i) => `ws://127.0.0.1:${direct + i}/ws`);
    const [victimUrl = "", ...survivors] = urls;
    await openAll(storms, witness, shape, { victimUrl, survivors, url });
    progress(`${clientCount(shape)} clients are in`);
    if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
    await sleep(shape.normalS * 1000);
    const victim = children?.[0]?.pid ?? null;
    if (victim === null) throw new Error("the first worker is not there");
    const killedAtUs = monotonicUs();
    process.kill(victim, "SIGKILL");

    return await figuresOf(storms, witness, shape, killedAtUs);
  } finally {
    await Promise.all([...storms, witness].map((load) => load.stop()));
    await server?.stop();
    await fleet.stop();
  }
}

/** The first of as many free ports in a row as there are workers. */
async function findPorts(): Promise<number> {
  for (;;) {
    const first = await findPort("127.0.0.1", 0);
    try {
      for (let i = 1; i < WORKER_COUNT; i += 1) await findPort("127.0.0.1", first + i);
      return first;
    } catch {
      // One of the next is taken: look elsewhere.
    }
  }
}

function clientCount({ generatorCount, roomsPerGenerator, membersPerRoom }: StormShape): number {
  return generatorCount * roomsPerGenerator * membersPerRoom;
}

async function openAll(
  storms: readonly Load[],
  witness: Load,
  shape: StormShape,
  at: { readonly victimUrl: string; readonly survivors: readonly string[]; readonly url: string },
): Promise<void> {
  const { roomsPerGenerator, membersPerRoom, witnessRoomCount, witnessesPerRoom } = shape;
  for (const roomClass of CLASSES) {
    const rooms = { firstRoom: FIRST_WITNESS_ROOM, roomCount: witnessRoomCount };
    const plan = { ...rooms, urls: at.survivors, againUrl: at.url, class: roomClass, source: 0 };
    await witness.ask(
      { kind: "open", plan: { ...plan, membersPerRoom: witnessesPerRoom } },
      "opened",
    );
  }
  await Promise.all(
    storms.map((load, i) => {
      const rooms = { firstRoom: i * roomsPerGenerator, roomCount: roomsPerGenerator };
      const plan = { ...rooms, membersPerRoom, class: "chat", source: i + 1 };
      const urls = { urls: [at.victimUrl], againUrl: at.url };
      return load.ask({ kind: "open", plan: { ...plan, ...urls } }, "opened");
    }),
  );
  const url = at.survivors[0] ?? "";
  const roomCount = storms.length * roomsPerGenerator;
  const storm = { url, class: "chat", firstRoom: 0, roomCount, ratePerS: shape.stormRatePerS };
  await witness.ask({ kind: "publish", plan: storm }, "publishing");
  for (const roomClass of CLASSES) {
    const rooms = { firstRoom: FIRST_WITNESS_ROOM, roomCount: witnessRoomCount };
    const plan = { ...rooms, url, class: roomClass, ratePerS: shape.witnessRatePerS };
    await witness.ask({ kind: "publish", plan }, "publishing");
  }
}

async function figuresOf(
  storms: readonly Load[],
  witness: Load,
  shape: StormShape,
  killedAtUs: number,
): Promise<StormFigures> {
  const backs = await Promise.all(storms.map((load) => load.ask({ kind: "back" }, "back")));
  const { last } = await witness.ask({ kind: "stop" }, "stopped");
  const settle = { kind: "settle", last } as const;
  const settled = await Promise.all(
    [...storms, witness].map((load) => load.ask(settle, "settled")),
  );
  const { seconds } = await witness.ask({ kind: "take" }, "taken");
  const backS = backs
    .flatMap(({ backAtUs }) => [...backAtUs])
    .map((atUs) => (atUs - killedAtUs) / 1e6)
    .sort((a, b) => a - b);
  const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
  const atShare = (share: number) => backS[Math.ceil(backS.length * share) - 1] ?? 0;
  const clients = clientCount(shape);
  const problems = settled.flatMap(({ reasons }) => [...reasons]);
  if (backS.length < clients) problems.push(`${backS.length} of ${clients} clients are back`);
  const recoveredCount = sum(backs.map((back) => back.recoveredCount));
  if (recoveredCount < clients) problems.push(`${recoveredCount} of ${clients} recovered`);
  const exactCount = sum(settled.map((each) => each.exactCount));
  const memberCount = sum(settled.map((each) => each.memberCount));
  if (exactCount < memberCount) problems.push(`${exactCount} of ${memberCount} have every message`);
  const killedS = killedAtUs / 1e6;
  const allS = atShare(1);
  return {
    ...{ clientCount: clients, backCount: backS.length, recoveredCount, exactCount, memberCount },
    ...{ halfS: atShare(0.5), mostS: atShare(0.99), allS, problems },
    // The seconds in which the kill and the last return fall count to the storm.
    normalP99Ms: p99s(seconds, killedS - shape.normalS, Math.floor(killedS)),
    stormP99Ms: p99s(seconds, Math.floor(killedS), killedS + allS),
    shedCount: sum(backs.map((back) => back.shedCount)),
    failedDialCount: sum(backs.map((back) => back.failedDialCount)),
    curve: curveOf(backS, seconds, killedS),
  };
}

/** p99 by class over the seconds from, inclusive, to, exclusive. */
function p99s(seconds: readonly SecondLatency[], fromS: number, toS: number) {
  const rows = CLASSES.map((name): [string, number] => {
    const all = new Histogram();
    for (const each of seconds) {
      if (each.class !== name || each.second < fromS || each.second >= toS) continue;
      all.merge(Histogram.fromPlain(each.latency));
    }
    return [name, all.percentile(0.99) / 1000];
  });
  return Object.fromEntries(rows);
}

function curveOf(
  backS: readonly number[],
  seconds: readonly SecondLatency[],
  killedS: number,
): CurvePoint[] {
  const first = Math.floor(killedS);
  const endS = Math.ceil(backS.at(-1) ?? 0) + 2;
  return Array.from({ length: endS }, (_, second) => ({
    second,
    backCount: backS.filter((each) => first + second + 1 > killedS + each).length,
    p99Ms: p99s(seconds, first + second, first + second + 1),
  }));
}
