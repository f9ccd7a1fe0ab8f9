/**
 * `fanout`: bare uWebSockets.js and Tidegate side by side, in turns, on the same shapes; and
 * Tidegate with every rate set, without telemetry, and with 1 % and all of its messages traced.
 * `nats-fanout`: the same, and in both the messages take the way through a nats-server.
 *
 * Each round runs every shape on both, and the order within a pair changes from round to round, so
 * that a slow drift of the machine hits both. Ratios are taken within a round, then their median.
 */
import { type FanoutFigures, runFanout } from "./fanout-run.ts";
import {
  type FanoutShape,
  type FanoutTiming,
  NATS_SHAPES,
  SHAPES,
  TINY_NATS_SHAPES,
  TINY_SHAPES,
} from "./fanout-shapes.ts";
import { FANOUT_SYSTEMS, NATS_SYSTEMS, type System } from "./load/protocol.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet, FOREIGN_MAX } from "./quiet.ts";
import { type BenchReport, type Row, type Spread, spreadOf } from "./report.ts";

/** Rounds unless --runs says otherwise. */
const RUNS_DEFAULT = 3;
/** Before the window: time to compile the hot paths, then to become steady at the full rate. */
const WARM_MS = 1500;
const LEAD_MS = 700;
/** Share of its core from which on a process counts as fully busy. */
const BUSY_SHARE = 0.95;
/** Tries of a run; then the least disturbed one counts, and a note says so. */
const ATTEMPTS_MAX = 4;
const TINY_TIMING: FanoutTiming = { warmMs: 50, leadMs: 20, windowMs: 100 };

/** What else is compared of CPU for a delivery: name, system and yardstick. */
const cpuRatios: readonly (readonly [string, System, System])[] = [
  ["limits", "tidegate-limits", "tidegate"],
  ["telemetry", "tidegate", "tidegate-telemetry-absent"],
  ["traced-1", "tidegate-traced-1", "tidegate-telemetry-absent"],
  ["traced-100", "tidegate-traced-100", "tidegate-telemetry-absent"],
];

/** What is compared: the yardstick first. */
interface Comparison {
  /** Name of the bench, first part of its measures. */
  readonly bench: string;
  readonly systems: readonly [System, System, ...System[]];
  readonly shapes: readonly FanoutShape[];
  /** As in runFanout. */
  readonly natsBinary: string | null;
}

/** Bare and embedded. Targets: bench/targets.json. */
export function benchFanout(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shapes = options.isTiny ? TINY_SHAPES : SHAPES;
  const comparison = { bench: "fanout", systems: FANOUT_SYSTEMS, shapes, natsBinary: null };
  return compare(comparison, options, progress);
}

/** The same through NATS, where the yardstick is bare uWebSockets.js and nats.js. */
export function benchNatsFanout(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shapes = options.isTiny ? TINY_NATS_SHAPES : NATS_SHAPES;
  const natsBinary = options.natsServer;
  const comparison = { bench: "nats-fanout", systems: NATS_SYSTEMS, shapes, natsBinary };
  return compare(comparison, options, progress);
}

async function compare(
  comparison: Comparison,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shapes = comparison.shapes.filter((shape) => shape.name.includes(options.only));
  const timing = options.isTiny
    ? TINY_TIMING
    : { warmMs: WARM_MS, leadMs: LEAD_MS, windowMs: options.seconds * 1000 };
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: FanoutFigures[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const systems = round % 2 === 0 ? comparison.systems : [...comparison.systems].reverse();
    const figures: FanoutFigures[] = [];
    for (const shape of shapes) {
      for (const system of systems) {
        if (isLeftOut(system, shape, options.isTiny)) continue;
        const say = (line: string): void => progress(`round ${round + 1}/${rounds} ${line}`);
        const { natsBinary } = comparison;
        figures.push(await runUndisturbed(system, shape, timing, options, natsBinary, say));
      }
    }
    runs.push(figures);
  }
  return report(comparison, runs);
}

/** What storing would hide; and small runs are about the way of a message, once for each system. */
function isLeftOut(system: System, { durablePerS, roomCount }: FanoutShape, isTiny: boolean) {
  if (["bare", "bare-nats", "tidegate"].includes(system)) return false;
  return durablePerS > 0 || (isTiny && roomCount > 1);
}

/** Runs until no other process took a notable part of the machine, or patience ends. */
async function runUndisturbed(
  system: System,
  shape: FanoutShape,
  timing: FanoutTiming,
  options: BenchOptions,
  natsBinary: string | null,
  say: (line: string) => void,
): Promise<FanoutFigures> {
  const flags = profileFlags(options.profileDir, system);
  const isPatient = !options.isTiny && !options.isNoisy;
  let best: FanoutFigures | null = null;
  for (let attempt = 1; ; attempt += 1) {
    if (isPatient) await awaitQuiet(say);
    const run = await runFanout(system, shape, timing, flags, natsBinary);
    say(progressOf(run));
    if (best === null || run.foreignShare < best.foreignShare) best = run;
    if (!isPatient || best.foreignShare <= FOREIGN_MAX || attempt === ATTEMPTS_MAX) return best;
  }
}

function progressOf(run: FanoutFigures): string {
  const cpu = `${run.cpuPerDeliveryUs.toFixed(2)} us/delivery`;
  const latency = `p50 ${Math.round(run.p50Us)} us, p99 ${Math.round(run.p99Us)} us`;
  const others = `others ${Math.round(run.foreignShare * 100)} % of a core`;
  return `${run.shape} ${run.system}: ${cpu}, ${latency}, ${others}`;
}

