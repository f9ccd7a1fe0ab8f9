/**
 * What a gateway answers of one user: the connections here, and how far they are in a room.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  MembershipState,
  type UserAnswer,
  type UserConnection,
  type UserQuestion,
} from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import { type Connection, MemberState } from "../connection.ts";
import { connectionId } from "../connection-id.ts";
import type { GatewayContext } from "../context.ts";
import { wirePosition } from "../fanout.ts";
import { throughOf } from "../journal/client-journal.ts";

/** Connections of one answer at most. */
const CONNECTION_COUNT_MAX = 100;
/** Connections looked at in one turn of the loop: below 1 ms. */
const LOOK_COUNT = 2000;

const states: Readonly<Record<MemberState, MembershipState>> = {
  [MemberState.JOINING]: MembershipState.JOINING,
  [MemberState.LIVE]: MembershipState.LIVE,
  [MemberState.CATCHING_UP]: MembershipState.CATCHING_UP,
  [MemberState.WAITING]: MembershipState.SLOW,
  [MemberState.LAGGING]: MembershipState.SLOW,
  [MemberState.LEFT]: MembershipState.UNSPECIFIED,
};

/** The answer; what was noted before is in the journal then, or the bus takes none. */
export async function describeUser(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
  { tenant, user, room }: UserQuestion,
): Promise<UserAnswer> {
  const found: UserConnection[] = [];
  let looked = 0;
  for (const connection of connections) {
    looked += 1;
    if (looked % LOOK_COUNT === 0) await nextTurn();
    const { identity } = connection;
    if (identity?.tenant !== tenant || identity.user !== user) continue;
    if (found.length >= CONNECTION_COUNT_MAX) break;
    found.push(describe(context, connection, room));
  }
  // After the look: who has gone meanwhile has left a record, which is kept now.
  await context.bus.journal.flush();
  return { connections: found, cutOff: context.bus.isCutOff };
}

function describe(context: GatewayContext, connection: Connection, room: string): UserConnection {
  const { number, profile, memberships, socket } = connection;
  const membership = memberships.find((each) => each.room.address.room === room);
  const through = membership === undefined ? null : throughOf(membership);
  return {
    connection: connectionId(context.gatewayId, number),
    clientName: profile?.build.name ?? "",
    clientVersion: profile?.build.version ?? "",
    clientPlatform: profile?.build.platform ?? "",
    clientRegion: profile?.region ?? "",
    membership: membership && {
      state: states[membership.state],
      through: through === null ? undefined : wirePosition(through),
      mayPublish: membership.mayPublish,
    },
    waitingBytes: BigInt(socket?.getBufferedAmount() ?? 0),
  };
}
