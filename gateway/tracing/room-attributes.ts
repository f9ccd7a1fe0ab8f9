/**
 * What the spans of a message say of it, by OpenTelemetry's messaging conventions.
 *
 * Pure. Names of spans hold the class, which is bounded; room and user are attributes alone.
 */
import type { RoomAddress } from "../../bus/subjects.ts";
import type { SpanAttributes } from "../../telemetry/tracing/span.ts";

/** Where a message passes, in its order. */
export const Hop = {
  INGRESS: "ingress",
  PUBLISH: "bus.publish",
  DELIVER: "bus.deliver",
  FANOUT: "fanout",
} as const;
export type Hop = (typeof Hop)[keyof typeof Hop];

/** messaging.operation.type of each. */
const operationTypes: Readonly<Record<Hop, string>> = {
  [Hop.INGRESS]: "receive",
  [Hop.PUBLISH]: "send",
  [Hop.DELIVER]: "receive",
  [Hop.FANOUT]: "send",
};

/** A span's name: the hop and the room's class. */
export function hopName(hop: string, roomClass: string): string {
  return `${hop} ${roomClass}`;
}

/** Attributes that every hop has. @param gateway id of the gateway that it is at. */
export function hopAttributes(hop: Hop, address: RoomAddress, gateway: string): SpanAttributes {
  const attributes = roomAttributes(address, gateway);
  attributes["messaging.operation.name"] = hop;
  attributes["messaging.operation.type"] = operationTypes[hop];
  return attributes;
}

/** Attributes of what is about a room. */
export function roomAttributes(
  { tenant, class: roomClass, room }: RoomAddress,
  gateway: string,
): SpanAttributes {
  return {
    "messaging.system": "tidegate",
    "messaging.destination.name": room,
    "messaging.destination.template": `${roomClass}:*`,
    "tidegate.tenant": tenant,
    "tidegate.gateway": gateway,
  };
}
