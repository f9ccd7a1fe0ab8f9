/**
 * What clients ask and are told: frames by kind, errors by code, and how connections begin and end.
 */
import type { CodedError, ErrorCode } from "../../proto/coded-error.ts";
import type { ClientFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { LIMIT_NAMES } from "../../proto/limits.ts";
import { Histogram } from "../../telemetry/metrics/histogram.ts";
import { LimitError } from "../limit-error.ts";

/** A kind of frame that clients send. */
type FrameKind = NonNullable<ClientFrame["frame"]>["$case"];

/** Every limit that a refusal can name. */
const LIMITS = [
  ...LIMIT_NAMES,
  "class-publishes-per-second",
  "connections-per-gateway",
  "payload-bytes",
  "room-members",
  "room-publishes-per-second",
] as const;

/** See the file's header. */
export class ClientMeter {
  readonly requests: Record<FrameKind, number> = {
    ...{ hello: 0, join: 0, leave: 0, publish: 0, history: 0, ping: 0, refresh: 0 },
    flagExposures: 0,
  };
  /** Errors that clients were told of. */
  readonly errors = new Map<ErrorCode, number>();
  readonly limitRefusals = new Map<string, number>(LIMITS.map((name) => [name, 0]));
  /** Connections that the gateway closed, by why. */
  readonly closes = new Map<ErrorCode, number>();
  /** All connections that ended. */
  closedCount = 0;
  /** From the upgrade to Welcome. */
  readonly connecting = new Histogram();
  readonly resumes = { true: 0, false: 0 };
  /** What version gates decided: `allow` of connections, the others of joins as well. */
  readonly gates = { allow: 0, warn: 0, read_only: 0, refuse: 0 };

  /** A client is told of an error. */
  noteError(error: CodedError): void {
    add(this.errors, error.code);
    if (error instanceof LimitError && this.limitRefusals.has(error.limit)) {
      add(this.limitRefusals, error.limit);
    }
  }

  /** The gateway closes a connection. */
  noteClose(code: ErrorCode): void {
    add(this.closes, code);
  }

  /** A connection got its Welcome. @param startedUs of {@link tickUs}, at its upgrade. */
  noteWelcome(startedUs: number): void {
    this.connecting.record(((tickUs() - startedUs) | 0) / 1e6);
  }
}

/**
 * Microseconds of a clock that does not jump, as a number that each connection can keep in place;
 * it wraps, so only differences below 35 minutes mean something.
 */
export function tickUs(): number {
  return (performance.now() * 1000) | 0;
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
