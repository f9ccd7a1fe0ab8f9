/**
 * What the leader does next for an operation that moves slots.
 *
 * Pure: decided from its record and the present state alone, and each step may be taken twice. So
 * any leader goes on where another died.
 */
import { CodedError } from "../../proto/coded-error.ts";
import {
  type Operation,
  OperationState,
  type SlotMove,
  SlotMoveState,
} from "../../proto/gen/tidegate/control/v1/operation.ts";
import { parseGroupName, parseShardName, parseSlotName } from "../fleet-names.ts";
import { ShardState } from "../placement/placement.ts";
import { countMoves, cutSentence, endOperation, failOperation } from "./operation-record.ts";
import { planDrain, planMove, planRebalance } from "./plan-moves.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Plans of one rebalance: each ends even or with less to do. At the limit it ends as it is, which
 * its detail says.
 */
export const PLAN_COUNT_MAX = 16;

/**
 * Moves in a record: those of two plans for a whole group, some 400 kB. Beyond it the oldest, which
 * are made, are left out.
 */
export const MOVE_COUNT_MAX = 2048;

/** What to do; then ask again. */
export type OperationStep =
  /** Begin moves that are pending, as pace allows, and wait for those on their way. */
  | { readonly kind: "move"; readonly operation: Operation }
  /** Nothing now; ask again when something has changed. */
  | { readonly kind: "wait"; readonly operation: Operation }
  /** Write it: it has been planned, or has ended. */
  | { readonly kind: "put"; readonly operation: Operation }
  /** Change the state of a shard. */
  | {
      readonly kind: "set-state";
      readonly operation: Operation;
      readonly shard: number;
      readonly state: ShardState;
    };

/** What decisions are made from. */
export interface StepFacts {
  readonly snapshot: Snapshot;
  /** Operations that have not ended, this one left out. */
  readonly others: readonly Operation[];
  readonly nowMs: number;
}

/**
 * Decides.
 *
 * @param operation with its moves settled (settle-moves.ts), not ended.
 */
export function decideStep(operation: Operation, facts: StepFacts): OperationStep {
  const { work, state, activeCount } = operation;
  if (state === OperationState.ABORTING) {
    if (activeCount > 0) return wait(operation, `ends when ${activeCount} moves have ended`);
    return decideAbort(operation, facts);
  }
  if (state === OperationState.PAUSED) {
    const rest = operation.stepCount - operation.doneCount;
    return wait(operation, rest === 0 ? "is paused" : `is paused with ${rest} moves left`);
  }
  switch (work?.$case) {
    case "moveSlot":
      return decideMove(operation, work.value, facts);
    case "drainShard":
      return decideDrain(operation, parseShardName(work.value.shard, "").shard, facts);
    case "rebalance":
      return decideRebalance(operation, parseGroupName(work.value.group, ""), facts);
    default: {
      const error = new CodedError("INTERNAL", "its kind is not known to this version");
      return put(failOperation(operation, error, facts.nowMs));
    }
  }
}

function decideMove(
  operation: Operation,
  work: { readonly slot: string; readonly shard: string },
  { snapshot, nowMs }: StepFacts,
): OperationStep {
  const isMoved = operation.moves.some(({ state }) => state === SlotMoveState.MOVED);
  if (isMoved) return put(succeed(operation, "the slot is moved", nowMs));
  if (operation.activeCount > 0) return move(operation, "the slot is moving");
  try {
    const { slot } = parseSlotName(work.slot, "slot");
    const { shard } = parseShardName(work.shard, "shard");
    const moves = planMove(snapshot, slot, shard, work.shard);
    if (moves.length === 0) return put(succeed(operation, "the slot was there", nowMs));
    if (operation.moves.length > 0) return move(operation, retryText(operation));
    return put(countMoves({ ...operation, moves, detail: "the slot is about to move" }));
  } catch (reason) {
    return put(failOperation(operation, CodedError.from(reason), nowMs));
  }
}

