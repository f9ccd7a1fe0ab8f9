/**
 * Entries of the audit log as they are stored: keys in the order of time, bounded texts.
 *
 * Pure.
 */
import { AuditEntry } from "../../proto/gen/tidegate/control/v1/audit.ts";
import type { Caller } from "../access/caller.ts";

/** What keys of audit entries begin with; "audit.<yyyymmdd>.<entry>" in the bucket "control". */
export const AUDIT_PREFIX = "audit.";
/** Bytes of `before` and of `after`: an entry is read by people, and a page holds 500. */
export const STATE_BYTES_MAX = 8192;
/** Characters of `detail`. */
const detailCharsMax = 512;
/** Characters of a caller's own words: resource, principal, peer. */
const wordCharsMax = 256;

/** Which call, and what it is about. */
export interface AuditSubject {
  /** "<package>.<Service>/<Method>". */
  readonly method: string;
  /** Resource name, or empty. */
  readonly resource: string;
}

/** How the call ended. */
export interface AuditOutcome {
  /** What it was and what it became: anything JSON can say, undefined for nothing. */
  readonly before?: unknown;
  readonly after?: unknown;
  /** Code of proto/errors.json; left out for "OK". */
  readonly code?: string;
  readonly detail?: string;
  readonly requestId?: string;
  readonly suppressedCount?: number;
}

/** A key and the value to write there. */
export interface EncodedEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * The entry of a call.
 *
 * @param caller null when it did not prove who it is.
 * @param peer where it came from.
 * @param entry its id, of {@link entryId}.
 */
export function encodeEntry(
  subject: AuditSubject,
  caller: Caller | null,
  peer: string,
  outcome: AuditOutcome,
  entry: { readonly id: string; readonly timeMs: number },
): EncodedEntry {
  const record: AuditEntry = {
    name: `auditEntries/${entry.id}`,
    time: new Date(entry.timeMs),
    principal: cut(caller?.principal ?? "", wordCharsMax),
    role: caller?.role ?? "",
    peer: cut(peer, wordCharsMax),
    method: subject.method,
    resource: cut(subject.resource, wordCharsMax),
    before: stateText(outcome.before),
    after: stateText(outcome.after),
    outcome: outcome.code ?? "OK",
    detail: cut(outcome.detail ?? "", detailCharsMax),
    requestId: outcome.requestId ?? "",
    suppressedCount: BigInt(outcome.suppressedCount ?? 0),
  };
  return { key: entryKey(entry.id), value: AuditEntry.encode(record).finish() };
}

/**
 * Id of an entry: later ones sort behind earlier ones.
 *
 * @param count of entries this process made; tells those of one millisecond apart, in order.
 * @param instance of this process: [a-z0-9]+; tells processes apart.
 */
export function entryId(timeMs: number, count: number, instance: string): string {
  const ms = String(timeMs).padStart(13, "0");
  return `${ms}-${String(count % 1_000_000).padStart(6, "0")}-${instance}`;
}

/** Time of an id, ms since 1970-01-01 UTC; NaN when it is none. */
export function timeOfEntryId(id: string): number {
  return /^\d{13}-\d{6}-[a-z0-9]+$/.test(id) ? Number(id.slice(0, 13)) : Number.NaN;
}

/** KV key of an entry. */
export function entryKey(id: string): string {
  return `${dayPrefix(timeOfEntryId(id))}${id}`;
}

/** What keys of a day's entries begin with. */
export function dayPrefix(timeMs: number): string {
  return `${AUDIT_PREFIX}${new Date(timeMs).toISOString().slice(0, 10).replaceAll("-", "")}.`;
}

/** JSON of a state; a message of protobuf as well as any other. */
function stateText(state: unknown): string {
  if (state === undefined || state === null) return "";
  const text = JSON.stringify(state, jsonValue);
  const bytes = Buffer.byteLength(text);
  return bytes <= STATE_BYTES_MAX ? text : JSON.stringify({ leftOutBytes: bytes });
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value;
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}
