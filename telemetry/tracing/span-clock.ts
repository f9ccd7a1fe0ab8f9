/**
 * Time of spans: microseconds of wall-clock time that do not jump inside a trace.
 *
 * The machine's clock has milliseconds only, so performance.now() is put on top of it, anew
 * whenever the two are apart: after a correction of the clock, and after a sleep.
 */

/** Apart by more than this, ms, the clock was set: take it anew. One tick of Date.now() is 1. */
const APART_MS_MAX = 20;

export class SpanClock {
  #originMs = performance.timeOrigin;

  /** Microseconds since 1970-01-01 UTC. */
  nowUs(): number {
    const monotonicMs = performance.now();
    const wallMs = Date.now();
    if (Math.abs(this.#originMs + monotonicMs - wallMs) > APART_MS_MAX) {
      this.#originMs = wallMs - monotonicMs;
    }
    return Math.round((this.#originMs + monotonicMs) * 1000);
  }
}
