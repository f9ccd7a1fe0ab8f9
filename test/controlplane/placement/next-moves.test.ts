/** The pace of moves: how many at once, how many a second, one a shard; pause, resume, abort. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type MoveProgress,
  nextMoves,
  PACE_DEFAULTS,
  type PaceLimits,
  PlanState,
  validatePaceLimits,
} from "../../../controlplane/placement/next-moves.ts";
import { MoveReason, type SlotMove } from "../../../controlplane/placement/placement.ts";

const limits: PaceLimits = { movingCountMax: 2, shardMovingCountMax: 1, startsPerSecondMax: 3 };
/** Moves "slot from→to" between shards that have nothing to do with each other. */
const apart = movesOf([
  [0, 1],
  [2, 3],
  [4, 5],
  [6, 7],
  [8, 9],
]);
const running = { state: PlanState.running, moves: apart };
const none: ReadonlyMap<number, MoveProgress> = new Map();
const moving = (startedMs: number): MoveProgress => ({ kind: "moving", startedMs });
const moved = (startedMs: number): MoveProgress => ({ kind: "moved", startedMs });

describe("nextMoves", () => {
  test("begins as many as may move at once, in the plan's order", () => {
    expect(nextMoves(running, none, limits, 0)).toEqual({
      kind: "start",
      moves: apart.slice(0, 2),
    });
  });

  test("waits for the end of one when as many are moving as may", () => {
    const progress = new Map([0, 1].map((slot) => [slot, moving(0)]));
    expect(nextMoves(running, progress, limits, 5)).toEqual({ kind: "wait", untilMs: null });
  });

  test("begins no more in a second than may begin, and says when the next one may", () => {
    const progress = new Map([100, 200, 300].map((startedMs, slot) => [slot, moved(startedMs)]));
    expect(nextMoves(running, progress, limits, 400)).toEqual({ kind: "wait", untilMs: 1100 });
    expect(nextMoves(running, progress, limits, 1099)).toEqual({ kind: "wait", untilMs: 1100 });
    const next = { kind: "start", moves: [apart[3]] };
    expect(nextMoves(running, progress, limits, 1100)).toEqual(next);
  });

  test("a rate below one a second is kept too", () => {
    const slow = { ...limits, startsPerSecondMax: 0.1 };
    expect(nextMoves(running, none, slow, 0)).toEqual({ kind: "start", moves: [apart[0]] });
    const progress = new Map([[0, moved(0)]]);
    expect(nextMoves(running, progress, slow, 9999)).toEqual({ kind: "wait", untilMs: 10_000 });
  });

  test("one move at once for each shard: a later one whose shards are free passes", () => {
    const moves = movesOf([
      [0, 1],
      [0, 2],
      [3, 1],
      [3, 2],
    ]);
    const plan = { state: PlanState.running, moves };
    expect(nextMoves(plan, none, limits, 0)).toEqual({
      kind: "start",
      moves: [moves[0], moves[3]],
    });
  });

  test("an undone move is begun again at its time, and others pass it", () => {
    const moves = apart.slice(0, 2);
    const plan = { state: PlanState.running, moves };
    const undone: MoveProgress = { kind: "undone", startedMs: 0, retryAtMs: 5000 };
    const progress = new Map<number, MoveProgress>([[0, undone]]);
    expect(nextMoves(plan, progress, limits, 10)).toEqual({ kind: "start", moves: [moves[1]] });
    progress.set(1, moved(10));
    expect(nextMoves(plan, progress, limits, 20)).toEqual({ kind: "wait", untilMs: 5000 });
    expect(nextMoves(plan, progress, limits, 5000)).toEqual({ kind: "start", moves: [moves[0]] });
  });

  test("an undone move does not begin again while its start counts for the rate", () => {
    const undone: MoveProgress = { kind: "undone", startedMs: 0, retryAtMs: 50 };
    const plan = { state: PlanState.running, moves: apart.slice(0, 1) };
    const progress = new Map([[0, undone]]);
    expect(nextMoves(plan, progress, limits, 60)).toEqual({ kind: "wait", untilMs: 1000 });
  });

  test("paused: begins nothing, lets what is moving end; resumed: goes on", () => {
    const paused = { ...running, state: PlanState.paused };
    const progress = new Map([[0, moving(0)]]);
    expect(nextMoves(paused, progress, limits, 2000)).toEqual({ kind: "wait", untilMs: null });
    expect(nextMoves(paused, none, limits, 2000)).toEqual({ kind: "wait", untilMs: null });
    expect(nextMoves(running, progress, limits, 2000)).toEqual({
      kind: "start",
      moves: [apart[1]],
    });
  });

  test("aborted: ends when what is moving has ended, and says how many were left", () => {
    const aborted = { ...running, state: PlanState.aborted };
    const progress = new Map([
      [0, moved(0)],
      [1, moving(0)],
    ]);
    expect(nextMoves(aborted, progress, limits, 10)).toEqual({ kind: "wait", untilMs: null });
    progress.set(1, moved(0));
    expect(nextMoves(aborted, progress, limits, 20)).toEqual({ kind: "ended", leftCount: 3 });
  });

  test("ends when all are moved, also while paused; a plan without moves has ended", () => {
    const all = new Map(apart.map(({ slot }) => [slot, moved(0)]));
    for (const state of [PlanState.running, PlanState.paused]) {
      const ended = { kind: "ended", leftCount: 0 };
      expect(nextMoves({ state, moves: apart }, all, limits, 0)).toEqual(ended);
      expect(nextMoves({ state, moves: [] }, none, limits, 0)).toEqual(ended);
    }
  });

  test("keeps every limit and comes to its end, whatever fails and however long moves take", () => {
    const shard = fc.integer({ min: 0, max: 5 });
    const pair = fc.tuple(shard, shard).filter(([a, b]) => a !== b);
    const anyLimits = fc.record({
      movingCountMax: fc.integer({ min: 1, max: 5 }),
      shardMovingCountMax: fc.integer({ min: 1, max: 2 }),
      startsPerSecondMax: fc.constantFrom(0.5, 1, 2.5, 10),
    });
    const outcome = fc.record({ takesMs: fc.integer({ min: 1, max: 3000 }), fails: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(pair, { maxLength: 15 }),
        anyLimits,
        fc.array(outcome, { minLength: 1, maxLength: 20 }),
        (pairs, chosen, outcomes) => {
          const { startsMs, movingCounts, shardCounts } = simulate(
            movesOf(pairs),
            chosen,
            outcomes,
          );
          expect(Math.max(0, ...movingCounts)).toBeLessThanOrEqual(chosen.movingCountMax);
          expect(Math.max(0, ...shardCounts)).toBeLessThanOrEqual(chosen.shardMovingCountMax);
          const countMax = Math.max(1, Math.floor(chosen.startsPerSecondMax));
          const windowMs = (countMax / chosen.startsPerSecondMax) * 1000;
          const gapsMs = startsMs.slice(countMax).map((laterMs, i) => laterMs - (startsMs[i] ?? 0));
          expect(gapsMs.filter((gapMs) => gapMs < windowMs)).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("validatePaceLimits", () => {
  test("fills in defaults", () => {
    expect(validatePaceLimits({})).toEqual(PACE_DEFAULTS);
    expect(PACE_DEFAULTS).toEqual({
      movingCountMax: 4,
      shardMovingCountMax: 1,
      startsPerSecondMax: 10,
    });
  });

  test.each([
    [{ movingCountMax: 0 }, "movingCountMax is 0, not a whole number from 1 to 64"],
    [{ movingCountMax: 1.5 }, "movingCountMax is 1.5, not a whole number from 1 to 64"],
    [{ shardMovingCountMax: 9 }, "shardMovingCountMax is 9, not a whole number from 1 to 8"],
    [{ startsPerSecondMax: 0 }, "startsPerSecondMax is 0, not a number from 0.01 to 1000"],
    [
      { startsPerSecondMax: Number.NaN },
      "startsPerSecondMax is NaN, not a number from 0.01 to 1000",
    ],
  ])("refuses %o", (partial, text) => {
    expect(() => validatePaceLimits(partial)).toThrow(`[OPTION_INVALID] ${text}`);
  });
});

function movesOf(pairs: readonly (readonly [number, number])[]): SlotMove[] {
  return pairs.map(([from, to], slot) => ({ slot, from, to, reason: MoveReason.balance }));
}

/** Decisions of one run: some for each start and each end of 15 moves with their retries. */
const turnsMax = 2000;

/** Carries a plan out on a simulated clock; each start takes the next outcome, over and over. */
function simulate(
  moves: readonly SlotMove[],
  chosen: PaceLimits,
  outcomes: readonly { readonly takesMs: number; readonly fails: boolean }[],
) {
  const progress = new Map<number, MoveProgress>();
  const ends = new Map<number, { readonly atMs: number; readonly fails: boolean }>();
  const [startsMs, movingCounts, shardCounts]: [number[], number[], number[]] = [[], [], []];
  const plan = { state: PlanState.running, moves };
  for (let nowMs = 0, turn = 0; turn < turnsMax; turn += 1) {
    const decision = nextMoves(plan, progress, chosen, nowMs);
    if (decision.kind === "ended") return { startsMs, movingCounts, shardCounts };
    if (decision.kind === "start") {
      for (const { slot } of decision.moves) {
        const { takesMs, fails } = outcomes[startsMs.length % outcomes.length] ??
          outcomes[0] ?? {
            takesMs: 1,
            fails: false,
          };
        // Every third start of the run succeeds, so that it ends.
        ends.set(slot, { atMs: nowMs + takesMs, fails: fails && startsMs.length % 3 !== 0 });
        progress.set(slot, { kind: "moving", startedMs: nowMs });
        startsMs.push(nowMs);
      }
      movingCounts.push(ends.size);
      const busy = moves.filter(({ slot }) => ends.has(slot)).flatMap(({ from, to }) => [from, to]);
      shardCounts.push(...busy.map((id) => busy.filter((other) => other === id).length));
      continue;
    }
    const times = [...ends.values()].map(({ atMs }) => atMs);
    nowMs = Math.min(decision.untilMs ?? Number.POSITIVE_INFINITY, ...times);
    for (const [slot, { atMs, fails }] of ends) {
      if (atMs > nowMs) continue;
      ends.delete(slot);
      const startedMs = progress.get(slot)?.startedMs ?? 0;
      const undone: MoveProgress = { kind: "undone", startedMs, retryAtMs: nowMs + 100 };
      progress.set(slot, fails ? undone : { kind: "moved", startedMs });
    }
  }
  throw new Error(`no end after ${turnsMax} decisions`);
}
