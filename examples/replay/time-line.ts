/**
 * Presses events of many days into the seconds of a run, keeping their order and their rhythm.
 *
 * Pure.
 */

/** Something that happened, with the time it happened at. */
export interface DatedEvent {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly event: object;
}

/** When to publish an event, from the start of the run. */
export interface TimedEvent {
  /** 0 to the length of the run, milliseconds; never falls within a list. */
  readonly dueMs: number;
  readonly event: object;
}

/**
 * Times events by their own dates.
 *
 * @param events in any order; at least one.
 * @param lengthMs of the run.
 * @param countMax only the earliest this many are taken.
 */
export function pressIntoTime(
  events: readonly DatedEvent[],
  lengthMs: number,
  countMax: number,
): TimedEvent[] {
  const taken = [...events].sort((a, b) => a.atMs - b.atMs).slice(0, countMax);
  const startMs = taken[0]?.atMs ?? 0;
  const spanMs = Math.max(1, (taken.at(-1)?.atMs ?? 0) - startMs);
  return taken.map(({ atMs, event }) => ({ dueMs: ((atMs - startMs) / spanMs) * lengthMs, event }));
}
