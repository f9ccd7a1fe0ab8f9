/**
 * Spans of publishes and messages by the API of OpenTelemetry, `@opentelemetry/api`, which is an
 * optional peer of this package: make a `Tracing`, hand it to `connect`.
 *
 * A publish is a PRODUCER span from the call to its answer; its context goes along, so the spans of
 * the gateways and of whoever receives the message are its descendants. A message of a trace is a
 * CONSUMER span from its arrival to the loop that takes it. Without a tracer provider, and for what
 * its sampler leaves out, nothing is sent and nothing is recorded.
 */
import {
  type Attributes,
  type Context,
  context,
  diag,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { TidegateError } from "./error.ts";
import type { RoomInvalid, RoomMessage } from "./event.ts";
import type { Message } from "./gen/tidegate/client/v1/message.ts";
import type { PublishResult } from "./publish-queue.ts";
import { SDK_VERSION } from "./session.ts";
import type { TraceHooks } from "./trace-hooks.ts";

/** The two clocks differ by their resolution, milliseconds; by more when one was set. */
const CLOCK_APART_MS_MAX = 20;

/** The spans of one client or of several. */
export class Tracing implements TraceHooks {
  readonly #tracer: Tracer;
  /** When messages of a trace arrived, milliseconds since 1970; those that wait in a queue. */
  readonly #arrivals = new WeakMap<Message, number>();
  /** The spans in which events were received. */
  readonly #received = new WeakMap<object, SpanContext>();

  /** @param tracer default "@tidegate/sdk" of the global tracer provider, also one set later. */
  constructor(tracer: Tracer = trace.getTracer("@tidegate/sdk", SDK_VERSION)) {
    this.#tracer = tracer;
  }

  /**
   * The context to work on an event in, so that spans made there are children of its receiving:
   * `context.with(tracing.contextOf(event), () => handle(event))`.
   *
   * @param event of a room's loop.
   * @param base what else the context holds; default the active one, which is returned as it is
   *   for an event of no trace.
   */
  contextOf(event: object, base: Context = context.active()): Context {
    const received = this.#received.get(event);
    return received === undefined ? base : trace.setSpanContext(base, received);
  }

  /** Of {@link TraceHooks}. */
  publish(
    room: string,
    payloadBytes: number,
    send: (traceparent: string) => Promise<PublishResult>,
  ): Promise<PublishResult> {
    const attributes = attributesOf("publish", "send", room, payloadBytes);
    const options = { kind: SpanKind.PRODUCER, attributes, startTime: nowMs() };
    const span = guarded(() => this.#tracer.startSpan(nameOf("publish", room), options));
    if (span === undefined) return send("");
    const published = send(formatTraceparent(span.spanContext()));
    published.then(
      (result) => guarded(() => endWell(span, result)),
      (error: TidegateError) => guarded(() => endFailed(span, error)),
    );
    return published;
  }

  /** Of {@link TraceHooks}. */
  onArrival(message: Message): void {
    if (message.traceparent || message.envelope?.traceparent) {
      this.#arrivals.set(message, nowMs());
    }
  }

  /** Of {@link TraceHooks}. */
  onTaken(message: Message, event: RoomMessage<unknown> | RoomInvalid): void {
    guarded(() => this.#receive(message, event));
  }

  #receive(message: Message, event: RoomMessage<unknown> | RoomInvalid): void {
    const startTime = this.#arrivals.get(message);
    if (startTime === undefined) return;
    const published = parseTraceparent(message.envelope?.traceparent);
    const handedOut = parseTraceparent(message.traceparent);
    const parent = handedOut ?? published;
    if (parent === undefined) return;
    const { room, position } = event;
    const bytes = message.envelope?.payload.length ?? 0;
    const attributes = attributesOf("receive", "receive", room, bytes);
    if (position !== null) attributes["messaging.message.id"] = position;
    const links: Link[] = handedOut && published ? [{ context: published }] : [];
    const kind = SpanKind.CONSUMER;
    const span = this.#tracer.startSpan(
      nameOf("receive", room),
      { kind, attributes, links, startTime },
      trace.setSpanContext(ROOT_CONTEXT, parent),
    );
    this.#received.set(event, span.spanContext());
    if (event.type === "invalid") endFailed(span, event.error);
    else span.end(nowMs());
  }
}

/**
 * Milliseconds since 1970, with their fraction: a hop takes less than one. By Date.now() alone when
 * the machine's clock was set since the start, or it slept.
 */
function nowMs(): number {
  const wallMs = Date.now();
  const preciseMs = performance.timeOrigin + performance.now();
  return Math.abs(preciseMs - wallMs) > CLOCK_APART_MS_MAX ? wallMs : preciseMs;
}

/** One name for each class of rooms: rooms are many. */
function nameOf(operation: string, room: string): string {
  return `${operation} ${classOf(room)}`;
}

function classOf(room: string): string {
  return room.slice(0, Math.max(0, room.indexOf(":")));
}

/** OpenTelemetry's conventions for messaging. */
function attributesOf(name: string, type: string, room: string, bytes: number): Attributes {
  return {
    "messaging.system": "tidegate",
    "messaging.operation.name": name,
    "messaging.operation.type": type,
    "messaging.destination.name": room,
    "messaging.destination.template": `${classOf(room)}:*`,
    "messaging.message.body.size": bytes,
  };
}

/**
 * A sampler or processor of the application may throw: that must cost a span, and neither a publish
 * nor a message.
 */
function guarded<R>(work: () => R): R | undefined {
  try {
    return work();
  } catch (error) {
    diag.error("tidegate: no span, tracing failed", error);
    return undefined;
  }
}

function endWell(span: Span, { position, traceId }: PublishResult): void {
  if (position !== null) span.setAttribute("messaging.message.id", position);
  // The gateway did not take our trace up, and made its own.
  const isOther = traceId !== "" && traceId !== span.spanContext().traceId;
  if (isOther) span.setAttribute("tidegate.trace.id", traceId);
  span.end(nowMs());
}

function endFailed(span: Span, { code, message }: TidegateError): void {
  span.setAttribute("error.type", code);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.end(nowMs());
}

/** W3C Trace Context, of a sampled span alone: gateways take nothing else up. */
function formatTraceparent(spanContext: SpanContext): string {
  const { traceId, spanId, traceFlags } = spanContext;
  const isSampled = (traceFlags & TraceFlags.SAMPLED) !== 0;
  return isSampled && isSpanContextValid(spanContext) ? `00-${traceId}-${spanId}-01` : "";
}

/** Undefined for what is none. */
function parseTraceparent(text = ""): SpanContext | undefined {
  const [, traceId = "", spanId = "", flags = ""] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text) ?? [];
  const traceFlags = Number.parseInt(flags, 16);
  const parsed = { traceId, spanId, traceFlags, isRemote: true };
  return isSpanContextValid(parsed) ? parsed : undefined;
}
