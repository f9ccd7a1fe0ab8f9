/**
 * When a gateway tries the next control plane.
 *
 * Pure; chance is an argument.
 */

/** Longest wait, ms: how long all control planes may be back before every gateway follows. */
export const BACK_OFF_MS_MAX = 10_000;
/** Wait after the first failed round of all control planes, ms; doubles with each round. */
const BACK_OFF_MS = 200;
/** To the next of the round: soon, but not all gateways of a dead replica at once, ms. */
const NEXT_MS = 100;

/**
 * @param failedCount tries in a row that failed; 0 after a stream that had worked.
 * @param urlCount control planes, 1 or more.
 * @param chance 0 to 1.
 */
export function backOffMs(failedCount: number, urlCount: number, chance: number): number {
  const round = Math.floor(failedCount / urlCount);
  if (round === 0 || failedCount % urlCount !== 0) return NEXT_MS * chance;
  const fullMs = Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS * 2 ** Math.min(round - 1, 10));
  return fullMs * (0.5 + chance / 2);
}
