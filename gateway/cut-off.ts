/**
 * Members of a gateway that is cut off from the bus are told, and told again when it is back.
 *
 * No member is moved for it: that helps only if another gateway is known to be on the bus.
 */
import type { Unsubscribe } from "../bus/bus.ts";
import { type Connection, MemberState } from "./connection.ts";
import type { GatewayContext } from "./context.ts";
import { describePolicy } from "./frames/join.ts";
import { encodeServerFrame } from "./server-frames.ts";

/** Connections told in one turn of the loop; about 5 ms with a few rooms each. */
const TOLD_AT_ONCE = 500;

/** Tells every member whenever the bus says so; call what it returns to end that. */
export function followCutOff(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
): Unsubscribe {
  return context.bus.followCutOff((isCutOff) => {
    const text = isCutOff ? "cut off from the bus, members are told" : "on the bus again";
    context.log.warn({ memberCount: context.rooms.memberCount }, text);
    tellAll(context, [...connections]);
  });
}

/** The state is read as each is told, so that the last word is true. */
function tellAll(context: GatewayContext, waiting: Connection[]): void {
  for (const connection of waiting.splice(0, TOLD_AT_ONCE)) tell(context, connection);
  if (waiting.length > 0) setImmediate(() => tellAll(context, waiting));
}

function tell(context: GatewayContext, connection: Connection): void {
  for (const membership of [...connection.memberships]) {
    if (membership.state === MemberState.JOINING) continue; // Joined will say it
    const { room } = membership;
    const policy = describePolicy(room.policy, membership, context.bus.isCutOff);
    const value = { roomAlias: room.alias, policy };
    context.sender.send(connection, encodeServerFrame({ $case: "roomPolicyChanged", value }));
  }
}
