/**
 * Refresh: another token for the same user, on the connection that is open.
 *
 * One at a time on a connection: they cost what a login costs, and the last one asked for is the
 * one that counts.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Refresh } from "../../proto/gen/tidegate/client/v1/session.ts";
import { TOKEN_BYTES_MAX } from "../auth/authenticate.ts";
import { refuseRevoked } from "../auth/revocation-watch.ts";
import { type Connection, Phase } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import type { Identity } from "../identity.ts";
import { applyIdentity } from "../policy-change.ts";
import { encodeServerFrame } from "../server-frames.ts";

/** Connections whose Refresh is being looked at. */
export type Refreshing = Set<Connection>;

/** Answers by Refreshed, or by an error after which the old token stays in force. */
export function handleRefresh(
  context: GatewayContext,
  connection: Connection,
  refresh: Refresh,
): void {
  const { requestId } = refresh;
  const { refreshing, sender, connectionLog } = context;
  if (refreshing.has(connection)) {
    const detail = "a Refresh is being looked at; wait for its answer";
    sender.sendError(connection, requestId, new CodedError("IN_FLIGHT_LIMIT", detail));
    return;
  }
  refreshing.add(connection);
  answer(context, connection, refresh)
    .catch((error: unknown) => {
      const coded = CodedError.from(error);
      if (coded.code === "INTERNAL") connectionLog.error(connection, { error }, "refresh failed");
      sender.sendError(connection, requestId, coded);
    })
    .finally(() => refreshing.delete(connection));
}

async function answer(
  context: GatewayContext,
  connection: Connection,
  { token, requestId }: Refresh,
): Promise<void> {
  if (Buffer.byteLength(token) > TOKEN_BYTES_MAX) {
    throw new CodedError("TOKEN_INVALID", `the token is longer than ${TOKEN_BYTES_MAX} bytes`);
  }
  const identity = await context.authenticate(token);
  const { identity: before, phase } = connection;
  if (before === null || phase !== Phase.OPEN) return;
  checkSame(before, identity);
  refuseRevoked(context, identity);
  connection.identity = identity;
  context.tokenWatch.follow(connection);
  const value = { requestId, tokenExpiresInMs: context.tokenWatch.expiresInMs(connection) };
  context.sender.send(connection, encodeServerFrame({ $case: "refreshed", value }));
  applyIdentity(context, connection);
  const isAsked = JSON.stringify(identity.attributes) !== JSON.stringify(before.attributes);
  if (isAsked) context.flags.refresh(connection);
}

/**
 * Seats, rooms and the producer hash are the user's: another one has to connect.
 *
 * @throws {CodedError} `TOKEN_INVALID`.
 */
function checkSame(before: Identity, now: Identity): void {
  const isSame =
    before.tenant === now.tenant &&
    before.user === now.user &&
    before.isAnonymous === now.isAnonymous;
  if (isSame) return;
  const detail = "the token is of another tenant or user; open a connection for it";
  throw new CodedError("TOKEN_INVALID", detail);
}
