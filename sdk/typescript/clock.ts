/**
 * Time, as the SDK sees it: one monotonic clock and one timer, both replaceable in tests.
 *
 * Monotonic on purpose: the wall clock of a client can jump, and is never used (docs/protocol.md).
 */

/** Ends a timer; calling it late or twice is harmless. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  nowMs(): number;
  /** Calls back once, `delayMs` from now or later. */
  setTimer(delayMs: number, callback: () => void): CancelTimer;
}

/** The clock of the process or page. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
