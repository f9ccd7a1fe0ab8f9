/**
 * The seam between a session and what lives on it: rooms, publishes and pages. It outlives
 * connections; what is sent goes over the one of the moment.
 */
import type { Clock } from "./clock.ts";
import type { ClientFrameKind } from "./frame.ts";

/** What a session gives to all who send. */
export interface Link {
  readonly clock: Clock;
  /** Whether frames go out now: after Welcome, until the connection's end. */
  readonly isOpen: boolean;
  /** How long to wait before the next try (backoff.ts), milliseconds. */
  backoffMs(failedCount: number, retryAfterMs: number): number;
  nextRequestId(): number;
  /** Writes a frame, if connected. False: larger than the gateway takes, and not written. */
  send(frame: ClientFrameKind): boolean;
}
