/**
 * How many connections a second a gateway takes: more while its event loop is calm, less at once
 * when it is not.
 *
 * Pure. Members that are there are to notice little of those who come, so the loop may be late by
 * no more than a fixed small time, or twice what it is late without them.
 */

/** Connections a second at first: a gateway whose neighbour has just died knows no measure. */
export const RATE_FIRST = 500;
/** Nobody is kept waiting for ever, whatever the loop says. */
export const RATE_MIN = 400;
/** More than a process can do. */
export const RATE_MAX = 10_000;
/** A loop that is late by less than this is calm, ms. */
export const CALM_DELAY_MS = 4;
/** Each reading that is calm, while somebody waits, raises the rate by this part. */
const RAISE_SHARE = 0.03;
/** And each that is not lowers it to this part. */
const LOWER_SHARE = 0.8;
/** A loop that is always later than this is overloaded, and does not count as normal, ms. */
const NORMAL_DELAY_MS_MAX = 100;
/** The delay without arrivals follows readings by this part each. */
const FOLLOW_SHARE = 0.1;

/** The pace, and what the loop is late when nobody comes, ms. */
export interface Pace {
  readonly ratePerS: number;
  readonly normalDelayMs: number;
}

/** At first. */
export const FIRST_PACE: Pace = { ratePerS: RATE_FIRST, normalDelayMs: CALM_DELAY_MS / 2 };

/**
 * The pace after one more reading, ten times a second.
 *
 * @param delayMs what the loop was late since the last.
 * @param isPaced somebody had to wait since then, or half of the rate was used.
 */
export function nextPace(pace: Pace, delayMs: number, isPaced: boolean): Pace {
  const { ratePerS, normalDelayMs } = pace;
  const allowedMs = Math.max(CALM_DELAY_MS, 2 * normalDelayMs);
  if (!isPaced) {
    const followedMs = normalDelayMs + FOLLOW_SHARE * (delayMs - normalDelayMs);
    return { ratePerS, normalDelayMs: Math.min(followedMs, NORMAL_DELAY_MS_MAX) };
  }
  const wanted = delayMs > allowedMs ? ratePerS * LOWER_SHARE : ratePerS * (1 + RAISE_SHARE);
  return { ratePerS: Math.max(RATE_MIN, Math.min(RATE_MAX, wanted)), normalDelayMs };
}