function decideDrain(operation: Operation, shard: number, facts: StepFacts): OperationStep {
  const { snapshot, others, nowMs } = facts;
  const found = snapshot.shards.get(shard);
  if (found === undefined) {
    return put(failOperation(operation, new CodedError("NOT_FOUND", "the shard is gone"), nowMs));
  }
  if (found.state === ShardState.retired) {
    return put(succeed(operation, "the shard is retired", nowMs));
  }
  if (hasMovesLeft(operation) && found.state === ShardState.draining) {
    return move(operation, progressText(operation));
  }
  const owned = [...snapshot.slots.values()].filter(({ owner, isOpen }) => {
    return owner === shard && isOpen;
  });
  const isEmpty = [...snapshot.slots.values()].every(({ owner }) => owner !== shard);
  if (isEmpty && found.state === ShardState.draining) {
    return { kind: "set-state", operation, shard, state: ShardState.retired };
  }
  try {
    const moves = planDrain(snapshot, shard, others);
    if (found.state === ShardState.active) {
      return { kind: "set-state", operation, shard, state: ShardState.draining };
    }
    if (moves.length === 0) {
      return wait(operation, `waits for other moves of its ${owned.length} slots`);
    }
    const planned = addMoves(operation, moves);
    return put({ ...planned, detail: progressText(planned) });
  } catch (reason) {
    const error = CodedError.from(reason);
    if (found.state === ShardState.active) return put(failOperation(operation, error, nowMs));
    // It has begun: an operator can mend it, and then it goes on.
    return wait(operation, `waits: ${error.detail}. ${error.info.fix}`);
  }
}

function decideRebalance(operation: Operation, group: number, facts: StepFacts): OperationStep {
  const { snapshot, others, nowMs } = facts;
  const { work } = operation;
  if (work?.$case !== "rebalance") throw new TypeError("not a rebalance");
  if (hasMovesLeft(operation)) return move(operation, progressText(operation));
  const drain = others.find((other) => {
    if (other.work?.$case !== "drainShard") return false;
    return parseShardName(other.work.value.shard, "").group === group;
  });
  if (drain !== undefined) return wait(operation, `waits for ${drain.name}, a drain`);
  const { planCount } = work.value;
  if (planCount >= PLAN_COUNT_MAX) {
    return put(succeed(operation, `ended after ${planCount} plans, still uneven`, nowMs));
  }
  try {
    const moves = planRebalance(snapshot, group, others);
    if (moves.length === 0) return put(succeed(operation, "all is even", nowMs));
    const value = { ...work.value, planCount: planCount + 1 };
    const planned = addMoves({ ...operation, work: { $case: "rebalance", value } }, moves);
    return put({ ...planned, detail: progressText(planned) });
  } catch (reason) {
    const error = CodedError.from(reason);
    if (error.code === "OWNER_UNKNOWN") return wait(operation, `waits: ${error.detail}`);
    return put(failOperation(operation, error, nowMs));
  }
}

/** Nothing moves any more. What has moved stays; a shard that was draining takes slots again. */
function decideAbort(operation: Operation, { snapshot, nowMs }: StepFacts): OperationStep {
  const { work } = operation;
  if (work?.$case === "drainShard") {
    const { shard } = parseShardName(work.value.shard, "");
    if (snapshot.shards.get(shard)?.state === ShardState.draining) {
      return { kind: "set-state", operation, shard, state: ShardState.active };
    }
  }
  const left = operation.stepCount - operation.doneCount;
  const detail = left === 1 ? "1 move was not made" : `${left} moves were not made`;
  return put(endOperation(operation, OperationState.ABORTED, detail, nowMs));
}

/** With the moves of a new plan; those before it are made. */
function addMoves(operation: Operation, moves: readonly SlotMove[]): Operation {
  return countMoves({
    ...operation,
    moves: [...operation.moves, ...moves].slice(-MOVE_COUNT_MAX),
  });
}

function hasMovesLeft({ stepCount, doneCount }: Operation): boolean {
  return doneCount < stepCount;
}

function progressText(operation: Operation): string {
  const { stepCount, doneCount } = operation;
  const trouble = operation.moves.find((each) => each.trouble !== "" && isLeft(each.state));
  const undone = trouble === undefined ? "" : `; ${trouble.slot}: ${trouble.trouble}`;
  return `${doneCount} of ${stepCount} slots are moved${undone}`;
}

function retryText({ moves: [first] }: Operation): string {
  return first === undefined || first.trouble === ""
    ? "the slot is about to move"
    : `the move was undone, and is begun again: ${first.trouble}`;
}

function isLeft(state: SlotMoveState): boolean {
  return state !== SlotMoveState.MOVED;
}

function succeed(operation: Operation, detail: string, nowMs: number): Operation {
  return endOperation(operation, OperationState.SUCCEEDED, detail, nowMs);
}

function move(operation: Operation, detail: string): OperationStep {
  return { kind: "move", operation: { ...operation, detail: cutSentence(detail) } };
}

function wait(operation: Operation, detail: string): OperationStep {
  return { kind: "wait", operation: { ...operation, detail: cutSentence(detail) } };
}

function put(operation: Operation): OperationStep {
  return { kind: "put", operation };
}
