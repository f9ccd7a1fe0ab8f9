/**
 * A token bucket as one number: when what was taken so far is paid for (GCRA).
 *
 * Pure. The number is in microseconds of a clock that does not jump; 0 is a full bucket. Nothing
 * runs in the background, and a bucket that is full again may be forgotten.
 */

/** What may be taken at once, as time: bursts of two seconds. */
export const BURST_US = 2_000_000;

/**
 * When a bucket is paid for after taking from it.
 *
 * @param paidUs as the last call gave it; 0 at first.
 * @param costUs what is taken, as time: its count divided by the rate.
 * @returns the new number; -1 when it may not be taken now. Something larger than a burst is taken
 *   when the bucket is full, and what follows waits the longer.
 */
export function takeFrom(paidUs: number, nowUs: number, costUs: number): number {
  if (paidUs <= nowUs) return nowUs + costUs;
  return paidUs - nowUs + costUs > BURST_US ? -1 : paidUs + costUs;
}

/** After how long the same would be taken, microseconds, when nothing else is. */
export function waitFor(paidUs: number, nowUs: number, costUs: number): number {
  return Math.max(0, Math.min(paidUs - nowUs, paidUs - nowUs + costUs - BURST_US));
}
