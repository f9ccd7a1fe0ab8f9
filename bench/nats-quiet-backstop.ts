/**
 * The part of `nats-quiet` about the backstop (R8): how fast it visits idle rooms, and its CPU.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Msg } from "@nats-io/transport-node";
import { LoadProcess } from "./load/load-process.ts";
import type { RoomCommand, RoomReply } from "./load/room-protocol.ts";
import { seedRooms } from "./load/seed-rooms.ts";
import type { BenchOptions } from "./options.ts";
import { cpuTime } from "./proc.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";
import { Wiretap } from "./servers/wiretap.ts";

/** Idle rooms, each with one stored message, held by connections of 4 000 rooms each. */
const SIZE = { roomCount: 20_000, perConnection: 4000 };
const TINY_SIZE = { roomCount: 40, perConnection: 20 };
/** Time in which every room must be visited: R8's, and the window of the CPU figure. */
const VISIT_MS_MAX = 20_000;
/** The joins' own looks are over after this, ms. */
const CALM_MS = 5000;
/** A tiny run waits so long for a look at all rooms, ms. */
const TINY_MS_MAX = 10_000;
const RUNS_DEFAULT = 3;

const VARIANTS = ["with", "without"] as const;
type Variant = (typeof VARIANTS)[number];

interface BackstopFigures {
  readonly variant: Variant;
  /** Of one core, over the window. */
  readonly gatewayShare: number;
  readonly natsShare: number;
  /** Rooms asked for in the window. */
  readonly visitedCount: number;
  /** From the start of the window until the last room was asked for; the window if not all were. */
  readonly visitS: number;
  readonly joinS: number;
  readonly problems: readonly string[];
}

export async function benchBackstop(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: BackstopFigures[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const figures: BackstopFigures[] = [];
    const order = round % 2 === 0 ? VARIANTS : [...VARIANTS].reverse();
    for (const variant of options.isTiny ? (["with"] as const) : order) {
      const run = await runOnce(variant, options, progress);
      const gateway = `gateway ${(run.gatewayShare * 100).toFixed(2)} %`;
      const visited = `${run.visitedCount} rooms in ${run.visitS.toFixed(1)} s`;
      progress(`round ${round + 1}/${rounds} ${variant} backstop: ${gateway}, ${visited}`);
      figures.push(run);
    }
    runs.push(figures);
  }
  return report(runs);
}

function report(runs: readonly (readonly BackstopFigures[])[]): BenchReport {
  const flat = runs.flat();
  const of = (variant: Variant, figure: (run: BackstopFigures) => number) =>
    spreadOf(flat.filter((run) => run.variant === variant).map(figure));
  const differences = runs.flatMap((round) => {
    const shares = VARIANTS.map((variant) => round.find((run) => run.variant === variant));
    const [own, none] = shares;
    if (own === undefined || none === undefined) return [];
    return [(own.gatewayShare - none.gatewayShare) * 100];
  });
  const rowOf = (variant: Variant): Row => ({
    part: `backstop, ${variant}`,
    "gateway core %": shownSpread(of(variant, (run) => run.gatewayShare * 100)),
    "nats core %": shownSpread(of(variant, (run) => run.natsShare * 100)),
    "others %": "",
    done: of(variant, (run) => run.visitedCount).median,
  });
  return {
    bench: "nats-quiet",
    measures: {
      "nats-quiet/backstop/core-percent": spreadOf(differences),
      "nats-quiet/backstop/visit-s": of("with", (run) => run.visitS),
    },
    runs,
    rows: VARIANTS.filter((variant) => of(variant, () => 0).n > 0).map(rowOf),
    hash: flat.reduce((sum, run) => sum + run.visitedCount, 0).toString(16),
    problems: flat.flatMap((run) => run.problems),
    notes: [`joining the rooms took ${shownSpread(of("with", (run) => run.joinS))} s`],
  };
}

