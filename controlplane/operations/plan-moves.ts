/**
 * Which slots an operation moves, by placeSlots: all that leave a shard, or all that a group's
 * balance, pins and regions ask for.
 *
 * Pure. What other operations are going to move counts as moved, so that plans do not fight.
 */
import { groupOfSlot, SLOT_COUNT } from "../../bus/subjects.ts";
import { CodedError } from "../../proto/coded-error.ts";
import {
  type Operation,
  type SlotMove,
  SlotMoveReason,
  SlotMoveState,
} from "../../proto/gen/tidegate/control/v1/operation.ts";
import { parseShardName, parseSlotName, shardName, slotName } from "../fleet-names.ts";
import { InvalidFieldsError } from "../invalid-fields.ts";
import { placeSlots } from "../placement/place-slots.ts";
import { MoveReason, type PlacementPlan, ShardState } from "../placement/placement.ts";
import { isRegionAllowed } from "../placement/region-rules.ts";
import { placementError } from "./refuse-placement.ts";
import { type Assumptions, placementGroupOf, type Snapshot } from "./snapshot.ts";

const reasons = {
  [MoveReason.pin]: SlotMoveReason.PIN,
  [MoveReason.relieve]: SlotMoveReason.RELIEVE,
  [MoveReason.region]: SlotMoveReason.REGION,
  [MoveReason.drain]: SlotMoveReason.DRAIN,
  [MoveReason.balance]: SlotMoveReason.BALANCE,
} as const;

/**
 * The moves that drain a shard: exactly its slots.
 *
 * @param others operations that have not ended, this one left out.
 * @throws {CodedError} a refusal of placement: nothing may be moved.
 */
export function planDrain(
  snapshot: Snapshot,
  shard: number,
  others: readonly Operation[],
): SlotMove[] {
  const group = snapshot.shards.get(shard)?.group ?? 0;
  const states = new Map([[shard, ShardState.draining], ...listDraining(others)]);
  const plan = place(snapshot, group, { states, owners: ownersAfter(others) });
  return movesOf(plan, group).filter(({ fromShard }) => fromShard === shardName(group, shard));
}

/** The moves that spread a group anew. Arguments and errors as in {@link planDrain}. */
export function planRebalance(
  snapshot: Snapshot,
  group: number,
  others: readonly Operation[],
): SlotMove[] {
  const states = new Map(listDraining(others));
  const plan = place(snapshot, group, { states, owners: ownersAfter(others) });
  const isLeaving = (move: SlotMove) => move.reason === SlotMoveReason.DRAIN;
  // What a drain is going to move is the drain's.
  return movesOf(plan, group).filter((move) => {
    return !isLeaving(move) || !states.has(parseShardName(move.fromShard, "").shard);
  });
}

/**
 * The one move of a slot to a shard; none when it is there.
 *
 * @param name of the shard as the caller gave it, whose group may be another than the slot's.
 * @throws {CodedError} `NOT_FOUND`, `REQUEST_INVALID` (a shard of another group),
 *   `SHARD_NOT_ACTIVE`, `REGION_NOT_ALLOWED`, `SLOT_PINNED`.
 */
export function planMove(
  snapshot: Snapshot,
  slot: number,
  shard: number,
  name: string,
): SlotMove[] {
  const group = groupOfSlot(slot);
  const [present, target] = [snapshot.slots.get(slot), snapshot.shards.get(shard)];
  if (present === undefined) throw new CodedError("NOT_FOUND", `there is no ${slotName(slot)}`);
  if (target === undefined || shardName(target.group, shard) !== name) {
    throw new CodedError("NOT_FOUND", `there is no ${name}`);
  }
  if (target.group !== group) {
    const detail = `${name} is not of the group of ${slotName(slot)}`;
    throw new InvalidFieldsError([{ field: "shard", description: detail }]);
  }
  if (target.state !== ShardState.active) {
    throw new CodedError("SHARD_NOT_ACTIVE", `${name} is ${target.state}, and takes no slots`);
  }
  const rules = snapshot.rules.get(group) ?? [];
  if (!isRegionAllowed(target.region, rules)) {
    const names = rules.map(({ name, regions }) => `${name} allows ${regions.join(" or ")}`);
    const where = `${name} is in region "${target.region}"`;
    throw new CodedError("REGION_NOT_ALLOWED", `${where}, but ${names.join(", ")}`);
  }
  const pin = snapshot.pins.get(slot);
  if (pin !== undefined && pin !== shard) {
    const detail = `${slotName(slot)} is pinned to ${shardName(group, pin)}`;
    throw new CodedError("SLOT_PINNED", detail);
  }
  if (present.owner === shard && present.isOpen) return [];
  return [newMove(slot, group, present.owner, shard, SlotMoveReason.ASKED)];
}

/** Where slots will be once the pending moves of these operations are made. */
export function ownersAfter(operations: readonly Operation[]): Map<number, number> {
  const owners = new Map<number, number>();
  for (const { moves } of operations) {
    for (const { slot, toShard, state } of moves) {
      if (state === SlotMoveState.MOVED) continue;
      owners.set(parseSlotName(slot, "").slot, parseShardName(toShard, "").shard);
    }
  }
  return owners;
}

/** Shards that these operations drain. */
export function listDraining(operations: readonly Operation[]): [number, ShardState][] {
  return operations.flatMap(({ work }): [number, ShardState][] => {
    if (work?.$case !== "drainShard") return [];
    return [[parseShardName(work.value.shard, "").shard, ShardState.draining]];
  });
}

function place(snapshot: Snapshot, group: number, assumed: Assumptions): PlacementPlan {
  const plan = placeSlots(placementGroupOf(snapshot, group, assumed));
  if (plan.kind === "refused") throw placementError(plan);
  return plan;
}

function movesOf(plan: PlacementPlan, group: number): SlotMove[] {
  return plan.moves.map(({ slot, from, to, reason }) => {
    return newMove(group * SLOT_COUNT + slot, group, from, to, reasons[reason]);
  });
}

function newMove(
  slot: number,
  group: number,
  from: number,
  to: number,
  reason: SlotMoveReason,
): SlotMove {
  return {
    slot: slotName(slot),
    fromShard: shardName(group, from),
    toShard: shardName(group, to),
    reason,
    state: SlotMoveState.PENDING,
    attemptCount: 0,
    retryTime: undefined,
    trouble: "",
  };
}
