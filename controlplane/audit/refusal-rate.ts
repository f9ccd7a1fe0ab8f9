/**
 * How many refused calls are written to the audit log: a burst, then a steady few; the others are
 * counted, and the next one that is written tells how many they were.
 *
 * Pure: time is an argument.
 */

/** Refused calls written at once: what a person or a script does by mistake is whole. */
export const REFUSED_BURST_MAX = 100;
/** After a burst one more is allowed each time after this, ms: at most 288 a day and replica. */
export const REFUSED_INTERVAL_MS = 5 * 60_000;

export class RefusalRate {
  #allowed = REFUSED_BURST_MAX;
  #filledMs = Number.NEGATIVE_INFINITY;
  #suppressedCount = 0;

  /**
   * A call was refused.
   *
   * @param nowMs of a clock that never steps.
   * @returns how many were not written since the last one that was, if this one is to be written;
   *   null when it is not.
   */
  take(nowMs: number): number | null {
    if (this.#filledMs === Number.NEGATIVE_INFINITY) this.#filledMs = nowMs;
    const more = Math.floor((nowMs - this.#filledMs) / REFUSED_INTERVAL_MS);
    this.#allowed = Math.min(REFUSED_BURST_MAX, this.#allowed + more);
    this.#filledMs += more * REFUSED_INTERVAL_MS;
    if (this.#allowed < 1) {
      this.#suppressedCount += 1;
      return null;
    }
    this.#allowed -= 1;
    const count = this.#suppressedCount;
    this.#suppressedCount = 0;
    return count;
  }

  /** One that {@link take} let through was not written after all. */
  giveBack(suppressedCount: number): void {
    this.#suppressedCount += suppressedCount + 1;
  }
}
