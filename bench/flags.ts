/**
 * `flags`: what 50 flags cost each Welcome, and how long a change that concerns every connection
 * takes until the last one has heard of it, and the longest pause of the gateway's loop meanwhile.
 */
import { flagSetKey } from "../proto/flags/flag-record.ts";
import { FlagSet } from "../proto/gen/tidegate/control/v1/flag_set.ts";
import { FLAG_COUNT, measureWelcome } from "./flag-welcome.ts";
import { type Change, measureChanges, type Planned, worstOf } from "./live-change.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, spreadOf } from "./report.ts";

/** Welcomes of one measurement. */
const WELCOME_COUNT = 5000;
const TINY_WELCOME_COUNT = 20;
/** Open connections, all concerned by each change. */
const CONNECTION_COUNT = 10_000;
const TINY_CONNECTION_COUNT = 40;
/** Changes of one round; the first one, which imports the library, is apart. */
const CHANGE_COUNT = 10;
const TINY_CHANGE_COUNT = 2;
const RUNS_DEFAULT = 3;
interface FlagFigures {
  readonly evaluateUs: number;
  readonly encodedUs: number;
  readonly trueCount: number;
  readonly connectionCount: number;
  /** Most CPU time of a turn with the first flags of the gateway, ms: it imports the library. */
  readonly firstTurnMs: number;
  readonly changes: readonly Change[];
}

/** Runs the bench; targets: bench/targets.json. */
export async function benchFlags(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: FlagFigures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
    const cost = await measureWelcome(options.isTiny ? TINY_WELCOME_COUNT : WELCOME_COUNT);
    const figures = { ...cost, ...(await measureLive(options.isTiny)) };
    runs.push(figures);
    const worst = Math.max(...figures.changes.map(({ turnMs }) => turnMs));
    const last = Math.max(...figures.changes.map(({ lastMs }) => lastMs));
    const shape = `${figures.evaluateUs.toFixed(0)} µs a Welcome`;
    const live = `last client ${last.toFixed(0)} ms, longest turn ${worst.toFixed(1)} ms`;
    progress(`round ${round + 1}/${rounds}: ${shape}; ${live} at worst`);
  }
  return report(runs);
}

async function measureLive(isTiny: boolean) {
  const count = isTiny ? TINY_CONNECTION_COUNT : CONNECTION_COUNT;
  const changeCount = isTiny ? TINY_CHANGE_COUNT : CHANGE_COUNT;
  const planned = Array.from({ length: changeCount + 1 }, (_, i) => plan(i));
  const [first, ...changes] = await measureChanges(count, isTiny, planned);
  return { connectionCount: count, firstTurnMs: first?.turnMs ?? 0, changes };
}

/** Gives the flag another value for everybody, by a rule that has to be evaluated for each. */
function plan(number: number): Planned {
  const rule = { if: [{ sem_ver: [{ var: "client.version" }, ">=", "0.1.0"] }, "new", "old"] };
  const flag = {
    ...{ state: "ENABLED", variants: { new: number, old: -1 }, defaultVariant: "old" },
    ...{ targeting: rule, metadata: { client: true } },
  };
  const record = {
    ...FlagSet.decode(new Uint8Array(0)),
    definition: JSON.stringify({ flags: { live: flag } }),
    flagVersions: [{ key: "live", version: BigInt(number + 1) }],
  };
  const value = FlagSet.encode(record).finish();
  return { key: flagSetKey("bench"), value, heard: String(number) };
}

function report(runs: readonly FlagFigures[]): BenchReport {
  const evaluate = spreadOf(runs.map(({ evaluateUs }) => evaluateUs));
  const encoded = spreadOf(runs.map(({ encodedUs }) => encodedUs));
  const { last, pause, turn } = worstOf(runs.map(({ changes }) => changes));
  const first = spreadOf(runs.map(({ firstTurnMs }) => firstTurnMs));
  const count = runs[0]?.connectionCount ?? 0;
  const trueCount = runs[0]?.trueCount ?? 0;
  return {
    bench: "flags",
    measures: {
      [`flags/welcome-${FLAG_COUNT}/evaluate-us`]: evaluate,
      [`flags/welcome-${FLAG_COUNT}/encoded-us`]: encoded,
      [`flags/live-${count}/last-ms`]: last,
      [`flags/live-${count}/pause-ms`]: pause,
      [`flags/live-${count}/turn-cpu-ms`]: turn,
      [`flags/live-${count}/first-turn-cpu-ms`]: first,
    },
    runs,
    rows: [
      { what: `a Welcome with ${FLAG_COUNT} flags, evaluated, CPU µs`, median: evaluate.median },
      { what: "the same, encoded too, CPU µs", median: encoded.median },
      { what: `a change to ${count} clients, the last one, ms`, median: last.median },
      { what: "longest pause of the loop meanwhile, ms", median: pause.median },
      { what: "most CPU time of one turn meanwhile, ms", median: turn.median },
      { what: "the same with the gateway's first flags, ms", median: first.median },
    ],
    hash: trueCount.toString(16),
    problems: [],
    notes: [
      "Each figure of changes is that of the worst one of its round.",
      "A pause that is longer than the turn's CPU time waited for a core, which others had.",
    ],
  };
}
