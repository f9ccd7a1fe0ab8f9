/**
 * The gateway's clock: server time in microseconds, as Welcome and Pong give it to clients.
 *
 * An argument everywhere, so that tests turn it by hand.
 */
export interface Clock {
  /** Microseconds since 1970-01-01 UTC; the clock that the bus stamps messages with. */
  nowUs(): number;
}

/** The machine's clock. */
export const systemClock: Clock = { nowUs: () => Date.now() * 1000 };
