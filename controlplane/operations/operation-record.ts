/**
 * The record of an operation: its key, its making, its counts, and what its states mean.
 *
 * Pure. One key of bucket "control" each; the value is the API's Operation without its etag. A
 * leader that takes over goes on from it, so whatever it needs to know is in it.
 */

import type { CodedError } from "../../proto/coded-error.ts";
import {
  Operation,
  OperationState,
  SlotMoveState,
} from "../../proto/gen/tidegate/control/v1/operation.ts";
import { enumName } from "../audit/enum-name.ts";
import { operationName } from "../fleet-names.ts";

/** What keys of operations begin with. */
export const OPERATION_PREFIX = "operation.";
/** Operations that have not ended, at once: each costs the leader a plan. */
export const RUNNING_COUNT_MAX = 64;
/** Operations that have ended and are kept; the leader deletes the oldest beyond it. */
export const ENDED_COUNT_MAX = 200;
/** Characters of a sentence in a record, so that 1024 of them fit a value of the bus. */
export const SENTENCE_CHARS_MAX = 200;

/** What an operation does: one of the kinds. */
export type OperationWork = NonNullable<Operation["work"]>;

/** An operation as the store has it. */
export interface StoredOperation {
  readonly id: string;
  readonly operation: Operation;
  /** KV revision. */
  readonly revision: number;
}

/** KV key of an operation. */
export function operationKey(id: string): string {
  return OPERATION_PREFIX + id;
}

/**
 * An id: later ones sort behind earlier ones.
 *
 * @param entropy 0 to 2^32 - 1, random: two of the same millisecond differ.
 */
export function operationId(nowMs: number, entropy: number): string {
  return `${nowMs.toString(36).padStart(9, "0")}-${entropy.toString(36).padStart(7, "0")}`;
}

/** An operation that begins now, not yet planned. */
export function newOperation(
  id: string,
  work: OperationWork,
  creator: string,
  nowMs: number,
): Operation {
  return {
    ...Operation.decode(new Uint8Array(0)),
    name: operationName(id),
    state: OperationState.RUNNING,
    work,
    detail: "waits for the leader of the control planes",
    createTime: new Date(nowMs),
    updateTime: new Date(nowMs),
    creator,
  };
}

/** Whether it never changes again. */
export function hasEnded({ state }: Operation): boolean {
  return (
    state === OperationState.SUCCEEDED ||
    state === OperationState.ABORTED ||
    state === OperationState.FAILED
  );
}

/** With its counts as its moves say. */
export function countMoves(operation: Operation): Operation {
  const count = (state: SlotMoveState) =>
    operation.moves.filter((move) => move.state === state).length;
  return {
    ...operation,
    stepCount: operation.moves.length,
    doneCount: count(SlotMoveState.MOVED),
    activeCount: count(SlotMoveState.MOVING),
  };
}

/** Ended, at `nowMs`. */
export function endOperation(
  operation: Operation,
  state: OperationState,
  detail: string,
  nowMs: number,
): Operation {
  return { ...operation, state, detail, endTime: new Date(nowMs) };
}

/** Failed with an error's words. */
export function failOperation(operation: Operation, error: CodedError, nowMs: number): Operation {
  const { code, detail, info } = error;
  const failed = endOperation(operation, OperationState.FAILED, cutSentence(detail), nowMs);
  return { ...failed, failure: { code, detail, fix: info.fix } };
}

/** A sentence that fits a record. */
export function cutSentence(text: string): string {
  return text.length > SENTENCE_CHARS_MAX ? `${text.slice(0, SENTENCE_CHARS_MAX - 1)}…` : text;
}

/** Encodes a record, without what only answers have. */
export function encodeOperation(operation: Operation): Uint8Array {
  return Operation.encode({ ...operation, etag: "" }).finish();
}

/** The operation in an entry, with its etag. @throws {Error} when it does not decode. */
export function decodeOperation(key: string, value: Uint8Array, revision: number): StoredOperation {
  const operation = { ...Operation.decode(value), etag: String(revision) };
  return { id: key.slice(OPERATION_PREFIX.length), operation, revision };
}

/** A new one as the audit log shows it: words for numbers, and nothing that is empty yet. */
export function describeOperation({ name, state, work, creator }: Operation): object {
  return { name, state: enumName(OperationState, state), work, creator };
}

/** The kinds as a sentence says them. */
export function describeWork(work: OperationWork): string {
  switch (work.$case) {
    case "moveSlot":
      return `the move of ${work.value.slot} to ${work.value.shard}`;
    case "drainShard":
      return `the drain of ${work.value.shard}`;
    case "rebalance":
      return `the rebalance of ${work.value.group}`;
    case "drainGateway":
      return `the drain of ${work.value.gateway}`;
    default:
      return work satisfies never;
  }
}
