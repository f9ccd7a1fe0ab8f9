/**
 * Gates and clients for tests.
 */
import assert from "node:assert/strict";
import { compileGate, type Gate, orderGates } from "../../../proto/gates/compile-gate.ts";
import { type GateSubject, readBuild } from "../../../proto/gates/judge-client.ts";
import { VersionGate } from "../../../proto/gen/tidegate/control/v1/version_gate.ts";

/** A record with these fields; the others as if not sent. */
export function gateRecord(fields: Partial<VersionGate>): VersionGate {
  return { ...VersionGate.decode(new Uint8Array(0)), ...fields };
}

/** A gate; throws when it has a fault. */
export function gate(id: string, fields: Partial<VersionGate>): Gate {
  const compiled = compileGate(id, gateRecord(fields));
  assert(typeof compiled !== "string", String(compiled));
  return compiled;
}

/** Gates in order, by name. */
export function gates(records: Readonly<Record<string, Partial<VersionGate>>>): Gate[] {
  return orderGates(Object.entries(records).map(([id, fields]) => gate(id, fields)));
}

/** A client of "game" on ios, unless told otherwise. */
export function client(version: string, more: Partial<Record<string, string>> = {}): GateSubject {
  const { name = "game", platform = "ios", tenant = "acme", key = "anna" } = more;
  return { tenant, key, build: readBuild({ name, version, platform }) };
}
