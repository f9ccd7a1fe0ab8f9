/**
 * `gates`: how long a changed version gate that concerns every open connection takes until the last
 * one has heard of it, and the longest pause of the gateway's loop meanwhile.
 */
import { gateKey, gateName } from "../proto/gates/names.ts";
import { GateAction, VersionGate } from "../proto/gen/tidegate/control/v1/version_gate.ts";
import { type Change, measureChanges, type Planned, worstOf } from "./live-change.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import type { BenchReport } from "./report.ts";

/** Open connections, all concerned by each change. */
const CONNECTION_COUNT = 10_000;
const TINY_CONNECTION_COUNT = 40;
/** Changes of one round: warnings, and one that lets everybody read only. */
const CHANGE_COUNT = 10;
const TINY_CHANGE_COUNT = 2;
const RUNS_DEFAULT = 3;
const GATE = "bench";

/** Runs the bench; targets: bench/targets.json. */
export async function benchGates(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const { isTiny } = options;
  const count = isTiny ? TINY_CONNECTION_COUNT : CONNECTION_COUNT;
  const rounds = options.runs || (isTiny ? 1 : RUNS_DEFAULT);
  const changeCount = isTiny ? TINY_CHANGE_COUNT : CHANGE_COUNT;
  const planned = Array.from({ length: changeCount }, (_, i) => plan(i, i === changeCount - 1));
  const runs: Change[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (!isTiny && !options.isNoisy) await awaitQuiet(progress);
    const changes = await measureChanges(count, isTiny, planned);
    const worst = Math.max(...changes.map(({ turnMs }) => turnMs));
    progress(`round ${round + 1}/${rounds}: longest turn ${worst.toFixed(1)} ms`);
    runs.push(changes);
  }
  const { last, pause, turn } = worstOf(runs);
  return {
    bench: "gates",
    measures: {
      [`gates/live-${count}/last-ms`]: last,
      [`gates/live-${count}/pause-ms`]: pause,
      [`gates/live-${count}/turn-cpu-ms`]: turn,
    },
    runs,
    rows: [
      { what: `a change to ${count} clients, the last one, ms`, median: last.median },
      { what: "longest pause of the loop meanwhile, ms", median: pause.median },
      { what: "most CPU time of one turn meanwhile, ms", median: turn.median },
    ],
    hash: (runs.length * changeCount).toString(16),
    problems: [],
    notes: [
      "Each figure is that of the worst change of its round.",
      "A pause that is longer than the turn's CPU time waited for a core, which others had.",
    ],
  };
}

/** A gate that every client is told of: its build is none of those that are wanted. */
function plan(number: number, isLast: boolean): Planned {
  const message = `please update, ${number}`;
  const record = {
    ...VersionGate.decode(new Uint8Array(0)),
    ...{ name: gateName(GATE), required: ">=99.0.0", message },
    action: isLast ? GateAction.READ_ONLY : GateAction.WARN,
  };
  return { key: gateKey(GATE), value: VersionGate.encode(record).finish(), heard: message };
}
