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
 * Longest interval while publishes wait, milliseconds: they live for 20 s, and must not end unknown
 * because the client slept while the server was back.
 */
export const BACKOFF_PUBLISHING_MAX_MS = 2000;

/**
 * The wait before a try, milliseconds.
 *
 * @param failedCount tries that failed in a row, 0 or more.
 * @param retryAfterMs least wait that the gateway asked for; 0 for none.
 * @param random a number from 0 (included) to 1.
 * @param isPublishing whether publishes wait for an answer or to be sent.
 */
export function backoffMs(
  failedCount: number,
  retryAfterMs: number,
  random: number,
  isPublishing: boolean,
): number {
  const maxMs = isPublishing ? BACKOFF_PUBLISHING_MAX_MS : BACKOFF_MAX_MS;
  const intervalMs = Math.min(maxMs, BACKOFF_FIRST_MS * 2 ** failedCount);
  return Math.max(retryAfterMs, Math.floor(random * intervalMs));
}
