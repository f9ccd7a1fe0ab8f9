/**
 * Decides whether a resume recovers exactly what was missed.
 *
 * Pure. The store says whether the position is in the room's history (R9); the class says how far
 * back it reaches, by count (its floor) and by age. Never a partial recovery that looks whole.
 */
import type { ReadAfter } from "../bus/bus.ts";
import { comparePositions, type Position } from "../bus/position.ts";
import { GapReason } from "../proto/gen/tidegate/client/v1/message.ts";
import type { ClassPolicy } from "../proto/room-class.ts";

/** What was read for the decision. */
export interface ResumeFacts {
  readonly after: Position;
  readonly read: ReadAfter;
  /** The room's newest position, null when empty. */
  readonly head: Position | null;
  /** Position of the oldest message within the class's count; null when no read one is older. */
  readonly floor: Position | null;
  readonly policy: ClassPolicy;
  readonly nowUs: number;
}

/** @returns null when exactly the missed messages can follow, else why not. */
export function decideResume(facts: ResumeFacts): GapReason | null {
  const { after, read, head, floor, policy, nowUs } = facts;
  if (!read.isContinuous) {
    const isOlder = head !== null && after.epoch <= head.epoch && after.seq < head.seq;
    const isExpired = nowUs - after.timeUs > policy.historyAgeMaxS * 1e6;
    return isOlder || isExpired ? GapReason.RETENTION : GapReason.POSITION_UNKNOWN;
  }
  const [first] = read.messages;
  if (first === undefined) return null;
  if (floor !== null && comparePositions(first, floor) < 0) return GapReason.RETENTION;
  if (first.timeUs < oldestTimeUs(policy, nowUs)) return GapReason.RETENTION;
  return null;
}

/** Messages stored before this are out of the class's reach, microseconds. */
export function oldestTimeUs(policy: ClassPolicy, nowUs: number): number {
  return nowUs - policy.historyAgeMaxS * 1_000_000;
}
