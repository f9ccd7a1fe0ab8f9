/**
 * How many messages are due: an open-loop schedule, which does not slow down when the server does.
 */

/**
 * Messages due at `elapsedUs` after the start, of `count` at `ratePerS`, the first at 0.
 *
 * @returns 0 to count; never falls.
 */
export function dueCount(elapsedUs: number, ratePerS: number, count: number): number {
  return Math.min(count, Math.floor((elapsedUs * ratePerS) / 1e6) + 1);
}

/** When message `index` (0 first) is due, microseconds after the start. */
export function dueAtUs(index: number, ratePerS: number): number {
  return (index * 1e6) / ratePerS;
}
