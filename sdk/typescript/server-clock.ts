/**
 * Server time without a wall clock: the newest server time heard, plus what the monotonic clock has
 * advanced since (R2 of docs/guarantees.md).
 *
 * Pure. It lags by the network delay of that sample, so a budget counted from it ends early, never
 * late. A new sample replaces the old one even when it steps back: keeping the greatest would let
 * the difference of two oscillators add up for ever.
 */

/** Ask for a new sample when the last is older, milliseconds: 100 ppm of drift are 3 ms by then. */
const SERVER_CLOCK_AGE_MAX_MS = 30_000;

export class ServerClock {
  #serverUs = 0;
  #atMs = 0;

  /**
   * Takes a sample.
   *
   * @param serverUs microseconds since 1970-01-01 UTC, from Welcome or Pong.
   * @param atMs the monotonic clock at its arrival.
   */
  sample(serverUs: number, atMs: number): void {
    this.#serverUs = serverUs;
    this.#atMs = atMs;
  }

  /** Server time, microseconds since 1970-01-01 UTC; 0 before the first sample. */
  nowUs(nowMs: number): number {
    if (this.#serverUs === 0) return 0;
    return this.#serverUs + Math.round((nowMs - this.#atMs) * 1000);
  }

  /** Whether the sample is old enough for a new Ping. */
  isOld(nowMs: number): boolean {
    return nowMs - this.#atMs > SERVER_CLOCK_AGE_MAX_MS;
  }
}
