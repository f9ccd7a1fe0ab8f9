/**
 * Version gates: what a request means for the stored record, and what callers see.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { checkGate } from "../../proto/gates/check-gate.ts";
import { gateName, isGateId } from "../../proto/gates/names.ts";
import { GateAction, VersionGate } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { enumName } from "../audit/enum-name.ts";
import type { RecordChange, StoredRecord } from "../control-store.ts";
import {
  type FieldViolation,
  InvalidFieldsError,
  refuseInvalidFields,
  shown,
} from "../invalid-fields.ts";

/** What an update says. */
export interface GateWish {
  readonly given: VersionGate;
  readonly mask: readonly string[];
  readonly allowMissing: boolean;
}

/** Fields that a caller may set, as in the .proto file and in the code. */
const settable = new Map<string, keyof VersionGate>([
  ["tenant", "tenant"],
  ["client", "client"],
  ["platform", "platform"],
  ["room_classes", "roomClasses"],
  ["required", "required"],
  ["versions", "versions"],
  ["action", "action"],
  ["message", "message"],
  ["download_url", "downloadUrl"],
  ["percent", "percent"],
  ["priority", "priority"],
  ["sets", "sets"],
  ["gateways", "gateways"],
]);
/** Fields that only the server writes, or that name the gate: ignored in a mask (AIP-203). */
const outputFields = ["name", "etag", "update_time"];

/**
 * The id of a "gates/{gate}".
 *
 * @param field the request's field, named in the error.
 * @throws {InvalidFieldsError} `REQUEST_INVALID`.
 */
export function parseGateName(name: string, field: string): string {
  const id = name.startsWith("gates/") ? name.slice("gates/".length) : "";
  if (isGateId(id)) return id;
  const description = `${shown(name)} is not "gates/{gate}", gate [a-z][a-z0-9-]{0,31}`;
  throw new InvalidFieldsError([{ field, description }]);
}

/** A gate as callers see it; null when there is none. */
export function presentGate(id: string, { value, revision }: StoredRecord): VersionGate | null {
  if (value === null) return null;
  return { ...VersionGate.decode(value), name: gateName(id), etag: String(revision) };
}

/** @throws {CodedError} `REQUEST_INVALID`, `ALREADY_EXISTS`. */
export function decideGateCreate(
  id: string,
  stored: StoredRecord,
  given: VersionGate,
  nowMs: number,
): RecordChange {
  refuseFaults(given);
  if (stored.value !== null) {
    throw new CodedError("ALREADY_EXISTS", `${gateName(id)} exists; update it instead`);
  }
  return write(id, given, undefined, nowMs);
}

/** @throws {CodedError} `REQUEST_INVALID`, `NOT_FOUND`. */
export function decideGateUpdate(
  id: string,
  stored: StoredRecord,
  { given, mask, allowMissing }: GateWish,
  nowMs: number,
): RecordChange {
  refuseInvalidFields(checkMask(mask));
  const present = presentGate(id, stored);
  if (present === null) {
    if (allowMissing) return decideGateCreate(id, stored, given, nowMs);
    throw notFound(id);
  }
  const next = { ...present };
  for (const [path, field] of settable) {
    const isNamed = mask.includes("*") || mask.includes(path);
    if (isNamed || (mask.length === 0 && isGiven(given, field))) {
      Object.assign(next, { [field]: given[field] });
    }
  }
  refuseFaults(next);
  if (Buffer.compare(encodeBare(next), encodeBare(present)) === 0) return { kind: "none" };
  return write(id, next, present, nowMs);
}

/** @throws {CodedError} `NOT_FOUND`. */
export function decideGateDelete(id: string, stored: StoredRecord): RecordChange {
  const present = presentGate(id, stored);
  if (present === null) throw notFound(id);
  return { kind: "erase", before: describeGate(present) };
}

/** That there is no such gate. */
export function notFound(id: string): CodedError {
  return new CodedError("NOT_FOUND", `there is no ${gateName(id)}`);
}

/**
 * Refuses a gate with faults, by the path of each.
 *
 * @throws {InvalidFieldsError} `REQUEST_INVALID`.
 */
export function refuseFaults(gate: VersionGate): void {
  const violations = checkGate(gate).map(({ path, description }) => ({
    field: `version_gate.${path}`,
    description,
  }));
  refuseInvalidFields(violations);
}

function checkMask(mask: readonly string[]): FieldViolation[] {
  const known = ["*", ...settable.keys(), ...outputFields];
  return mask
    .filter((path) => !known.includes(path))
    .map((path) => ({
      field: "update_mask",
      description: `${shown(path)} is not a field; write ${[...settable.keys()].join(", ")} or *`,
    }));
}

function isGiven(gate: VersionGate, field: keyof VersionGate): boolean {
  const value = gate[field];
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== "" && (value !== 0 || field === "percent");
}

function write(
  id: string,
  gate: VersionGate,
  before: VersionGate | undefined,
  nowMs: number,
): RecordChange {
  const record = { ...gate, name: gateName(id), etag: "", updateTime: new Date(nowMs) };
  return {
    kind: "write",
    value: VersionGate.encode(record).finish(),
    before: before === undefined ? undefined : describeGate(before),
    after: describeGate(record),
  };
}

function encodeBare(gate: VersionGate): Uint8Array {
  return VersionGate.encode({ ...gate, etag: "", updateTime: undefined }).finish();
}

/** A gate as the audit log shows it: words for numbers, and no empty fields. */
function describeGate(gate: VersionGate): object {
  const { etag, updateTime, name, ...fields } = gate;
  const isActing = fields.action !== GateAction.UNSPECIFIED;
  const action = isActing ? enumName(GateAction, fields.action) : "";
  const said = Object.entries({ ...fields, action }).filter(
    ([field, value]) =>
      value !== "" &&
      (value !== 0 || field === "percent") &&
      value !== undefined &&
      !isEmpty(value),
  );
  return Object.fromEntries(said);
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
