/**
 * From the room that a client names to the one that its build gets, or to a refusal.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Gate } from "../../proto/gates/compile-gate.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import type { Connection } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import type { Identity } from "../identity.ts";
import type { Target } from "../rooms.ts";

/** A room as a build gets it. */
export interface GatedRoom {
  readonly target: Target;
  /** The gate that decides about it; null for none. */
  readonly gate: Gate | null;
}

/**
 * What a name stands for. Who refuses by the gate is the caller.
 *
 * @throws {CodedError} `ROOM_NAME_INVALID`, `ROOM_CLASS_UNKNOWN`; `ROOM_VERSION_REFUSED` for the
 *   sibling of another set.
 */
export function gatedRoom(
  context: GatewayContext,
  connection: Connection,
  identity: Identity,
  room: string,
): GatedRoom {
  const { tenant } = identity;
  const target = context.rooms.target(tenant, room);
  const { present } = context.gates;
  if (!present.isAboutRooms) return { target, gate: null };
  const subject = context.gates.subjectOf(connection, identity);
  const roomClass = target.address.class;
  const place = present.placeOf(subject, roomClass, room);
  if (place.isForeign) {
    const detail = `${JSON.stringify(room)} is for builds of another compatible set`;
    throw new CodedError("ROOM_VERSION_REFUSED", detail);
  }
  return {
    target: place.room === room ? target : context.rooms.target(tenant, place.room),
    gate: present.ofRoom(subject, roomClass),
  };
}

/** Whether a gate leaves publishing to its clients. */
export function leavesPublishing(gate: Gate | null): boolean {
  return gate === null || gate.action < GateAction.READ_ONLY;
}
