/**
 * What operators ask this process's spans through the bus: those of one trace.
 */
import { TraceAnswer, TraceQuestion } from "../../proto/gen/tidegate/bus/v1/trace_question.ts";
import { SpanKind as Said, type Span } from "../../proto/gen/tidegate/control/v1/trace.ts";
import { SpanKind, type SpanRecord } from "./span.ts";
import type { Tracer } from "./tracer.ts";

/** Spans of one answer, below 1 kB each: it has to fit a question's 512 KiB. */
export const ANSWER_SPAN_COUNT_MAX = 256;

const kinds: Readonly<Record<SpanKind, Said>> = {
  [SpanKind.INTERNAL]: Said.INTERNAL,
  [SpanKind.SERVER]: Said.SERVER,
  [SpanKind.CLIENT]: Said.CLIENT,
  [SpanKind.PRODUCER]: Said.PRODUCER,
  [SpanKind.CONSUMER]: Said.CONSUMER,
};

/** Where the questions come from: a Bus. */
export interface QuestionSource {
  answer(kind: string, handle: (body: Uint8Array) => Uint8Array): unknown;
}

/** Answers as long as the bus is open. */
export function answerTraces(bus: QuestionSource, tracer: Tracer): void {
  bus.answer("trace", (body) => {
    const found = tracer.find(TraceQuestion.decode(body).traceId);
    const spans = found.slice(0, ANSWER_SPAN_COUNT_MAX).map(toSpan);
    return TraceAnswer.encode({ spans, hasMore: found.length > spans.length }).finish();
  });
}

function toSpan(span: SpanRecord): Span {
  const { traceId, spanId, parentSpanId, name, kind, startUs, endUs, attributes, links } = span;
  const texts = Object.entries(attributes).map(([key, value]) => [key, String(value)]);
  return {
    ...{ traceId, spanId, parentSpanId, name, kind: kinds[kind], error: span.error, process: "" },
    startUs: BigInt(startUs),
    endUs: BigInt(endUs),
    attributes: Object.fromEntries(texts),
    links: links.map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
  };
}
