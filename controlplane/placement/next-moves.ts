/**
 * Which moves of a plan may begin now: how many at once, how many a second, paused or aborted.
 *
 * Pure. The mover calls it whenever a move ends, the operator speaks, or the stated time has come;
 * it keeps no state, so a new leader goes on from the records of moves alone.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { SlotMove } from "./placement.ts";

/** What the operator wants of a plan; `running` again resumes. */
export const PlanState = { running: "running", paused: "paused", aborted: "aborted" } as const;
export type PlanState = (typeof PlanState)[keyof typeof PlanState];

/** A plan being carried out. */
export interface MovingPlan {
  readonly state: PlanState;
  /** In the order of the plan. */
  readonly moves: readonly SlotMove[];
}

/** How a move that was begun stands; `startedMs` is when it last began. */
export type MoveProgress =
  | { readonly kind: "moving"; readonly startedMs: number }
  | { readonly kind: "moved"; readonly startedMs: number }
  /** Undone (R10); it is begun again at `retryAtMs` or later. */
  | { readonly kind: "undone"; readonly startedMs: number; readonly retryAtMs: number };

/** How fast slots may move. */
export interface PaceLimits {
  /** Moves at once, 1 to 64. At the limit the next one waits for the end of one. */
  readonly movingCountMax: number;
  /** Moves at once that give to or take from one shard, 1 to 8. */
  readonly shardMovingCountMax: number;
  /** Moves begun a second, 0.01 to 1000. At the limit the next one waits. */
  readonly startsPerSecondMax: number;
}

/** Defaults of {@link PaceLimits}; the comments say why. */
export const PACE_DEFAULTS: PaceLimits = {
  movingCountMax: 4, // holds the publishes of 4 of 1024 slots for milliseconds
  shardMovingCountMax: 1, // a move locks both shards: an update replaces a whole list (R11)
  startsPerSecondMax: 10, // 1024 slots in two minutes
};

const bounds = {
  movingCountMax: [1, 64],
  shardMovingCountMax: [1, 8],
  startsPerSecondMax: [0.01, 1000],
} as const;

/** What to do now. */
export type PaceDecision =
  /** Begin these, then ask again. */
  | { readonly kind: "start"; readonly moves: readonly SlotMove[] }
  /** Ask again when a move ends, the state changes, or at `untilMs`; null: no time is set. */
  | { readonly kind: "wait"; readonly untilMs: number | null }
  /** Nothing moves any more; `leftCount` moves were not made, 0 unless it was aborted. */
  | { readonly kind: "ended"; readonly leftCount: number };

/**
 * Fills in defaults and checks.
 *
 * @throws {CodedError} `OPTION_INVALID` with name, value and bound.
 */
export function validatePaceLimits(partial: Partial<PaceLimits>): PaceLimits {
  const limits = { ...PACE_DEFAULTS, ...partial };
  for (const [name, [min, max]] of Object.entries(bounds)) {
    const value = limits[name as keyof PaceLimits];
    const isWhole = name === "startsPerSecondMax" || Number.isInteger(value);
    if (isWhole && value >= min && value <= max) continue;
    const kind = name === "startsPerSecondMax" ? "number" : "whole number";
    const detail = `${name} is ${String(value)}, not a ${kind} from ${min} to ${max}`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  return limits;
}

/**
 * Decides which moves begin now, in the plan's order; one whose shard is busy lets later ones pass.
 *
 * Paused and aborted plans begin nothing; what is moving ends by itself, as a move can not be
 * stopped everywhere (R10).
 *
 * @param inProgress moves that were begun, by slot.
 * @param nowMs of a clock that does not jump, the same as that of `startedMs`.
 */
export function nextMoves(
  plan: MovingPlan,
  inProgress: ReadonlyMap<number, MoveProgress>,
  limits: PaceLimits,
  nowMs: number,
): PaceDecision {
  const moving = plan.moves.filter(({ slot }) => inProgress.get(slot)?.kind === "moving");
  const left = plan.moves.filter(({ slot }) => {
    const kind = inProgress.get(slot)?.kind;
    return kind === undefined || kind === "undone";
  });
  const mayStart = plan.state === PlanState.running;
  const isOver = left.length === 0 || plan.state === PlanState.aborted;
  if (isOver && moving.length === 0) return { kind: "ended", leftCount: left.length };
  if (isOver || !mayStart) return { kind: "wait", untilMs: null };
  const pace = startPace(inProgress, limits, nowMs);
  const countMax = Math.min(limits.movingCountMax - moving.length, pace.startCountMax);
  const { moves, retryAtMs } = choose(left, moving, { inProgress, limits, pace, countMax, nowMs });
  if (moves.length > 0) return { kind: "start", moves };
  if (moving.length >= limits.movingCountMax) return { kind: "wait", untilMs: null };
  if (pace.startCountMax <= 0) return { kind: "wait", untilMs: pace.nextMs };
  return { kind: "wait", untilMs: retryAtMs };
}

interface StartPace {
  /** How long a start counts, ms. */
  readonly windowMs: number;
  /** Starts that are free now; 0 or less: none. */
  readonly startCountMax: number;
  /** When the next one is free, if none is now. */
  readonly nextMs: number;
}

/** A sliding window of a second, or longer if not even one start a second is allowed. */
function startPace(
  inProgress: ReadonlyMap<number, MoveProgress>,
  { startsPerSecondMax }: PaceLimits,
  nowMs: number,
): StartPace {
  const countMax = Math.max(1, Math.floor(startsPerSecondMax));
  const windowMs = (countMax / startsPerSecondMax) * 1000;
  const recent = [...inProgress.values()]
    .map(({ startedMs }) => startedMs)
    .filter((startedMs) => startedMs + windowMs > nowMs)
    .sort((a, b) => a - b);
  const startCountMax = countMax - recent.length;
  const nextMs = (recent[-startCountMax] ?? nowMs) + windowMs;
  return { windowMs, startCountMax, nextMs };
}

interface Choice {
  readonly inProgress: ReadonlyMap<number, MoveProgress>;
  readonly limits: PaceLimits;
  readonly pace: StartPace;
  readonly countMax: number;
  readonly nowMs: number;
}

function choose(
  left: readonly SlotMove[],
  moving: readonly SlotMove[],
  { inProgress, limits, pace, countMax, nowMs }: Choice,
): { readonly moves: readonly SlotMove[]; readonly retryAtMs: number | null } {
  const busy = new Map<number, number>();
  const occupy = ({ from, to }: SlotMove): void => {
    for (const shard of [from, to]) busy.set(shard, (busy.get(shard) ?? 0) + 1);
  };
  const isFree = (shard: number): boolean => (busy.get(shard) ?? 0) < limits.shardMovingCountMax;
  for (const move of moving) occupy(move);
  const moves: SlotMove[] = [];
  let retryAtMs: number | null = null;
  for (const move of left) {
    if (moves.length >= countMax) break;
    const progress = inProgress.get(move.slot);
    if (progress?.kind === "undone") {
      // A start that still counts must stay known, so its slot does not begin again before.
      const atMs = Math.max(progress.retryAtMs, progress.startedMs + pace.windowMs);
      if (atMs > nowMs) {
        retryAtMs = Math.min(retryAtMs ?? atMs, atMs);
        continue;
      }
    }
    if (!isFree(move.from) || !isFree(move.to)) continue;
    occupy(move);
    moves.push(move);
  }
  return { moves, retryAtMs };
}
