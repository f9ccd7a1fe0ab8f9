/**
 * The part of `nats-quiet` about tail markers (R7): CPU with and without them, side by side.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Header } from "../bus/nats/wire.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { RoomCommand, RoomReply } from "./load/room-protocol.ts";
import type { BenchOptions } from "./options.ts";
import { cpuTime, machineCpuUs } from "./proc.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";
import { Wiretap } from "./servers/wiretap.ts";

/** Each room has one member, which publishes; a message of a room every 3 s. */
const SIZE = { roomCount: 5000, ratePerS: 5000 / 3, warmS: 4, windowS: 12 };
const TINY_SIZE = { roomCount: 20, ratePerS: 100, warmS: 0.1, windowS: 0.6 };
const RUNS_DEFAULT = 3;
/** Markers are out this long after the last publish, ms. */
const MARKER_MS = 600;

const VARIANTS = ["with", "without"] as const;
type Variant = (typeof VARIANTS)[number];

interface TailsFigures {
  readonly variant: Variant;
  readonly gatewayShare: number;
  readonly natsShare: number;
  /** What other processes of the machine took in the window, of one core: the noise. */
  readonly foreignShare: number;
  readonly publishedCount: number;
  /** Messages that members received. */
  readonly deliveredCount: number;
  /** Counted in tiny runs only: listening costs the servers something. */
  readonly markerCount: number | null;
  readonly problems: readonly string[];
}

export async function benchTails(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: TailsFigures[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const figures: TailsFigures[] = [];
    for (const variant of round % 2 === 0 ? VARIANTS : [...VARIANTS].reverse()) {
      if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
      const run = await runOnce(variant, options);
      const gateway = `gateway ${(run.gatewayShare * 100).toFixed(1)} %`;
      const nats = `nats ${(run.natsShare * 100).toFixed(1)} %`;
      progress(`round ${round + 1}/${rounds} ${variant} tails: ${gateway}, ${nats}`);
      figures.push(run);
    }
    runs.push(figures);
  }
  return report(runs);
}

function report(runs: readonly (readonly TailsFigures[])[]): BenchReport {
  const flat = runs.flat();
  const both = (run: TailsFigures): number => run.gatewayShare + run.natsShare;
  const ratios = runs.map((round) => {
    const of = (variant: Variant): number =>
      round.filter((run) => run.variant === variant).map(both)[0] ?? 0;
    return of("with") / of("without");
  });
  const rowOf = (variant: Variant): Row => {
    const own = flat.filter((run) => run.variant === variant);
    const of = (figure: (run: TailsFigures) => number) => spreadOf(own.map(figure));
    return {
      part: `tails, ${variant}`,
      "gateway core %": shownSpread(of((run) => run.gatewayShare * 100)),
      "nats core %": shownSpread(of((run) => run.natsShare * 100)),
      "others %": of((run) => run.foreignShare * 100).median,
      done: of((run) => run.deliveredCount).median,
    };
  };
  return {
    bench: "nats-quiet",
    measures: { "nats-quiet/tails/cpu-ratio": spreadOf(ratios) },
    runs,
    rows: VARIANTS.map(rowOf),
    hash: flat.reduce((sum, run) => sum + run.deliveredCount, 0).toString(16),
    problems: flat.flatMap((run) => run.problems),
    notes: [],
  };
}

async function runOnce(variant: Variant, options: BenchOptions): Promise<TailsFigures> {
  const fleet = await NatsFleet.start(options.natsServer, options.isTiny ? 1 : 3);
  const load = new LoadProcess<RoomCommand, RoomReply>("room-generator.ts", null);
  let markerCount = 0;
  const tap = options.isTiny
    ? await Wiretap.on(fleet.target, "tg.out.>", ({ headers }) => {
        if (headers?.has(Header.TAIL)) markerCount += 1;
      })
    : null;
  const preload = ["--import", new URL("servers/without-tails.ts", import.meta.url).href];
  const starting = ServerProcess.start({
    ...{ system: "tidegate", core: null, tidegateFlags: [] },
    nodeFlags: variant === "with" ? [] : preload,
    nats: fleet.target,
  });
  try {
    const figures = await measure(await starting, fleet, load, variant, options);
    if (tap === null) return figures;
    await sleep(MARKER_MS);
    return judged({ ...figures, markerCount });
  } finally {
    await load.stop();
    await tap?.stop();
    await starting.then((gateway) => gateway.stop());
    await fleet.stop();
  }
}

async function measure(
  gateway: ServerProcess,
  fleet: NatsFleet,
  load: LoadProcess<RoomCommand, RoomReply>,
  variant: Variant,
  options: BenchOptions,
): Promise<TailsFigures> {
  const { roomCount, ratePerS, warmS, windowS } = options.isTiny ? TINY_SIZE : SIZE;
  const plan = { url: gateway.ready.url, roomCount, membersPerRoom: 1, isJoining: true };
  await load.ask({ kind: "open", plan }, "opened");
  const count = Math.ceil(ratePerS * (warmS + windowS));
  const published = load.ask({ kind: "publish", count, ratePerS }, "published");
  published.catch(() => undefined); // awaited below
  await sleep(warmS * 1000);
  const mark = async () => {
    const { userUs, systemUs } = cpuTime(gateway.pid);
    const [gatewayUs, natsUs, machineUs] = [userUs + systemUs, fleet.cpuUs(), machineCpuUs()];
    const own = process.cpuUsage();
    const atMs = performance.now();
    const { cpuUs } = await load.ask({ kind: "take" }, "taken");
    const foreignUs = machineUs - gatewayUs - natsUs - cpuUs - own.user - own.system;
    return { atMs, gatewayUs, natsUs, foreignUs };
  };
  const begin = await mark();
  await sleep(windowS * 1000);
  const end = await mark();
  await published;
  await load.ask({ kind: "settle", number: Math.floor(count / roomCount) }, "settled");
  const { tally } = await load.ask({ kind: "take" }, "taken");
  const windowUs = (end.atMs - begin.atMs) * 1000;
  const { deliveredCount, lostCount, repeatedCount } = tally;
  const problems = tally.reasons.map((reason) => `${variant} tails: ${reason}`);
  if (deliveredCount !== count || lostCount + repeatedCount > 0)
    problems.push(`${variant} tails: ${deliveredCount} of ${count} messages came`);
  return {
    variant,
    gatewayShare: (end.gatewayUs - begin.gatewayUs) / windowUs,
    natsShare: (end.natsUs - begin.natsUs) / windowUs,
    foreignShare: (end.foreignUs - begin.foreignUs) / windowUs,
    publishedCount: count,
    deliveredCount,
    markerCount: null,
    problems,
  };
}

/** Both variants are what they claim to be. */
function judged(figures: TailsFigures): TailsFigures {
  const { variant, markerCount } = figures;
  const isRight = variant === "with" ? (markerCount ?? 0) > 0 : markerCount === 0;
  if (isRight) return figures;
  const problem = `${variant} tails, but ${markerCount} markers were seen`;
  return { ...figures, problems: [...figures.problems, problem] };
}
