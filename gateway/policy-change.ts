/**
 * A changed room class, or identity of a connection, reaches the rooms and members that are here
 * now.
 */
import type { ClassPolicy } from "../proto/room-class.ts";
import { isPermitted } from "./auth/permission.ts";
import type { Classes } from "./classes.ts";
import { type Connection, MemberState, type Membership } from "./connection.ts";
import type { GatewayContext } from "./context.ts";
import { describePolicy } from "./frames/join.ts";
import { endMembership } from "./frames/leave.ts";
import { memberMayPublish } from "./frames/publish.ts";
import { Action } from "./identity.ts";
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

/** Applies a connection's identity, which is another one now, to the rooms it is in. */
export function applyIdentity(context: GatewayContext, connection: Connection): void {
  for (const membership of [...connection.memberships]) {
    applyToMembership(context, membership, membership.room.policy);
  }
}

function applyToConnection(
  context: GatewayContext,
  connection: Connection,
  roomClass: string,
  policy: ClassPolicy | null,
): void {
  for (const membership of [...connection.memberships]) {
    if (membership.room.address.class !== roomClass) continue;
    if (policy === null) endMembership(context, membership, 0, "ROOM_CLASS_UNKNOWN");
    else applyToMembership(context, membership, policy);
  }
}

function applyToMembership(
  context: GatewayContext,
  membership: Membership,
  policy: ClassPolicy,
): void {
  const { room, connection } = membership;
  const { identity } = connection;
  if (identity === null) return;
  if (!isPermitted(identity, Action.JOIN, membership.name, policy)) {
    endMembership(context, membership, 0, "PERMISSION_DENIED");
    return;
  }
  membership.mayPublish = memberMayPublish(membership);
  if (membership.state === MemberState.JOINING) return; // Joined will say it
  const described = describePolicy(policy, membership, context.bus.isCutOff);
  const value = { roomAlias: room.alias, policy: described };
  context.sender.send(connection, encodeServerFrame({ $case: "roomPolicyChanged", value }));
}
