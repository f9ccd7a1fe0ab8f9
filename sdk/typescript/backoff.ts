/**
 * How long to wait before the next try.
 *
 * Pure: chance is an argument. Full jitter, because a thousand clients of a dead gateway come back
 * at once, and only random times over the whole interval spread them evenly.
 */

/** First interval, milliseconds; doubled by every failed try. */
export const BACKOFF_FIRST_MS = 250;
/** Longest interval, milliseconds: beyond it waiting longer relieves nobody. */
export const BACKOFF_MAX_MS = 30_000;

/**
 * The wait before a try, milliseconds.
 *
 * @param failedCount tries that failed in a row, 0 or more.
 * @param retryAfterMs least wait that the gateway asked for; 0 for none.
 * @param random a number from 0 (included) to 1.
 */
export function backoffMs(failedCount: number, retryAfterMs: number, random: number): number {
  const intervalMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failedCount, 30));
  return Math.max(retryAfterMs, Math.floor(random * intervalMs));
}
