/**
 * Sets of flags: what a request means for the stored record, and what callers see.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Fault, Json } from "../../proto/flags/faults.ts";
import {
  CLIENT_FLAG_COUNT_MAX,
  FLAG_SET_COUNT_MAX,
  flagSetName,
  isFlagSetId,
} from "../../proto/flags/flag-record.ts";
import type { StoredFlagSet } from "../../proto/flags/merge-flag-sets.ts";
import { type ParsedFlagSet, parseFlagSet } from "../../proto/flags/parse-flag-set.ts";
import { FlagSet } from "../../proto/gen/tidegate/control/v1/flag_set.ts";
import type { RecordChange, StoredRecord } from "../control-store.ts";
import {
  type FieldViolation,
  InvalidFieldsError,
  refuseInvalidFields,
  shown,
} from "../invalid-fields.ts";

/** A set to be stored. */
export interface FlagSetWish {
  readonly id: string;
  readonly definition: string;
  /** Whether there may be one already, and whether there may be none. */
  readonly mayExist: boolean;
  readonly mayBeMissing: boolean;
}

/** The id of a "flagSets/{set}". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseFlagSetName(name: string, field: string): string {
  const [collection, id = "", ...rest] = name.split("/");
  if (collection === "flagSets" && rest.length === 0 && isFlagSetId(id)) return id;
  const description = `${shown(name)} is not "flagSets/{set}", set [a-z][a-z0-9-]{0,31}`;
  throw new InvalidFieldsError([{ field, description }]);
}

/** A set as callers see it; null when there is none. */
export function presentFlagSet(id: string, { value, revision }: StoredRecord): FlagSet | null {
  if (value === null) return null;
  return { ...FlagSet.decode(value), name: flagSetName(id), etag: String(revision) };
}

/** A stored set, parsed; null for one that these rules do not take any more. */
export function readStored(record: FlagSet): StoredFlagSet | null {
  const { set } = parseFlagSet(record.definition);
  if (set === null) return null;
  const versions = record.flagVersions.map(({ key, version }) => [key, Number(version)] as const);
  return { parsed: set, versions: new Map(versions) };
}

/**
 * What storing a definition does.
 *
 * @param others all sets but this one, by id.
 * @throws {CodedError} `REQUEST_INVALID` with the path of each fault, `ALREADY_EXISTS`,
 *   `NOT_FOUND`.
 */
export function decideFlagSetWrite(
  stored: StoredRecord,
  { id, definition, mayExist, mayBeMissing }: FlagSetWish,
  others: ReadonlyMap<string, ParsedFlagSet>,
  nowMs: number,
): RecordChange {
  const present = presentFlagSet(id, stored);
  if (present === null && !mayBeMissing) throw missingFlagSet(id);
  if (present !== null && !mayExist) {
    throw new CodedError("ALREADY_EXISTS", `${flagSetName(id)} exists; update it instead`);
  }
  const { set, faults } = parseFlagSet(definition);
  refuseInvalidFields(faults.map(toViolation));
  if (set === null) throw new InvalidFieldsError(faults.map(toViolation));
  refuseInvalidFields(findConflicts(id, set, others));
  if (present !== null && present.definition === definition) return { kind: "none" };
  const before = present === null ? null : readStored(present);
  const version = Math.max(nowMs, Number(present?.version ?? 0n) + 1);
  const flagVersions = [...set.flags.values()].map(({ key, text }) => {
    const isSame = before?.parsed.flags.get(key)?.text === text;
    const kept = isSame ? before?.versions.get(key) : undefined;
    return { key, version: BigInt(kept ?? version) };
  });
  const record: FlagSet = {
    ...{ name: "", etag: "", definition, version: BigInt(version), flagVersions },
    updateTime: new Date(nowMs),
  };
  return {
    kind: "write",
    value: FlagSet.encode(record).finish(),
    before: present === null ? undefined : describe(before?.parsed ?? null, set),
    after: describe(set, before?.parsed ?? null),
  };
}

/** What deleting does. @throws {CodedError} `NOT_FOUND`. */
export function decideFlagSetDelete(id: string, stored: StoredRecord): RecordChange {
  const present = presentFlagSet(id, stored);
  if (present === null) throw missingFlagSet(id);
  return { kind: "erase", before: describe(readStored(present)?.parsed ?? null, null) };
}

/** @returns the error for a set that there is not. */
export function missingFlagSet(id: string): CodedError {
  return new CodedError("NOT_FOUND", `there is no ${flagSetName(id)}`);
}

/** A fault of a definition as one of the request. */
export function toViolation({ path, what }: Fault): FieldViolation {
  const field = path === "" ? "flag_set.definition" : `flag_set.definition.${path}`;
  return { field, description: what };
}

/** What only all sets together show. */
function findConflicts(
  id: string,
  set: ParsedFlagSet,
  others: ReadonlyMap<string, ParsedFlagSet>,
): FieldViolation[] {
  const conflicts: FieldViolation[] = [];
  if (others.size >= FLAG_SET_COUNT_MAX) {
    const description = `${shown(id)} would be one more than ${FLAG_SET_COUNT_MAX} sets, the most`;
    conflicts.push({ field: "flag_set.name", description });
  }
  const countClients = ({ flags }: ParsedFlagSet) =>
    [...flags.values()].filter(({ isForClients }) => isForClients).length;
  let clientCount = countClients(set);
  for (const [other, { flags }] of others) {
    for (const key of set.flags.keys()) {
      if (!flags.has(key)) continue;
      const description = `is a flag of ${flagSetName(other)}`;
      conflicts.push({ field: `flag_set.definition.flags[${JSON.stringify(key)}]`, description });
    }
  }
  for (const other of others.values()) clientCount += countClients(other);
  if (clientCount > CLIENT_FLAG_COUNT_MAX) {
    const description = `${clientCount} flags of all sets would be for clients, at most`;
    const field = "flag_set.definition.flags";
    conflicts.push({ field, description: `${description} ${CLIENT_FLAG_COUNT_MAX}` });
  }
  return conflicts;
}

/** For the audit log: the flags of one that are not the same in the other. */
function describe(set: ParsedFlagSet | null, other: ParsedFlagSet | null): object {
  const flags: Record<string, Json> = {};
  for (const { key, text, definition } of set?.flags.values() ?? []) {
    if (other?.flags.get(key)?.text !== text) flags[key] = definition;
  }
  return { flagCount: set?.flags.size ?? 0, flags };
}
