/**
 * `rolling`: a rolling restart of four gateways under 16 000 SDK clients.
 *
 * How many reconnects come in the worst second beside the ceiling, whether anything durable is
 * lost, doubled or reordered, and for how long a client is interrupted.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { findPort } from "../gateway/listen.ts";
import { Histogram } from "./load/histogram.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { MoveCommand, MoveFigures, MoveReply } from "./load/move-protocol.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Spread, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";

const GATEWAY_COUNT = 4;
const RUNS_DEFAULT = 1;
/** Reconnects a second, DRAIN_RATE_MAX: clients and gateways share two cores here. */
const CEILING = 400;
/** A gateway is given this long after its start until the next one goes, ms: it is seen by then. */
const PAUSE_MS = 7000;
/** Processes of clients: each holds below the usual limit of 20 000 files. */
const GENERATOR_COUNT = 2;

interface Shape {
  readonly clientCount: number;
  readonly membersPerRoom: number;
  readonly openPerS: number;
  readonly publishEveryMs: number;
}
const FULL: Shape = {
  clientCount: 16_000,
  membersPerRoom: 16,
  openPerS: 200,
  publishEveryMs: 4000,
};
const TINY: Shape = { clientCount: 40, membersPerRoom: 4, openPerS: 100, publishEveryMs: 100 };

interface RollingFigures extends MoveFigures {
  /** Reconnects in the worst second. */
  readonly worstSecondCount: number;
  readonly p99Ms: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

type Load = LoadProcess<MoveCommand, MoveReply>;

/** Runs the bench; targets: bench/targets.json. */
export async function benchRolling(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shape = options.isTiny ? TINY : FULL;
  const runs: RollingFigures[] = [];
  for (let round = 0; round < (options.runs || RUNS_DEFAULT); round += 1) {
    runs.push(await runOnce(shape, options, progress));
  }
  const of = (figure: (run: RollingFigures) => number): Spread => spreadOf(runs.map(figure));
  const missed = of(({ lostCount, doubledCount, reorderedCount }) =>
    Math.max(lostCount, doubledCount, reorderedCount),
  );
  const measures = {
    "rolling/worst-second-of-ceiling": of((run) => run.worstSecondCount / CEILING),
    "rolling/lost-doubled-reordered": missed,
    "rolling/interruption-p99-ms": of((run) => run.p99Ms),
  };
  const row = {
    clients: shape.clientCount,
    reconnects: of((run) => run.reconnectsMs.length).median,
    "moved without a break": of((run) => run.movedCount).median,
    "worst second (min to max)": shownSpread(of((run) => run.worstSecondCount)),
    published: of((run) => run.publishedCount).median,
    delivered: of((run) => run.deliveredCount).median,
    "interruption p50 ms": of((run) => run.p50Ms).median,
    "p99 ms (min to max)": shownSpread(of((run) => run.p99Ms)),
    "max ms": of((run) => run.maxMs).max,
  };
  const problems = runs.flatMap(({ lostCount, doubledCount, reorderedCount, failedCount }) => {
    const counts = { lostCount, doubledCount, reorderedCount, failedCount };
    return Object.entries(counts).flatMap(([name, count]) =>
      count > 0 ? [`${name} ${count}`] : [],
    );
  });
  return {
    ...{ bench: "rolling", measures, rows: [row], problems, notes: [`ceiling ${CEILING}/s`] },
    runs: runs.map(({ interruption: _, reconnectsMs, ...run }) => ({
      ...run,
      reconnectCount: reconnectsMs.length,
    })),
    hash: shape.clientCount.toString(16),
  };
}

async function runOnce(
  shape: Shape,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<RollingFigures> {
  const fleet = await NatsFleet.start(options.natsServer, 1);
  const loads: Load[] = Array.from(
    { length: GENERATOR_COUNT },
    () => new LoadProcess("move-generator.ts", null),
  );
  const gateways: ServerProcess[] = [];
  try {
    const ports: number[] = [];
    for (let i = 0; i < GATEWAY_COUNT; i += 1) ports.push(await findPort("127.0.0.1", 0));
    for (const port of ports) gateways.push(await startGateway(fleet, port, options.isTiny));
    if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
    await sleep(PAUSE_MS); // each knows the others: Welcome names them
    const urls = gateways.map(({ ready }) => ready.url);
    await openClients(loads, shape, urls);
    progress(`${shape.clientCount} clients are in`);
    for (const [i, port] of ports.entries()) {
      const startMs = performance.now();
      await gateways[i]?.end();
      gateways[i] = await startGateway(fleet, port, options.isTiny);
      progress(`gateway ${i + 1}: restarted in ${Math.round(performance.now() - startMs)} ms`);
      await sleep(options.isTiny ? 0 : PAUSE_MS);
    }
    const all = await Promise.all(loads.map((load) => load.ask({ kind: "finish" }, "finished")));
    return figuresOf(all);
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    for (const gateway of gateways) await gateway.kill().catch(() => {}); // ended already
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await fleet.stop();
  }
}

function startGateway(fleet: NatsFleet, port: number, isTiny: boolean): Promise<ServerProcess> {
  return ServerProcess.start({
    ...{ system: "tidegate", core: null, nodeFlags: [], nats: fleet.target },
    tidegateFlags: [
      ...[
        "--parts=gateway",
        `--port=${port}`,
        `--gateway-id=gw-${port}`,
        `--drain-rate-max=${CEILING}`,
      ],
      ...[`--advertise-url=ws://127.0.0.1:${port}/ws`, "--drain-deadline-ms=120000"],
      `--drain-announce-ms=${isTiny ? 0 : 5000}`,
    ],
  });
}

async function openClients(
  loads: readonly Load[],
  shape: Shape,
  urls: readonly string[],
): Promise<void> {
  const clientCount = shape.clientCount / loads.length;
  const plan = { ...shape, urls, clientCount, openPerS: shape.openPerS / loads.length };
  const asked = loads.map((load, i) => {
    const firstRoom = (i * clientCount) / shape.membersPerRoom;
    return load.ask({ kind: "open", plan: { ...plan, firstRoom } }, "opened");
  });
  await Promise.all(asked);
}

function figuresOf(all: readonly MoveFigures[]): RollingFigures {
  const sum = (figure: (each: MoveFigures) => number) =>
    all.reduce((total, each) => total + figure(each), 0);
  const interruption = new Histogram();
  for (const each of all) interruption.merge(Histogram.fromPlain(each.interruption));
  const reconnectsMs = Float64Array.from(all.flatMap((each) => [...each.reconnectsMs])).sort();
  return {
    publishedCount: sum((each) => each.publishedCount),
    deliveredCount: sum((each) => each.deliveredCount),
    lostCount: sum((each) => each.lostCount),
    doubledCount: sum((each) => each.doubledCount),
    reorderedCount: sum((each) => each.reorderedCount),
    failedCount: sum((each) => each.failedCount),
    movedCount: sum((each) => each.movedCount),
    reconnectsMs,
    interruption: interruption.toPlain(),
    worstSecondCount: worstSecond(reconnectsMs),
    p50Ms: interruption.percentile(0.5) / 1000,
    p99Ms: interruption.percentile(0.99) / 1000,
    maxMs: interruption.max / 1000,
  };
}

/** Most of the ascending times that lie within one second. */
function worstSecond(timesMs: Float64Array): number {
  let worst = 0;
  let from = 0;
  for (const [to, timeMs] of timesMs.entries()) {
    while ((timesMs[from] ?? 0) <= timeMs - 1000) from += 1;
    worst = Math.max(worst, to - from + 1);
  }
  return worst;
}
