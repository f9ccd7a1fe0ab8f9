/**
 * When a child that has ended is started again: at once after a long run, later and later when it
 * keeps ending.
 *
 * Pure.
 */

/** Wait before a child is started again after its first short run, ms. */
export const FIRST_WAIT_MS = 200;
/** Each further short run in a row multiplies the wait by this. */
export const WAIT_FACTOR = 2;
/** Longest wait, ms: a child that can not start costs one attempt in this time, and no more. */
export const WAIT_MS_MAX = 10_000;
/** A child that was ready for this long had a healthy run, ms: the count begins anew. */
export const HEALTHY_MS = 30_000;

/** What follows the end of a child. */
export interface Respawn {
  /** Short runs in a row, this one included. */
  readonly failureCount: number;
  readonly waitMs: number;
}

/**
 * @param readyForMs how long it was ready; 0 when it never was.
 * @param failureCount short runs in a row before this one.
 */
export function decideRespawn(readyForMs: number, failureCount: number): Respawn {
  const count = readyForMs >= HEALTHY_MS ? 1 : failureCount + 1;
  const waitMs = Math.min(WAIT_MS_MAX, FIRST_WAIT_MS * WAIT_FACTOR ** (count - 1));
  return { failureCount: count, waitMs };
}
