/**
 * What both buses refuse of their callers' numbers.
 */
import { CodedError } from "../proto/coded-error.ts";
import { READ_COUNT_MAX } from "./bus.ts";
import { GROUP_COUNT_MAX, SLOT_COUNT } from "./subjects.ts";
import { FACTS_BYTES_MAX } from "./topology.ts";

/** Highest count of Bus.floor: proto's HISTORY_COUNT_MAX. */
const FLOOR_COUNT_MAX = 100_000;

/** Slots of as many groups as there may be. */
const slotCountMax = GROUP_COUNT_MAX * SLOT_COUNT;

/** @throws {CodedError} `REQUEST_INVALID`. */
export function checkSlot(slot: number): void {
  if (Number.isInteger(slot) && slot >= 0 && slot < slotCountMax) return;
  throw new CodedError("REQUEST_INVALID", `slot ${slot} is not from 0 to ${slotCountMax - 1}`);
}

/**
 * @returns the limit, lowered to READ_COUNT_MAX.
 * @throws {CodedError} `REQUEST_INVALID`.
 */
export function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1) return Math.min(limit, READ_COUNT_MAX);
  throw new CodedError("REQUEST_INVALID", `limit is ${limit}; it must be 1 to ${READ_COUNT_MAX}`);
}

/** @throws {CodedError} `REQUEST_INVALID`. */
export function checkFloorCount(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= FLOOR_COUNT_MAX) return;
  throw new CodedError("REQUEST_INVALID", `count is ${count}; it must be 1 to ${FLOOR_COUNT_MAX}`);
}

/** @throws {CodedError} `REQUEST_INVALID`. */
export function checkFacts(facts: Uint8Array): void {
  if (facts.length <= FACTS_BYTES_MAX) return;
  const detail = `the facts have ${facts.length} bytes, at most ${FACTS_BYTES_MAX}`;
  throw new CodedError("REQUEST_INVALID", detail);
}
