/**
 * What a process tells of itself, handed to its parts by the composition root.
 *
 * Imports nothing of OpenTelemetry: that is loaded by what exports, after listen, and only when an
 * endpoint is configured (docs/adr/0033-own-spans.md).
 */
import { NO_TRACER, type Tracer } from "./tracing/tracer.ts";

export interface Telemetry {
  /** Where spans begin. */
  readonly tracer: Tracer;
}

/** Records nothing and costs nothing. */
export const NO_TELEMETRY: Telemetry = { tracer: NO_TRACER };
