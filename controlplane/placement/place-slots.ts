/**
 * Which shard shall own each slot of a placement group, and the moves that lead there.
 *
 * Pure. Plain hashing would be shorter, but slots differ a thousandfold in traffic, and a new count
 * of shards would move nearly all of them. So: who may stay, stays; what must go, goes heaviest
 * first to the lowest shard; and balance is touched only outside its bounds, but then brought well
 * inside, so that loads that swing a little do not move slots to and fro.
 */
import { findRefusal } from "./find-refusal.ts";
import {
  MoveReason,
  type PlacementGroup,
  type PlacementPlan,
  type PlacementRefusal,
  ShardState,
} from "./placement.ts";
import type { ShardLoad } from "./shard-load.ts";
import { WorkingPlan } from "./working-plan.ts";

/**
 * Balance is touched when the lowest shard's level is below this much of the highest one that can
 * give: 0.75 beside 1.25. As long as all are within 25 % of their fair shares, nothing moves.
 */
export const UNEVEN_RATIO = 0.75 / 1.25;
/** Once touched, it is brought to this: 0.9 beside 1.1. */
export const EVEN_RATIO = 0.9 / 1.1;
/**
 * For balance a plan moves at most this much of the share that is misplaced, in slots: one shard
 * added to n equal ones moves at most 1.2 / (n + 1) of them. Without it, where few slots have most
 * of the load, all the others would be moved for little. Only the bound itself is worth more moves.
 */
export const MOVED_SHARE_MAX = 1.2;

/** Of what would make two shards even, a slot may weigh this much: it may turn them a little. */
const overshootRatio = 4 / 3;
/** The taker ends below where the giver was, or the worst would not get better. */
const improvementRatio = 0.999;

/**
 * Decides the owner of every slot of one group.
 *
 * @param group its shards, slots and rules, from one snapshot, in any order. Programmer's errors
 *   (a slot twice, a capacity of 0) are asserted.
 * @returns a plan after which no open shard is above 1.25 × its fair share + its heaviest slot,
 *   save by pins alone; or why there is none, with what to do.
 */
export function placeSlots(group: PlacementGroup): PlacementPlan | PlacementRefusal {
  const refusal = findRefusal(group);
  if (refusal !== null) return refusal;
  const plan = new WorkingPlan(group);
  for (const slot of plan.strayed) {
    plan.move(slot, plan.shard(slot.slot.pin ?? slot.slot.owner), MoveReason.pin);
  }
  const movesBefore = plan.moveCount;
  const movesMax = Math.floor(MOVED_SHARE_MAX * plan.missingShare * plan.slotCount);
  relieve(plan);
  for (const slot of plan.leaving) {
    const to = plan.takers.lowest;
    if (to !== undefined) plan.move(slot, to, slot.reason);
  }
  // What leaves fills the lowest shards anyway; once it is gone, a plan sees what is still uneven.
  const isLeaving = group.shards.some(({ state }) => state === ShardState.draining);
  if (!isLeaving && plan.leaving.length === 0) balance(plan, movesBefore, movesMax);
  return plan.finish();
}

/** Brings every shard down to the bound, the highest first. Some shard is always below average. */
function relieve(plan: WorkingPlan): void {
  const above = plan.rank(plan.open.filter((shard) => shard.isAboveBound));
  for (let from = above.highest; from !== undefined; from = above.highest) {
    above.take(from);
    if (moveOne(plan, from, MoveReason.relieve) && from.isAboveBound) above.put(from);
  }
}

/** Brings the lowest up from the highest, until they are even or no slot fits. */
function balance(plan: WorkingPlan, movesBefore: number, movesMax: number): void {
  const givers = plan.rank(plan.open);
  let ratio = plan.moveCount > movesBefore ? EVEN_RATIO : UNEVEN_RATIO;
  while (plan.moveCount - movesBefore < movesMax) {
    const [from, to] = [givers.highest, plan.takers.lowest];
    if (from === undefined || to === undefined || to.level >= ratio * from.level) return;
    givers.take(from);
    const isRanked = givers.take(to);
    if (moveOne(plan, from, MoveReason.balance)) {
      givers.put(from);
      ratio = EVEN_RATIO;
    }
    if (isRanked) givers.put(to);
  }
}

/**
 * Moves one slot to the lowest shard: the heaviest that makes the two more even. To relieve, any
 * will do if none does: it goes to a shard below average, which so stays within the bound.
 *
 * @returns false when no slot may go.
 */
function moveOne(
  plan: WorkingPlan,
  from: ShardLoad,
  reason: typeof MoveReason.relieve | typeof MoveReason.balance,
): boolean {
  const to = plan.takers.lowest;
  if (to === undefined || to === from) return false;
  plan.takers.take(from);
  const fitting = from.takeHeaviest(fittingWeightMax(from, to));
  const slot = fitting ?? (reason === MoveReason.relieve ? from.takeLightest() : undefined);
  plan.takers.put(from);
  if (slot === undefined) return false;
  plan.move(slot, to, reason);
  return true;
}

/** The heaviest slot whose move from one to the other makes them more even. */
function fittingWeightMax(from: ShardLoad, to: ShardLoad): number {
  const evening = (from.level - to.level) / (1 / from.fairWeight + 1 / to.fairWeight);
  const improving = from.level * to.fairWeight - to.weight;
  return Math.min(overshootRatio * evening, improvementRatio * improving);
}
