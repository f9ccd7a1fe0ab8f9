/**
 * A changed room class reaches the rooms and members that are here now.
 */
import type { ClassPolicy } from "../proto/room-class.ts";
import type { Classes } from "./classes.ts";
import { type Connection, MemberState } from "./connection.ts";
import type { GatewayContext } from "./context.ts";
import { describePolicy } from "./frames/join.ts";
import { endMembership } from "./frames/leave.ts";
import { memberMayPublish } from "./frames/publish.ts";
import { encodeServerFrame } from "./server-frames.ts";

/** Applies the present policy of a tenant's class to every open room and its members. */
export function applyClassChange(
  context: GatewayContext,
  classes: Classes,
  connections: ReadonlySet<Connection>,
  tenant: string,
  roomClass: string,
): void {
  context.rooms.forgetTargets();
  const policy = classes.find(tenant, roomClass);
  for (const room of context.rooms.all()) {
    const isConcerned = room.address.tenant === tenant && room.address.class === roomClass;
    if (isConcerned && policy !== null) room.policy = policy;
  }
  for (const connection of connections) {
    if (connection.identity?.tenant === tenant) {
      applyToConnection(context, connection, roomClass, policy);
    }
  }
}

function applyToConnection(
  context: GatewayContext,
  connection: Connection,
  roomClass: string,
  policy: ClassPolicy | null,
): void {
  const { identity } = connection;
  if (identity === null) return;
  for (const membership of [...connection.memberships]) {
    const { room } = membership;
    if (room.address.class !== roomClass) continue;
    if (policy === null) {
      endMembership(context, membership, 0, "ROOM_CLASS_UNKNOWN");
      continue;
    }
    membership.mayPublish = memberMayPublish(membership);
    if (membership.state === MemberState.JOINING) continue; // Joined will say it
    const described = describePolicy(policy, membership, context.bus.isCutOff);
    const value = { roomAlias: room.alias, policy: described };
    context.sender.send(connection, encodeServerFrame({ $case: "roomPolicyChanged", value }));
  }
}
