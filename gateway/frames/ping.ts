/**
 * Ping: is the connection alive, and what time is it on the server.
 */
import type { Ping } from "../../proto/gen/tidegate/client/v1/session.ts";
import type { Connection } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { encodeServerFrame } from "../server-frames.ts";

export function handlePing(context: GatewayContext, connection: Connection, ping: Ping): void {
  const value = { id: ping.id, serverTimeUs: BigInt(context.clock.nowUs()) };
  context.sender.send(connection, encodeServerFrame({ $case: "pong", value }));
}
