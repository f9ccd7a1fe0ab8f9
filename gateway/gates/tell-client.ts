/**
 * What a client is told by a version gate.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Gate } from "../../proto/gates/compile-gate.ts";
import { GateAction } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import type { Connection } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { encodeServerFrame } from "../server-frames.ts";

/** Sends VersionMismatch. @param room that it is about, as the client names it; empty: all. */
export function tellMismatch(
  context: GatewayContext,
  connection: Connection,
  gate: Gate,
  room = "",
): void {
  const { required, message, downloadUrl } = gate.record;
  const version = connection.profile?.build.version ?? "";
  const told = { version, required, message, downloadUrl, room, gate: gate.id };
  const value = { action: gate.action, ...told };
  if (gate.action === GateAction.WARN) context.meters.clients.gates.warn += 1;
  if (gate.action === GateAction.READ_ONLY) context.meters.clients.gates.read_only += 1;
  context.sender.send(connection, encodeServerFrame({ $case: "versionMismatch", value }));
}

/** Sends that a gate which was told of concerns the client no more. */
export function tellOver(
  context: GatewayContext,
  connection: Connection,
  gate: Gate,
  room = "",
): void {
  const version = connection.profile?.build.version ?? "";
  const about = { version, required: "", message: "", downloadUrl: "", room, gate: gate.id };
  const value = { action: GateAction.ALLOW, ...about };
  context.sender.send(connection, encodeServerFrame({ $case: "versionMismatch", value }));
}

/** Tells a client whose build is refused why, and closes. @returns VERSION_REFUSED. */
export function refuseBuild(
  context: GatewayContext,
  connection: Connection,
  gate: Gate,
): CodedError {
  context.gates.refusedCount += 1;
  context.meters.clients.gates.refuse += 1;
  const error = new CodedError("VERSION_REFUSED", describe(connection, gate));
  tellMismatch(context, connection, gate);
  context.sender.close(connection, error);
  return error;
}

/** Why a room is closed to the client's build. */
export function roomRefusal(connection: Connection, gate: Gate, room: string): CodedError {
  const detail = `${JSON.stringify(room)}: ${describe(connection, gate)}`;
  return new CodedError("ROOM_VERSION_REFUSED", detail);
}

/** Why a publish is refused. */
export function readOnlyRefusal(connection: Connection, gate: Gate | null): CodedError {
  const detail = gate === null ? "this build may only read" : describe(connection, gate);
  return new CodedError("VERSION_READ_ONLY", detail);
}

function describe({ profile }: Connection, { id, record }: Gate): string {
  const { name = "", version = "" } = profile?.build ?? {};
  const build = `${name === "" ? "a client" : name} ${version === "" ? "without version" : version}`;
  const wanted = record.required === "" ? "" : `, ${record.required} is wanted`;
  const words = record.message === "" ? "" : ` (${record.message})`;
  return `${build}: version gate "${id}"${wanted}${words}`;
}
