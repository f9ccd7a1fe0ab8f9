/**
 * W3C Trace Context, version 00: `00-<trace id, 32 hex>-<span id, 16 hex>-<flags, 2 hex>`.
 *
 * Pure. Only sampled messages carry one between our processes, so the flag matters only in what a
 * client sends.
 */

/** Names a span in its trace. */
export interface SpanContext {
  /** 32 lower-case hex digits, not all 0. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all 0. */
  readonly spanId: string;
}

/** A context as somebody else sent it. */
export interface RemoteContext extends SpanContext {
  /** Whether the sender has sampled it, and asks for the same. */
  readonly isSampled: boolean;
}

/** Characters of a traceparent of version 00. */
export const TRACEPARENT_LENGTH = 55;

const shape = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const traceIdShape = /^[0-9a-f]{32}$/;
const noTrace = "0".repeat(32);
const noSpan = "0".repeat(16);

/** Reads a traceparent; null when it is none of version 00, or names nothing. */
export function parseTraceparent(text: string): RemoteContext | null {
  if (text.length !== TRACEPARENT_LENGTH) return null;
  const [, traceId = noTrace, spanId = noSpan, flags = "00"] = shape.exec(text) ?? [];
  if (traceId === noTrace || spanId === noSpan) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** A traceparent with the sampled flag. */
export function formatTraceparent({ traceId, spanId }: SpanContext): string {
  return `00-${traceId}-${spanId}-01`;
}

/** Whether a text is a trace id: 32 lower-case hex digits, not all 0. */
export function isTraceId(text: string): boolean {
  return traceIdShape.test(text) && text !== noTrace;
}
