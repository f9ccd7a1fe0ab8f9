/**
 * Connections closed on an operator's word: one, or all of a user.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { DisconnectQuestion } from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { Connection } from "../connection.ts";
import { connectionId } from "../connection-id.ts";
import type { GatewayContext } from "../context.ts";

const reasonDefault = "an operator has ended this connection";

/** Closes them, unless they are only to be counted. @returns how many there were. */
export function disconnect(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
  { tenant, target, reason, validateOnly }: DisconnectQuestion,
): number {
  const found = [...connections].filter((connection) => {
    const { identity, number } = connection;
    if (identity?.tenant !== tenant || target === undefined) return false;
    if (target.$case === "user") return identity.user === target.value && target.value !== "";
    return connectionId(context.gatewayId, number) === target.value;
  });
  if (validateOnly) return found.length;
  for (const connection of found) {
    context.sender.close(connection, new CodedError("DISCONNECTED", reason || reasonDefault));
  }
  return found.length;
}
