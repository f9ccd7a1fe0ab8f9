/**
 * The spans of reading from the store: `resume`, a member on its way from a position to the live
 * messages, and `fill`, a room that reads what its live messages show to be missing.
 *
 * Sampled like messages; failures are always recorded, a bounded number a second.
 */
import type { DurableMessage } from "../../bus/bus.ts";
import { traceOf } from "../../bus/envelope.ts";
import { formatPosition, type Position } from "../../bus/position.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { SpanKind } from "../../telemetry/tracing/span.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";
import type { Connection } from "../connection.ts";
import { hopName, roomAttributes } from "./room-attributes.ts";
import type { TraceRatios } from "./trace-ratios.ts";

/** What is read, and so the first word of the span's name. */
export type ReadKind = "resume" | "fill";

/** A read in progress that is sampled. */
export class ReadTrace {
  readonly #span: OpenSpan;
  #messageCount = 0;
  #bytes = 0;

  constructor(span: OpenSpan, from: Position | null) {
    this.#span = span;
    span.set("tidegate.read.after", from === null ? "" : formatPosition(from));
  }

  /** A message was handed on. @param bytes of its frame or envelope. */
  count(bytes: number): void {
    this.#messageCount += 1;
    this.#bytes += bytes;
  }

  /** It is over. @param until the last position that was handed on. */
  end(until: Position | null, outcome: string): void {
    this.#span
      .set("tidegate.read.until", until === null ? "" : formatPosition(until))
      .set("tidegate.read.outcome", outcome)
      .set("messaging.batch.message_count", this.#messageCount)
      .set("tidegate.read.bytes", this.#bytes)
      .end();
  }

  fail(error: unknown): void {
    this.#span.fail(error);
  }
}

export class ReadTraces {
  readonly #tracer: Tracer;
  readonly #gatewayId: string;
  readonly #ratios: TraceRatios;

  constructor(tracer: Tracer, gatewayId: string, ratios: TraceRatios) {
    this.#tracer = tracer;
    this.#gatewayId = gatewayId;
    this.#ratios = ratios;
  }

  /** A member begins to catch up; null: not sampled. One comparison where nothing is. */
  beginResume(
    connection: Connection,
    address: RoomAddress,
    after: Position | null,
  ): ReadTrace | null {
    const { identity } = connection;
    if (this.#ratios.isZero || identity === null) return null;
    const ratio = this.#ratios.of(connection, identity, address.class);
    if (Math.random() >= ratio) return null;
    const span = this.#begin("resume", address);
    span.set("messaging.client.id", `${this.#gatewayId}-${connection.number.toString(36)}`);
    return new ReadTrace(span, after);
  }

  /**
   * A room begins to fill; null: not sampled.
   *
   * @param showing the message that shows the gap; if it is traced, so is the fill.
   */
  beginFill(
    address: RoomAddress,
    after: Position | null,
    showing: DurableMessage | undefined,
  ): ReadTrace | null {
    if (!this.#tracer.isOn) return null;
    const cause = showing === undefined ? null : traceOf(showing.envelope);
    const { ratio } = this.#tracer;
    if (cause === null && (ratio === 0 || Math.random() >= ratio)) return null;
    const span = this.#begin("fill", address);
    if (cause !== null) span.link(cause);
    return new ReadTrace(span, after);
  }

  /** A read failed that was not sampled. */
  recordFailure(kind: ReadKind, address: RoomAddress, error: unknown): void {
    const name = hopName(kind, address.class);
    const attributes = this.#tracer.isOn ? roomAttributes(address, this.#gatewayId) : {};
    this.#tracer.always(name, SpanKind.INTERNAL, null, attributes)?.fail(error);
  }

  #begin(kind: ReadKind, address: RoomAddress): OpenSpan {
    const attributes = roomAttributes(address, this.#gatewayId);
    attributes["messaging.operation.name"] = kind;
    return this.#tracer.begin(hopName(kind, address.class), SpanKind.INTERNAL, null, attributes);
  }
}
