/**
 * A version gate as it is asked: its record, read once.
 *
 * Pure.
 */
import type { Range } from "semver";
import { type GateAction, VersionGate } from "../gen/tidegate/control/v1/version_gate.ts";
import { checkGate } from "./check-gate.ts";
import { GATE_PREFIX, isGateId } from "./names.ts";
import { parseRange } from "./semver.ts";

/** A gate, ready to be asked. */
export interface Gate {
  /** Without "gates/". */
  readonly id: string;
  /** Empty: of all tenants. */
  readonly tenant: string;
  readonly client: string;
  readonly platform: string;
  /** Null: about the connection, and for sets about rooms of all classes. */
  readonly roomClasses: ReadonlySet<string> | null;
  readonly required: Range | null;
  readonly versions: Range | null;
  /** UNSPECIFIED: none. */
  readonly action: GateAction;
  /** 0 to 100. */
  readonly percent: number;
  readonly priority: number;
  readonly sets: readonly GateSet[];
  /** Null: all. */
  readonly gateways: Range | null;
  /** What clients are told; gates with the same text tell the same. */
  readonly told: string;
  readonly record: VersionGate;
}

/** Builds that meet each other only. */
export interface GateSet {
  readonly name: string;
  readonly versions: Range;
}

/**
 * Reads a record of the bus.
 *
 * @param key in the bucket "control".
 * @returns the gate, or a sentence: why it is none. Throws what decoding throws.
 */
export function readGate(key: string, value: Uint8Array): Gate | string {
  const id = key.slice(GATE_PREFIX.length);
  if (!isGateId(id)) return "the key is no gate";
  return compileGate(id, VersionGate.decode(value));
}

/** A gate from its record, or a sentence: the first of its faults. */
export function compileGate(id: string, record: VersionGate): Gate | string {
  const [fault] = checkGate(record);
  if (fault !== undefined) return `${fault.path}: ${fault.description}`;
  const { action, required, message, downloadUrl, roomClasses } = record;
  return {
    id,
    tenant: record.tenant.replace(/^tenants\//, ""),
    client: record.client,
    platform: record.platform,
    roomClasses: roomClasses.length === 0 ? null : new Set(roomClasses),
    required: range(required),
    versions: range(record.versions),
    action,
    percent: record.percent ?? 100,
    priority: record.priority,
    sets: record.sets.flatMap(({ name, versions: text }) => {
      const versions = range(text);
      return versions === null ? [] : [{ name, versions }];
    }),
    gateways: range(record.gateways),
    told: JSON.stringify([id, action, required, message, downloadUrl]),
    record,
  };
}

/**
 * Gates in the order in which they are asked: the first that concerns a client decides. By
 * priority, then the strictest, then by name, so that all gateways agree.
 */
export function orderGates(gates: Iterable<Gate>): Gate[] {
  return [...gates].sort(
    (a, b) => b.priority - a.priority || b.action - a.action || (a.id < b.id ? -1 : 1),
  );
}

/** Null for the empty text; a text that was checked is a range. */
function range(text: string): Range | null {
  const parsed = text === "" ? null : parseRange(text);
  return typeof parsed === "string" ? null : parsed;
}
