/**
 * A span as we keep it: plain fields, made only for what is sampled.
 *
 * Our own record rather than OpenTelemetry's: its SDK takes 200 ms to load and five times as long
 * for a span (docs/adr/0033-own-spans.md). otlp-spans.ts converts on the way out.
 */
import type { SpanContext } from "./trace-context.ts";

/** What a span stands for, numbered as OpenTelemetry's API does. */
export const SpanKind = { INTERNAL: 0, SERVER: 1, CLIENT: 2, PRODUCER: 3, CONSUMER: 4 } as const;
export type SpanKind = (typeof SpanKind)[keyof typeof SpanKind];

/** The value of an attribute; numbers are told as integers where they are. */
export type AttributeValue = string | number | boolean;
/** Facts of a span by their names: OpenTelemetry's conventions, and `tidegate.*` for ours. */
export type SpanAttributes = Record<string, AttributeValue>;

/** A span that has ended. */
export interface SpanRecord extends SpanContext {
  /** `<operation> <what>`, bounded: never a room or a user. */
  readonly name: string;
  readonly kind: SpanKind;
  /** Span id of the parent; empty for the first of its trace here. */
  readonly parentSpanId: string;
  /** Microseconds since 1970-01-01 UTC. */
  readonly startUs: number;
  /** Microseconds since 1970-01-01 UTC, never before `startUs`. */
  readonly endUs: number;
  readonly attributes: Readonly<SpanAttributes>;
  /** Spans it belongs to beside its parent. */
  readonly links: readonly SpanContext[];
  /** Why it failed; empty when it did not. */
  readonly error: string;
}
