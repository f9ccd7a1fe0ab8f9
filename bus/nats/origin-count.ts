/**
 * What was heard of one origin in one room, and what its next message or tail shows to be missing.
 *
 * Pure. An origin is one process with one connection to NATS; it counts what it publishes in each
 * room from 1, in a generation that it raises when it has forgotten a count. NATS keeps an origin's
 * order, so a number that is skipped is lost: it would come too late even if it came.
 */
import { GENERATION_MAX } from "./ephemeral-frame.ts";
import type { Origin } from "./origin-watch.ts";

/** A count in progress. Times are ticks (tick.ts). */
export interface OriginCount {
  readonly origin: Origin;
  generation: number;
  /** Highest number heard, or told by a tail. */
  seq: number;
  /** When a message was heard last. */
  trafficTick: number;
  /** When a tail first told a lower number than was heard, with nothing new since; else 0. */
  lowTick: number;
}

/** Told instead of a count: something is missing, how much is not known. */
export const LOSS_UNKNOWN = -1;
/** Told by {@link takeMessage} for a message that came already, or too late. */
export const IS_OLD = -2;
/**
 * A tail that tells less than was heard is old, unless another does so this much later, ticks: then
 * what was heard was forged. A server that thaws hands out its old tails at once.
 */
const LOW_TICKS = 3;

/**
 * A message came. Hot path, once per message.
 *
 * @returns how many are missing before it, or {@link IS_OLD}: do not deliver it.
 */
export function takeMessage(count: OriginCount, generation: number, seq: number): number {
  if (generation === count.generation) {
    const missedCount = seq - count.seq - 1;
    if (missedCount < 0) return IS_OLD;
    count.seq = seq;
    count.lowTick = 0;
    return missedCount;
  }
  if (!isLaterGeneration(count.generation, generation)) return IS_OLD;
  count.generation = generation;
  count.seq = seq;
  return seq - 1;
}

/**
 * A tail came (R7).
 *
 * @returns how many are missing at the end, 0 for none, or {@link LOSS_UNKNOWN}.
 */
export function takeTail(
  count: OriginCount,
  generation: number,
  seq: number,
  tick: number,
): number {
  if (generation !== count.generation) {
    if (!isLaterGeneration(count.generation, generation)) return 0;
    count.generation = generation;
    count.seq = seq;
    return seq;
  }
  const missedCount = seq - count.seq;
  if (missedCount >= 0) {
    count.seq = seq;
    count.lowTick = 0;
    return missedCount;
  }
  if (count.lowTick === 0) count.lowTick = tick;
  if (tick - count.lowTick < LOW_TICKS) return 0;
  count.lowTick = 0;
  count.seq = seq;
  return LOSS_UNKNOWN;
}

/**
 * A tail came from an origin that was never heard in this room.
 *
 * @param listenedMs how long the room has been listened to.
 * @param ageMs how long ago the message was published that the tail tells of.
 * @param marginMs what a message may take to arrive, and a subscription to take effect.
 * @returns as {@link takeTail}: none is missing if the room was not listened to by then.
 */
export function judgeFirstTail(
  seq: number,
  listenedMs: number,
  ageMs: number,
  marginMs: number,
): number {
  if (listenedMs <= ageMs + marginMs) return 0;
  return seq === 1 ? 1 : LOSS_UNKNOWN;
}

/** Generations go around, so the nearer way counts. */
function isLaterGeneration(present: number, other: number): boolean {
  const ahead = (other - present) & GENERATION_MAX;
  return ahead > 0 && ahead <= GENERATION_MAX / 2;
}
