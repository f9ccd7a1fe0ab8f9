/**
 * `placement`: deciding where 4 096 slots lie over 64 shards, and pacing what was decided, alone in
 * this process. The control plane decides on its event loop, so the time is a pause of its answers.
 *
 * The pace runs on a simulated clock with moves of a fixed length: it says how long a plan takes.
 */
import {
  type MoveProgress,
  nextMoves,
  PACE_DEFAULTS,
  PlanState,
} from "../controlplane/placement/next-moves.ts";
import { placeSlots } from "../controlplane/placement/place-slots.ts";
import {
  type PlacementGroup,
  type PlacementPlan,
  ShardState,
} from "../controlplane/placement/placement.ts";
import type { BenchOptions } from "./options.ts";
import { type BenchReport, type Spread, shownSpread, spreadOf } from "./report.ts";

interface Shape {
  readonly name: string;
  /** Shards that hold slots at the start; the others are new. */
  readonly ownerCount: number;
  /** Shards that drain. */
  readonly drainingCount: number;
  /** Whether few slots have most of the load. */
  readonly isSteep: boolean;
}

interface PlacementFigures {
  readonly shape: string;
  readonly ms: number;
  readonly comparisonCount: number;
  readonly moveCount: number;
  readonly pacedSeconds: number;
}

const SLOTS = 4096;
const SHARDS = 64;
const TINY_SLOTS = 256;
const RUNS_DEFAULT = 15;
/** How long one move takes on the simulated clock, ms: of the order of a live one. */
const MOVE_MS = 100;
const SHAPES: readonly Shape[] = [
  { name: "even", ownerCount: SHARDS, drainingCount: 0, isSteep: false },
  { name: "add", ownerCount: SHARDS - 1, drainingCount: 0, isSteep: false },
  { name: "add-steep", ownerCount: SHARDS - 1, drainingCount: 0, isSteep: true },
  { name: "drain", ownerCount: SHARDS, drainingCount: 1, isSteep: true },
  { name: "drain-half", ownerCount: SHARDS, drainingCount: SHARDS / 2, isSteep: true },
  { name: "from-one", ownerCount: 1, drainingCount: 0, isSteep: false },
];

export function benchPlacement(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const shapes = SHAPES.filter(({ name }) => name.includes(options.only));
  const groups = new Map(shapes.map((shape) => [shape, buildGroup(shape, options.isTiny)]));
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: PlacementFigures[] = [];
  for (const [shape, group] of groups) measure(shape, group); // compiles it
  for (let round = 0; round < rounds; round += 1) {
    for (const [shape, group] of groups) runs.push(measure(shape, group));
    progress(`round ${round + 1}/${rounds} done`);
  }
  return Promise.resolve(report(shapes, runs));
}

function report(shapes: readonly Shape[], runs: readonly PlacementFigures[]): BenchReport {
  const measures: Record<string, Spread> = {};
  const rows = shapes.map(({ name }) => {
    const own = runs.filter((run) => run.shape === name);
    const time = spreadOf(own.map((run) => run.ms));
    measures[`placement/${name}/ms`] = time;
    const { comparisonCount = 0, moveCount = 0, pacedSeconds = 0 } = own[0] ?? {};
    return {
      shape: name,
      "ms (min to max)": shownSpread(time),
      comparisons: comparisonCount,
      moves: moveCount,
      "s at the default pace": pacedSeconds,
    };
  });
  const hash = runs.reduce((sum, run) => (sum + run.comparisonCount + run.moveCount) >>> 0, 0);
  const shown = { bench: "placement", measures, runs, rows, hash: hash.toString(16) };
  return { ...shown, problems: [], notes: [] };
}

function measure({ name }: Shape, group: PlacementGroup): PlacementFigures {
  const before = performance.now();
  const plan = placeSlots(group);
  const ms = performance.now() - before;
  if (plan.kind === "refused") throw new Error(`${name} is refused: ${plan.detail}`);
  const { comparisonCount, moves } = plan;
  const pacedSeconds = pace(plan) / 1000;
  return { shape: name, ms, comparisonCount, moveCount: moves.length, pacedSeconds };
}

/** Carries a plan out on a simulated clock. @returns its end, ms. */
function pace({ moves }: PlacementPlan): number {
  const inProgress = new Map<number, MoveProgress>();
  const endsMs = new Map<number, number>();
  const plan = { state: PlanState.running, moves };
  let nowMs = 0;
  for (;;) {
    const decision = nextMoves(plan, inProgress, PACE_DEFAULTS, nowMs);
    if (decision.kind === "ended") return nowMs;
    if (decision.kind === "start") {
      for (const { slot } of decision.moves) {
        inProgress.set(slot, { kind: "moving", startedMs: nowMs });
        endsMs.set(slot, nowMs + MOVE_MS);
      }
      continue;
    }
    nowMs = Math.min(decision.untilMs ?? Number.POSITIVE_INFINITY, ...endsMs.values());
    for (const [slot, endMs] of endsMs) {
      if (endMs > nowMs) continue;
      endsMs.delete(slot);
      inProgress.set(slot, { kind: "moved", startedMs: endMs - MOVE_MS });
    }
  }
}

function buildGroup(shape: Shape, isTiny: boolean): PlacementGroup {
  const shards = Array.from({ length: SHARDS }, (_, id) => {
    const state = id < shape.drainingCount ? ShardState.draining : ShardState.active;
    return { id, state, region: "", capacity: 1 };
  });
  const slots = Array.from({ length: isTiny ? TINY_SLOTS : SLOTS }, (_, slot) => {
    const rank = (slot * 2_654_435_761) % SLOTS;
    const load = shape.isSteep ? SLOTS / (1 + rank) : 1;
    return { slot, owner: slot % shape.ownerCount, load, pin: null };
  });
  return { shards, slots, regionRules: [] };
}
