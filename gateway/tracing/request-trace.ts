/**
 * Spans of what a Hello or a Join sets off: the seats and permits that it takes, the resume.
 *
 * Requests are sampled like messages; the spans in them are made only where the request has one.
 */
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { SpanKind } from "../../telemetry/tracing/span.ts";
import type { Connection } from "../connection.ts";
import { connectionId } from "../connection-id.ts";
import type { GatewayContext } from "../context.ts";
import type { Identity } from "../identity.ts";
import type { LocalRoom } from "../local-room.ts";
import { hopName, roomAttributes } from "./room-attributes.ts";

/** Does some work inside a span of its own, which ends with it; null: it is only done. */
export async function traced<T>(
  parent: OpenSpan | null,
  name: string,
  work: (span: OpenSpan | null) => Promise<T>,
): Promise<T> {
  if (parent === null) return work(null);
  const span = parent.child(name, SpanKind.CLIENT);
  try {
    const result = await work(span);
    span.end();
    return result;
  } catch (error) {
    span.fail(error);
    throw error;
  }
}

/** One Hello or one room of a Join, as a span: sampled, or because it failed. */
export class RequestTrace {
  /** For what it sets off; null: not sampled. */
  readonly span: OpenSpan | null;
  readonly #context: GatewayContext;
  readonly #name: string;
  readonly #startUs: number;

  private constructor(context: GatewayContext, name: string, isSampled: boolean) {
    const { tracer } = context.telemetry;
    this.#context = context;
    this.#name = name;
    this.#startUs = tracer.isOn ? tracer.nowUs() : 0;
    this.span = isSampled ? tracer.begin(name, SpanKind.SERVER, null, {}, this.#startUs) : null;
  }

  /** Of a Hello. Nothing is known of who says it, so the process's ratio counts. */
  static hello(context: GatewayContext): RequestTrace {
    const { isOn, ratio } = context.telemetry.tracer;
    return new RequestTrace(context, "hello", isOn && Math.random() < ratio);
  }

  /** Of a room that is being joined. */
  static join(
    context: GatewayContext,
    connection: Connection,
    identity: Identity,
    { address }: LocalRoom,
  ): RequestTrace {
    const { ratios } = context.traces;
    const ratio = ratios.isZero ? 0 : ratios.of(connection, identity, address.class);
    const name = hopName("join", address.class);
    const trace = new RequestTrace(context, name, Math.random() < ratio);
    if (trace.span !== null) {
      Object.assign(trace.span.attributes, roomAttributes(address, context.gatewayId));
    }
    return trace;
  }

  /** It was done. */
  end(connection: Connection): void {
    if (this.span !== null) this.#describe(this.span, connection).end();
  }

  /**
   * It was refused, or failed: that is recorded always, a bounded number a second.
   *
   * @returns for the log line about it: the id of the trace; nothing when it is not recorded.
   */
  fail(connection: Connection, error: unknown): { readonly trace_id?: string } {
    const { tracer } = this.#context.telemetry;
    const late = () => tracer.always(this.#name, SpanKind.SERVER, null, {}, this.#startUs);
    const span = this.span ?? late();
    if (span === null) return {};
    this.#describe(span, connection).fail(error);
    return { trace_id: span.traceId };
  }

  #describe(span: OpenSpan, { number, identity }: Connection): OpenSpan {
    span.set("messaging.client.id", connectionId(this.#context.gatewayId, number));
    span.set("tidegate.gateway", this.#context.gatewayId);
    if (identity !== null && identity.user !== "") span.set("user.id", identity.user);
    return span;
  }
}
