/**
 * The spans of messages: which publishes are sampled, and what is recorded on their way.
 *
 * What is not sampled costs one comparison on the way in (a ratio of 0, and a frame that asks for
 * nothing) and one on the way out (a byte of the envelope); nothing is allocated. Spans are per
 * message and gateway, never per member.
 */
import type { DurableMessage } from "../../bus/bus.ts";
import { traceOf } from "../../bus/envelope.ts";
import { formatPosition } from "../../bus/position.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import type { CodedError } from "../../proto/coded-error.ts";
import { ROOM_NAME_BYTES_MAX } from "../../proto/room-name.ts";
import { decideSample } from "../../telemetry/tracing/sampler.ts";
import { type SpanAttributes, SpanKind } from "../../telemetry/tracing/span.ts";
import { parseTraceparent, type RemoteContext } from "../../telemetry/tracing/trace-context.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";
import type { Connection } from "../connection.ts";
import { Action, type Identity, isGranted } from "../identity.ts";
import type { PublishScan } from "../publish-scan.ts";
import { DeliverTrace } from "./deliver-trace.ts";
import { PublishTrace } from "./publish-trace.ts";
import { ReadTraces } from "./read-traces.ts";
import { Hop, hopAttributes, hopName } from "./room-attributes.ts";
import type { TraceRatios } from "./trace-ratios.ts";

/** A publish that was refused before anything of it was recorded. */
export interface RefusedPublish {
  readonly connection: Connection;
  /** As the client calls it. */
  readonly room: string;
  /** Null when there is no such room. */
  readonly address: RoomAddress | null;
  /** What the frame brought; empty for none. */
  readonly traceparent: string;
  /** When it came, µs; now, if left out. */
  readonly startUs?: number;
}

export class MessageTraces {
  readonly ratios: TraceRatios;
  readonly reads: ReadTraces;
  readonly #tracer: Tracer;
  readonly #gatewayId: string;
  /** When traced messages came that could not be handed out at once, µs, by envelope. */
  readonly #arrivals = new WeakMap<Uint8Array, number>();

  constructor(tracer: Tracer, gatewayId: string, ratios: TraceRatios) {
    this.#tracer = tracer;
    this.#gatewayId = gatewayId;
    this.ratios = ratios;
    this.reads = new ReadTraces(tracer, gatewayId, ratios);
  }

  /**
   * Begins the spans of a publish; null: it is not sampled. Hot path, once per publish. Budget: 0
   * allocations where it is not.
   */
  beginPublish(
    connection: Connection,
    identity: Identity,
    address: RoomAddress,
    scan: PublishScan,
  ): PublishTrace | null {
    if (this.ratios.isZero && scan.traceparent === "") return null;
    if (!this.#tracer.isOn) return null;
    const parent = this.#askedParent(identity, address.room, scan.traceparent);
    const ratio = this.ratios.of(connection, identity, address.class);
    const sampled = decideSample({ parent, mayAsk: true, ratio, random: Math.random() });
    if (sampled === "no") return null;
    const attributes = hopAttributes(Hop.INGRESS, address, this.#gatewayId);
    this.#describeSender(attributes, connection);
    attributes["messaging.message.body.size"] = scan.payloadEnd - scan.payloadStart;
    const name = hopName(Hop.INGRESS, address.class);
    const ingress = this.#tracer.begin(name, SpanKind.SERVER, parent, attributes);
    const send = ingress.child(
      hopName(Hop.PUBLISH, address.class),
      SpanKind.PRODUCER,
      hopAttributes(Hop.PUBLISH, address, this.#gatewayId),
    );
    return new PublishTrace(ingress, send);
  }

  /**
   * Records the ingress of a publish that failed and was not sampled: errors always are, a bounded
   * number a second.
   *
   * @returns the id of its trace; empty when it is not recorded.
   */
  recordRefusal(refused: RefusedPublish, error: CodedError): string {
    if (!this.#tracer.isOn) return "";
    const { connection, room, address, traceparent, startUs } = refused;
    const { identity } = connection;
    const parent = identity === null ? null : this.#askedParent(identity, room, traceparent);
    const name = hopName(Hop.INGRESS, address?.class ?? "unknown");
    const span = this.#tracer.always(name, SpanKind.SERVER, parent, {}, startUs);
    if (span === null) return "";
    const attributes =
      address === null
        ? { "messaging.destination.name": shownName(room), "tidegate.gateway": this.#gatewayId }
        : hopAttributes(Hop.INGRESS, address, this.#gatewayId);
    Object.assign(span.attributes, attributes);
    this.#describeSender(span.attributes, connection);
    span.fail(error);
    return span.traceId;
  }

  /** A message came that has to wait; hot where it is not traced: its caller asks isTraced. */
  noteArrival(envelope: Uint8Array): void {
    if (this.#tracer.isOn) this.#arrivals.set(envelope, this.#tracer.nowUs());
  }

  /**
   * Begins the spans of a message that {@link isTraced}; null when nothing is recorded here.
   *
   * @param message null in ephemeral rooms.
   */
  beginDeliver(
    address: RoomAddress,
    envelope: Uint8Array,
    message: DurableMessage | null,
  ): DeliverTrace | null {
    if (!this.#tracer.isOn) return null;
    const published = traceOf(envelope);
    if (published === null) return null;
    const attributes = hopAttributes(Hop.DELIVER, address, this.#gatewayId);
    attributes["messaging.message.envelope.size"] = envelope.length;
    if (message !== null) attributes["messaging.message.id"] = formatPosition(message);
    const deliver = this.#tracer.begin(
      hopName(Hop.DELIVER, address.class),
      SpanKind.CONSUMER,
      published,
      attributes,
      this.#arrivals.get(envelope),
    );
    deliver.link(published);
    const fanout = deliver.child(
      hopName(Hop.FANOUT, address.class),
      SpanKind.PRODUCER,
      hopAttributes(Hop.FANOUT, address, this.#gatewayId),
    );
    return new DeliverTrace(deliver, fanout);
  }

  /** The context that a frame brought, if its sender may ask for a trace of the room. */
  #askedParent(identity: Identity, room: string, traceparent: string): RemoteContext | null {
    const parent = traceparent === "" ? null : parseTraceparent(traceparent);
    return parent !== null && isGranted(identity, Action.TRACE, room) ? parent : null;
  }

  #describeSender(attributes: SpanAttributes, { number, identity }: Connection): void {
    attributes["messaging.client.id"] = `${this.#gatewayId}-${number.toString(36)}`;
    if (identity !== null && identity.user !== "") attributes["user.id"] = identity.user;
  }
}

/** What is no room name may be as long as a frame; a span has 1 kB. */
function shownName(room: string): string {
  return room.length > ROOM_NAME_BYTES_MAX ? "" : room;
}
