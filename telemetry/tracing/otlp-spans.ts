/**
 * Our spans as OpenTelemetry's exporters want them.
 *
 * Types alone of OpenTelemetry; nothing of it is loaded here.
 */
import type { HrTime, SpanContext as OtelContext } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import type { SpanRecord } from "./span.ts";
import type { SpanContext } from "./trace-context.ts";

/** TraceFlags.SAMPLED */
const sampled = 1;
/** SpanStatusCode.UNSET and ERROR. */
const [unset, failed] = [0, 2] as const;
const scope = { name: "tidegate" };

/** @param resource the process, one object for all its spans. */
export function toReadableSpan(span: SpanRecord, resource: Resource): ReadableSpan {
  const { name, kind, parentSpanId, startUs, endUs, attributes, links, error } = span;
  const own = toContext(span);
  const parent = { traceId: span.traceId, spanId: parentSpanId };
  return {
    ...{ name, kind, attributes, resource, ended: true, events: [] },
    spanContext: () => own,
    parentSpanContext: parentSpanId === "" ? undefined : toContext(parent),
    startTime: toHrTime(startUs),
    endTime: toHrTime(endUs),
    duration: toHrTime(endUs - startUs),
    status: error === "" ? { code: unset } : { code: failed, message: error },
    links: links.map((link) => ({ context: toContext(link) })),
    instrumentationScope: scope,
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
  };
}

function toContext({ traceId, spanId }: SpanContext): OtelContext {
  return { traceId, spanId, traceFlags: sampled };
}

/** Seconds and nanoseconds. @param us microseconds. */
function toHrTime(us: number): HrTime {
  const seconds = Math.floor(us / 1e6);
  return [seconds, (us - seconds * 1e6) * 1000];
}
