/**
 * Leave: end a membership, asked for or not.
 */
import { CodedError, type ErrorCode } from "../../proto/coded-error.ts";
import type { Leave } from "../../proto/gen/tidegate/client/v1/room.ts";
import {
  type Connection,
  findMembership,
  MemberState,
  type Membership,
  removeMembership,
} from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { encodeServerFrame } from "../server-frames.ts";

export function handleLeave(context: GatewayContext, connection: Connection, leave: Leave): void {
  const membership = findMembership(connection, leave.roomAlias);
  if (membership === null || membership.state === MemberState.JOINING) {
    const detail = `room alias ${leave.roomAlias} is not joined here`;
    context.sender.sendError(connection, leave.requestId, new CodedError("NOT_JOINED", detail));
    return;
  }
  endMembership(context, membership, leave.requestId, null);
}

/** Ends a membership and says Left; `code` says why when the gateway ends it. */
export function endMembership(
  context: GatewayContext,
  membership: Membership,
  requestId: number,
  code: ErrorCode | null,
): void {
  const { connection, room, state } = membership;
  connection.socket?.unsubscribe(room.topic); // also a lagging member that is not detached yet
  context.seats.leave(connection, room.address.token);
  context.journal.left(membership, code);
  membership.endCode = code;
  removeMembership(membership);
  context.rooms.release(room);
  if (state === MemberState.JOINING) return; // knows no alias yet; its Join is answered by an error
  const value = { requestId, roomAlias: room.alias, code: code ?? "" };
  context.sender.send(connection, encodeServerFrame({ $case: "left", value }));
}
