/**
 * A span that has begun. Made only for what is sampled: whoever holds null instead does nothing.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { AttributeValue, SpanAttributes, SpanKind, SpanRecord } from "./span.ts";
import { formatTraceparent, type SpanContext } from "./trace-context.ts";

/** What a span needs of its tracer. */
export interface SpanSource {
  nowUs(): number;
  begin(
    name: string,
    kind: SpanKind,
    parent: SpanContext | null,
    attributes?: SpanAttributes,
  ): OpenSpan;
  record(span: SpanRecord): void;
}

/** Links of one span; more are left out. A publish has one. */
const LINK_COUNT_MAX = 8;

export class OpenSpan implements SpanRecord {
  readonly name: string;
  readonly kind: SpanKind;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly startUs: number;
  readonly attributes: SpanAttributes;
  readonly links: SpanContext[] = [];
  endUs = 0;
  error = "";
  readonly #source: SpanSource;

  /** For {@link Tracer.begin}. @param own the names of this span. */
  constructor(
    source: SpanSource,
    name: string,
    kind: SpanKind,
    own: SpanContext,
    parentSpanId: string,
    startUs: number,
    attributes: SpanAttributes,
  ) {
    this.#source = source;
    this.name = name;
    this.kind = kind;
    this.traceId = own.traceId;
    this.spanId = own.spanId;
    this.parentSpanId = parentSpanId;
    this.startUs = startUs;
    this.attributes = attributes;
  }

  /** For frames and headers: who reads it goes on as a child of this span. */
  get traceparent(): string {
    return formatTraceparent(this);
  }

  set(name: string, value: AttributeValue): this {
    this.attributes[name] = value;
    return this;
  }

  /** Belongs to that span too. */
  link({ traceId, spanId }: SpanContext): this {
    if (this.links.length < LINK_COUNT_MAX) this.links.push({ traceId, spanId });
    return this;
  }

  /** Begins a span inside this one. */
  child(name: string, kind: SpanKind, attributes: SpanAttributes = {}): OpenSpan {
    return this.#source.begin(name, kind, this, attributes);
  }

  /** Ends it, well. The first end counts. */
  end(endUs: number = this.#source.nowUs()): void {
    if (this.endUs !== 0) return;
    this.endUs = Math.max(this.startUs, endUs);
    this.#source.record(this);
  }

  /** Ends it with what went wrong; `error.type` is the code. */
  fail(error: unknown): void {
    if (this.endUs !== 0) return;
    const { code, message } = CodedError.from(error);
    this.attributes["error.type"] = code;
    this.error = message;
    this.end();
  }
}
