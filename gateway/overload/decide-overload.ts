/**
 * How overloaded a gateway is, and so what it sheds: in steps, up after a second, down after
 * several.
 *
 * Pure. Acknowledged durable publishes are never shed: there is no step for them.
 */

/** What is shed; each level sheds what the ones below it do. */
export const OverloadLevel = {
  NONE: 0,
  /** Whoever comes anew is sent away. */
  CONNECTS: 1,
  /** Ephemeral publishes of anonymous clients are dropped, and said to be. */
  ANONYMOUS: 2,
} as const;
export type OverloadLevel = (typeof OverloadLevel)[keyof typeof OverloadLevel];

/** What is measured, over the time since the reading before. */
export interface OverloadReading {
  /** What timers were late on average, ms. */
  readonly loopDelayMs: number;
  /** Of the memory that there is, or of the JavaScript heap, whichever is fuller: 0 to 1. */
  readonly memoryShare: number;
  /** How long the bus takes to answer, ms. */
  readonly busLagMs: number;
}

/** The measures, and from where on each asks for a level. */
export const OVERLOAD_THRESHOLDS = {
  // A turn of 100 ms is twice what people notice; at 300 ms every request of a page is felt.
  loopDelayMs: [100, 300],
  // The rest is for what is buffered when readers stall: some 64 KiB for each connection.
  memoryShare: [0.85, 0.93],
  // Answers normally take 1 ms; a bus that is away altogether is handled elsewhere, by cut-offs.
  busLagMs: [1500, 3000],
} as const satisfies Record<keyof OverloadReading, readonly [number, number]>;

/** A level is left below this part of its threshold, so that it does not flutter. */
const LEAVE_SHARE = 0.7;
/** Readings above a threshold, one after the other, that raise the level by one: a second. */
export const PRESSED_COUNT = 2;
/** Readings below, one after the other, that lower it by one: three seconds. */
export const CALM_COUNT = 6;

/** The state of a gateway; {@link CALM} at first. */
export interface OverloadState {
  readonly level: OverloadLevel;
  readonly pressedCount: number;
  readonly calmCount: number;
  /** What asked for the level: a measure's name; "" at level 0. */
  readonly cause: keyof OverloadReading | "";
}

/** Nothing is shed. */
export const CALM: OverloadState = {
  level: OverloadLevel.NONE,
  pressedCount: 0,
  calmCount: 0,
  cause: "",
};

/** The state after one more reading, twice a second. One step at a time, up as down. */
export function nextOverload(state: OverloadState, reading: OverloadReading): OverloadState {
  const { level } = state;
  const raised = wanted(reading, 1);
  if (raised.level > level) {
    const pressedCount = state.pressedCount + 1;
    if (pressedCount < PRESSED_COUNT) return { ...state, pressedCount, calmCount: 0 };
    return { level: step(level, 1), pressedCount: 0, calmCount: 0, cause: raised.cause };
  }
  if (wanted(reading, LEAVE_SHARE).level >= level) {
    return { ...state, pressedCount: 0, calmCount: 0 };
  }
  const calmCount = state.calmCount + 1;
  if (calmCount < CALM_COUNT) return { ...state, pressedCount: 0, calmCount };
  const lower = step(level, -1);
  const cause = lower === OverloadLevel.NONE ? "" : state.cause;
  return { level: lower, pressedCount: 0, calmCount: 0, cause };
}

/** The highest level that a measure asks for, with thresholds lowered to `share`. */
function wanted(
  reading: OverloadReading,
  share: number,
): { level: OverloadLevel; cause: keyof OverloadReading | "" } {
  let level: OverloadLevel = OverloadLevel.NONE;
  let cause: keyof OverloadReading | "" = "";
  for (const [name, [first, second]] of Object.entries(OVERLOAD_THRESHOLDS)) {
    const measure = name as keyof OverloadReading;
    const value = reading[measure];
    const own =
      value >= second * share
        ? OverloadLevel.ANONYMOUS
        : value >= first * share
          ? OverloadLevel.CONNECTS
          : OverloadLevel.NONE;
    if (own <= level) continue;
    level = own;
    cause = measure;
  }
  return { level, cause };
}

function step(level: OverloadLevel, by: 1 | -1): OverloadLevel {
  return Math.max(0, Math.min(2, level + by)) as OverloadLevel;
}
