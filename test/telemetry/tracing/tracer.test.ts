import { describe, expect, test } from "vitest";
import { CodedError } from "../../../proto/coded-error.ts";
import { QUEUE_COUNT_MAX } from "../../../telemetry/tracing/recorder.ts";
import { SpanKind } from "../../../telemetry/tracing/span.ts";
import { isTraceId } from "../../../telemetry/tracing/trace-context.ts";
import { ALWAYS_PER_S_MAX, NO_TRACER, RecordingTracer } from "../../../telemetry/tracing/tracer.ts";

/** A clock that counts calls: 1 µs each. */
function turned(startUs = 1_000_000) {
  const clock = { us: startUs, nowUs: () => (clock.us += 1) };
  return clock;
}

describe("RecordingTracer", () => {
  test("records spans when they end, as children, with links and attributes", () => {
    const tracer = new RecordingTracer({}, turned());
    const parent = tracer.begin("ingress chat", SpanKind.SERVER, null, { a: 1 });
    const child = parent.child("bus.publish chat", SpanKind.PRODUCER).link(parent).set("b", "x");
    expect(tracer.find(parent.traceId)).toEqual([]);
    child.end();
    parent.end();
    const [first, second] = tracer.find(parent.traceId);
    expect(first).toMatchObject({ name: "ingress chat", parentSpanId: "", attributes: { a: 1 } });
    expect(second).toMatchObject({
      ...{ parentSpanId: parent.spanId, traceId: parent.traceId, attributes: { b: "x" } },
      links: [{ traceId: parent.traceId, spanId: parent.spanId }],
    });
    expect(child.startUs).toBeGreaterThan(parent.startUs);
    expect(child.endUs).toBeLessThan(parent.endUs);
    expect(isTraceId(parent.traceId)).toBe(true);
    expect(parent.traceparent).toBe(`00-${parent.traceId}-${parent.spanId}-01`);
  });

  test("counts the first end alone, and keeps why a span failed", () => {
    const tracer = new RecordingTracer({}, turned());
    const span = tracer.begin("ingress chat", SpanKind.SERVER, null);
    span.fail(new CodedError("NOT_JOINED", "room alias 7 is not joined here"));
    span.end();
    const found = tracer.find(span.traceId);
    expect(found).toHaveLength(1);
    expect(found[0]?.error).toContain("NOT_JOINED");
    expect(found[0]?.attributes["error.type"]).toBe("NOT_JOINED");
    expect(tracer.counters().recorded).toBe(1);
  });

  test("keeps the newest spans of its ring", () => {
    const tracer = new RecordingTracer({ ringCountMax: 3 }, turned());
    const spans = Array.from({ length: 5 }, () => tracer.begin("x", SpanKind.INTERNAL, null));
    for (const span of spans) span.end();
    const kept = spans.map(({ traceId }) => tracer.find(traceId).length);
    expect(kept).toEqual([0, 0, 1, 1, 1]);
  });

  test("drops and counts what its queue does not hold, and holds none without an export", () => {
    const tracer = new RecordingTracer({ ringCountMax: 0 }, turned());
    const end = () => tracer.begin("x", SpanKind.INTERNAL, null).end();
    end();
    expect(tracer.recorder.waitingCount).toBe(0);
    tracer.recorder.beginExport();
    for (let i = 0; i < QUEUE_COUNT_MAX + 7; i += 1) end();
    expect(tracer.recorder.waitingCount).toBe(QUEUE_COUNT_MAX);
    expect(tracer.counters().queueFull).toBe(7);
    expect(tracer.recorder.take(100)).toHaveLength(100);
    expect(tracer.recorder.waitingCount).toBe(QUEUE_COUNT_MAX - 100);
  });

  test("samples new traces by its ratio", () => {
    const never = new RecordingTracer({ ratio: 0 });
    const each = new RecordingTracer({ ratio: 1 });
    expect(never.sample("resume chat", SpanKind.INTERNAL)).toBeNull();
    expect(each.sample("resume chat", SpanKind.INTERNAL)?.parentSpanId).toBe("");
  });

  test("always records at most so many a second, and counts the others", () => {
    const clock = turned();
    const tracer = new RecordingTracer({}, clock);
    const begin = () => tracer.always("ingress chat", SpanKind.SERVER, null);
    const first = Array.from({ length: ALWAYS_PER_S_MAX + 5 }, begin);
    expect(first.filter((span) => span !== null)).toHaveLength(ALWAYS_PER_S_MAX);
    expect(tracer.counters().suppressed).toBe(5);
    expect(tracer.always("ingress live", SpanKind.SERVER, null)).toBeNull(); // the same operation
    expect(tracer.always("drain gateway", SpanKind.INTERNAL, null)).not.toBeNull();
    clock.us += 1_000_000;
    expect(begin()).not.toBeNull();
  });
});

test("NO_TRACER records nothing, and lets a span begin that goes nowhere", () => {
  expect(NO_TRACER.sample("x", SpanKind.INTERNAL)).toBeNull();
  expect(NO_TRACER.always("x", SpanKind.INTERNAL, null)).toBeNull();
  const span = NO_TRACER.begin("x", SpanKind.INTERNAL, null);
  span.child("y", SpanKind.INTERNAL).end();
  span.end();
  expect(NO_TRACER.find(span.traceId)).toEqual([]);
  expect(NO_TRACER.counters().recorded).toBe(0);
});
