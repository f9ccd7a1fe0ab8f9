/**
 * How long to wait before the next try.
 *
 * Pure: chance is an argument. Full jitter, because a thousand clients of a dead gateway come back
 * at once, and only random times over the whole interval spread them evenly.
 */

/** First interval, milliseconds; doubled by every failed try. */
export const BACKOFF_FIRST_MS = 250;
/**
 * The same for dials: 15 000 clients of one dead gateway then come at a pace that the others can
 * read beside what they do.
 */
export const DIAL_FIRST_MS = 1000;
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
 * @param firstMs interval of the first try.
 */
export function backoffMs(
  failedCount: number,
  retryAfterMs: number,
  random: number,
  isPublishing: boolean,
  firstMs = BACKOFF_FIRST_MS,
): number {
  const maxMs = isPublishing ? BACKOFF_PUBLISHING_MAX_MS : BACKOFF_MAX_MS;
  const intervalMs = Math.min(maxMs, firstMs * 2 ** failedCount);
  return Math.max(retryAfterMs, Math.floor(random * intervalMs));
}