async function runOnce(
  variant: Variant,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BackstopFigures> {
  const { roomCount, perConnection } = options.isTiny ? TINY_SIZE : SIZE;
  const fleet = await NatsFleet.start(options.natsServer, options.isTiny ? 1 : 3);
  const load = new LoadProcess<RoomCommand, RoomReply>("room-generator.ts", null);
  const preload = ["--import", new URL("servers/without-backstop.ts", import.meta.url).href];
  const starting = ServerProcess.start({
    ...{ system: "tidegate", core: null, tidegateFlags: ["--room-count-max=4096"] },
    nodeFlags: variant === "with" ? [] : preload,
    nats: fleet.target,
  });
  try {
    const gateway = await starting;
    await seedRooms(fleet.target, roomCount, 1);
    // A tiny run does not wait for the backstop: the look after the joins asks for the same rooms.
    const early = options.isTiny ? await Visits.watch(fleet, roomCount) : null;
    const joinS = await joinAll(load, gateway.ready.url, roomCount, perConnection);
    if (early !== null) return await early.end(gateway, variant, joinS, TINY_MS_MAX);
    await sleep(CALM_MS);
    if (!options.isNoisy) await awaitQuiet(progress);
    const visits = await Visits.watch(fleet, roomCount);
    return await visits.end(gateway, variant, joinS, 0);
  } finally {
    await load.stop();
    await starting.then((gateway) => gateway.stop());
    await fleet.stop();
  }
}

/** @returns how long it took, seconds. */
async function joinAll(
  load: LoadProcess<RoomCommand, RoomReply>,
  url: string,
  roomCount: number,
  perConnection: number,
): Promise<number> {
  const beforeMs = performance.now();
  for (let firstRoom = 0; firstRoom < roomCount; firstRoom += perConnection) {
    const rooms = { firstRoom, roomCount: perConnection };
    await load.ask({ kind: "join", url, ...rooms, inTurn: false }, "joined");
  }
  return (performance.now() - beforeMs) / 1000;
}

/** Which rooms a gateway asks the store for, seen from outside. */
class Visits {
  readonly #fleet: NatsFleet;
  readonly #roomCount: number;
  readonly #visited = new Set<string>();
  readonly #beginMs = performance.now();
  #visitMs = VISIT_MS_MAX;
  #tap: Wiretap | null = null;

  private constructor(fleet: NatsFleet, roomCount: number) {
    this.#fleet = fleet;
    this.#roomCount = roomCount;
  }

  static async watch(fleet: NatsFleet, roomCount: number): Promise<Visits> {
    const visits = new Visits(fleet, roomCount);
    const onMessage = (message: Msg): void => visits.#take(message);
    visits.#tap = await Wiretap.on(fleet.target, "$JS.API.DIRECT.GET.>", onMessage);
    return visits;
  }

  /** Watches until all rooms were visited, `msMax` at most; 0: for the whole of R8's time. */
  async end(
    gateway: ServerProcess,
    variant: Variant,
    joinS: number,
    msMax: number,
  ): Promise<BackstopFigures> {
    const begin = this.#mark(gateway);
    const endMs = begin.atMs + (msMax || VISIT_MS_MAX);
    const isOver = (): boolean => msMax > 0 && this.#visited.size === this.#roomCount;
    while (performance.now() < endMs && !isOver()) await sleep(msMax > 0 ? 50 : VISIT_MS_MAX);
    const end = this.#mark(gateway);
    await this.#tap?.stop();
    const windowUs = (end.atMs - begin.atMs) * 1000;
    const visitedCount = this.#visited.size;
    const isAll = visitedCount === this.#roomCount;
    const problem = `the backstop visited ${visitedCount} of ${this.#roomCount} rooms in 20 s`;
    return {
      variant,
      joinS,
      gatewayShare: (end.gatewayUs - begin.gatewayUs) / windowUs,
      natsShare: (end.natsUs - begin.natsUs) / windowUs,
      visitedCount,
      visitS: this.#visitMs / 1000,
      problems: variant === "with" && !isAll ? [problem] : [],
    };
  }

  #mark(gateway: ServerProcess) {
    const { userUs, systemUs } = cpuTime(gateway.pid);
    return { atMs: performance.now(), gatewayUs: userUs + systemUs, natsUs: this.#fleet.cpuUs() };
  }

  #take(message: Msg): void {
    for (const subject of roomsAskedFor(message)) this.#visited.add(subject);
    if (this.#visited.size === this.#roomCount && this.#visitMs === VISIT_MS_MAX)
      this.#visitMs = performance.now() - this.#beginMs;
  }
}

/** Subjects of rooms that a sweep's question names. */
function roomsAskedFor(message: Msg): readonly string[] {
  const { multi_last: subjects = [] } = message.json<{ multi_last?: string[] }>();
  return subjects.filter((subject) => subject.startsWith("tg.in."));
}