function profileFlags(dir: string, system: System): readonly string[] {
  return dir === "" || system !== "tidegate" ? [] : ["--cpu-prof", `--cpu-prof-dir=${dir}`];
}

function report(
  { bench, systems }: Comparison,
  runs: readonly (readonly FanoutFigures[])[],
): BenchReport {
  const flat = runs.flat();
  const shapes = [...new Set(flat.map((run) => run.shape))];
  const measures: Record<string, Spread> = {};
  for (const shape of shapes) {
    const ratiosOf = (figure: (run: FanoutFigures) => number): Spread =>
      ratios(runs, "tidegate", systems[0], shape, figure);
    measures[`${bench}/${shape}/cpu-ratio`] = ratiosOf((run) => run.cpuPerDeliveryUs);
    measures[`${bench}/${shape}/p99-ratio`] = ratiosOf((run) => run.p99Us);
    for (const [name, system, yardstick] of cpuRatios) {
      const isThere = (each: System) =>
        flat.some((run) => run.shape === shape && run.system === each);
      if (!isThere(system) || !isThere(yardstick)) continue;
      const cpu = (run: FanoutFigures) => run.cpuPerDeliveryUs;
      const ratio = ratios(runs, system, yardstick, shape, cpu);
      measures[`${bench}/${shape}/${name}-cpu-ratio`] = ratio;
    }
  }
  const hash = flat.reduce((sum, run) => (sum + run.hash) >>> 0, 0);
  return {
    bench,
    measures,
    runs,
    rows: shapes.flatMap((shape) => systems.flatMap((system) => rowsOf(flat, shape, system))),
    hash: hash.toString(16),
    problems: flat.flatMap((run) => run.problems),
    notes: [...saturationNotes(flat), ...noiseNotes(flat)],
  };
}

/**
 * A system divided by its yardstick, one ratio a round; rounds in which either was disturbed count
 * only when there are no others.
 */
function ratios(
  runs: readonly (readonly FanoutFigures[])[],
  system: System,
  yardstick: System,
  shape: string,
  figure: (run: FanoutFigures) => number,
): Spread {
  const pairs = runs.map((round) => {
    const own = round.filter(
      (run) => run.shape === shape && [system, yardstick].includes(run.system),
    );
    const of = (each: System): number =>
      own.filter((run) => run.system === each).map(figure)[0] ?? 0;
    const isQuiet = own.every((run) => run.foreignShare <= FOREIGN_MAX);
    return { ratio: of(system) / of(yardstick), isQuiet };
  });
  const quiet = pairs.filter((pair) => pair.isQuiet);
  return spreadOf((quiet.length > 0 ? quiet : pairs).map((pair) => pair.ratio));
}

/** None for a system that was left out. */
function rowsOf(flat: readonly FanoutFigures[], shape: string, system: System): Row[] {
  const isThere = flat.some((run) => run.shape === shape && run.system === system);
  return isThere ? [rowOf(flat, shape, system)] : [];
}

function rowOf(flat: readonly FanoutFigures[], shape: string, system: System): Row {
  const own = flat.filter((run) => run.shape === shape && run.system === system);
  const median = (figure: (run: FanoutFigures) => number): number =>
    spreadOf(own.map(figure)).median;
  return {
    shape,
    system,
    "deliveries/s": median((run) => run.deliveriesPerS),
    "cpu us/delivery": median((run) => run.cpuPerDeliveryUs),
    "p50 ms": median((run) => run.p50Us / 1000),
    "p99 ms": median((run) => run.p99Us / 1000),
    "max ms": median((run) => run.maxUs / 1000),
    "server core %": median((run) => run.serverShare * 100),
    "nats core %": median((run) => run.natsShare * 100),
    "load core %": median((run) => run.generatorShare * 100),
    "send lag p99 ms": median((run) => run.sendLagP99Us / 1000),
    "rss kB/conn": median((run) => run.residentBytesPerConnection / 1024),
    "durable/s": median((run) => run.durableAckedPerS),
    "others %": median((run) => run.foreignShare * 100),
    lost: own.reduce((sum, run) => sum + run.expectedCount - run.deliveredCount, 0),
  };
}

/** Where an end of the wire is busy, latency is a queue: it says less than the CPU figure. */
function saturationNotes(flat: readonly FanoutFigures[]): readonly string[] {
  const namesOf = (share: (run: FanoutFigures) => number): string => {
    const busy = flat.filter((run) => share(run) > BUSY_SHARE);
    return [...new Set(busy.map((run) => `${run.system} ${run.shape}`))].join(", ");
  };
  const servers = namesOf((run) => run.serverShare);
  const generators = namesOf((run) => run.generatorShare);
  const notes: string[] = [];
  if (servers !== "") notes.push(`the server used a whole core, latency is its queue: ${servers}`);
  if (generators !== "")
    notes.push(`the generator used a whole core, latency includes its queue: ${generators}`);
  return notes;
}

function noiseNotes(flat: readonly FanoutFigures[]): readonly string[] {
  const disturbed = flat.filter((run) => run.foreignShare > FOREIGN_MAX).length;
  if (disturbed === 0) return [];
  return [`${disturbed} of ${flat.length} runs were disturbed by other processes of this machine`];
}
