/**
 * What a call does to a room class: the rules of creation, change and deletion.
 *
 * Pure: reads the state of one class, returns the write that carries the decision out, which
 * room-class-store.ts makes with a compare-and-set on the revision that was looked at. `mode`
 * outlives deletion, because stored messages do: a deleted class keeps its record, marked.
 */
import { CodedError } from "../proto/coded-error.ts";
import {
  AnonymousAccess,
  PublishPermission,
  type RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "../proto/gen/tidegate/control/v1/room_class.ts";
import {
  BUILT_IN_CLASSES,
  DEFAULT_PLACEMENT_GROUP,
  defaultRoomClass,
  roomClassName,
} from "../proto/room-class.ts";
import { enumName } from "./audit/enum-name.ts";
import {
  applyFields,
  checkRoomClass,
  completeRoomClass,
  isSamePolicy,
  updateFields,
} from "./check-room-class.ts";
import { refuseInvalidFields, shown } from "./invalid-fields.ts";
import type { RoomClassId } from "./resource-name.ts";

/** A class as the store has it: `record` null when there is none, and then `revision` 0. */
export interface StoredClass {
  readonly id: RoomClassId;
  readonly record: RoomClass | null;
  /** Of the record; 0 or more. */
  readonly revision: number;
}

/** What to do, if the revision still is the one that was looked at. */
export type ClassChange =
  | { readonly kind: "none"; readonly roomClass: RoomClass }
  | { readonly kind: "write"; readonly record: RoomClass }
  | { readonly kind: "erase" };

/**
 * The class as callers see it: stored, or built in, with `etag` and `built_in`; null when the
 * tenant has none.
 */
export function presentClass(stored: StoredClass): RoomClass | null {
  const { id, record, revision } = stored;
  const builtInMode = BUILT_IN_CLASSES.get(id.class);
  const base = { etag: String(revision), builtIn: builtInMode !== undefined };
  if (record !== null && !record.deleted) return { ...completed(record), ...base };
  if (builtInMode === undefined) return null;
  return { ...defaultRoomClass(roomClassName(id.tenant, id.class), builtInMode), ...base };
}

/**
 * Creation.
 *
 * @param given the caller's class; its `name` has been checked to be empty or the right one.
 * @throws {CodedError} `REQUEST_INVALID`, `ALREADY_EXISTS`, `MODE_IMMUTABLE`,
 *   `GROUP_IMMUTABLE`.
 */
export function decideCreate(stored: StoredClass, given: RoomClass, nowMs: number): ClassChange {
  const name = nameOf(stored);
  const record = completeRoomClass(name, given);
  refuseInvalidFields(checkRoomClass(record));
  if (presentClass(stored) !== null) {
    const kind = BUILT_IN_CLASSES.has(stored.id.class) ? "is built in" : "exists";
    throw new CodedError("ALREADY_EXISTS", `${name} ${kind}; update it instead`);
  }
  if (stored.record !== null) {
    refuseOtherMode(stored.record, given.mode);
    refuseOtherGroup(withGroup(stored.record), record.placementGroup);
  }
  return { kind: "write", record: { ...record, updateTime: new Date(nowMs) } };
}

/**
 * A change of the masked fields.
 *
 * @param mask checked paths; empty means every field that is set.
 * @throws {CodedError} `REQUEST_INVALID`, `NOT_FOUND`, `ETAG_MISMATCH`, `MODE_IMMUTABLE`,
 *   `GROUP_IMMUTABLE`.
 */
export function decideUpdate(
  stored: StoredClass,
  given: RoomClass,
  mask: readonly string[],
  allowMissing: boolean,
  nowMs: number,
): ClassChange {
  const present = presentClass(stored);
  if (present === null) {
    if (given.etag !== "") refuseOtherEtag(stored, given.etag);
    if (allowMissing) return decideCreate(stored, given, nowMs);
    throw notFound(stored);
  }
  refuseOtherEtag(stored, given.etag);
  const { fields, hasMode, hasGroup } = updateFields(mask, given);
  if (hasMode) refuseOtherMode(present, given.mode);
  if (hasGroup) refuseOtherGroup(present, given.placementGroup);
  const record = applyFields(present, fields, given);
  refuseInvalidFields(checkRoomClass(record));
  if (isSamePolicy(present, record)) return { kind: "none", roomClass: present };
  const blank = { etag: "", builtIn: false, deleted: false };
  return { kind: "write", record: { ...record, ...blank, updateTime: new Date(nowMs) } };
}

/**
 * Deletion; a changed built-in class goes back to what it was.
 *
 * @param etag as the caller read it, or empty.
 * @throws {CodedError} `NOT_FOUND`, `ETAG_MISMATCH`, `BUILT_IN`.
 */
export function decideDelete(stored: StoredClass, etag: string, nowMs: number): ClassChange {
  const present = presentClass(stored);
  if (present === null) throw notFound(stored);
  refuseOtherEtag(stored, etag);
  if (!present.builtIn) {
    const record = { ...present, etag: "", deleted: true, updateTime: new Date(nowMs) };
    return { kind: "write", record };
  }
  // Its mode is fixed by the table of built-in classes, so no record is needed to remember it.
  if (stored.record !== null) return { kind: "erase" };
  throw new CodedError("BUILT_IN", `${present.name} is built in and unchanged; it stays`);
}

/** A class as the audit log shows it: words for numbers; undefined when there is none. */
export function describeClass(shownClass: RoomClass | null): object | undefined {
  if (shownClass === null) return undefined;
  const { etag, builtIn, deleted, updateTime, ...fields } = shownClass;
  return {
    ...fields,
    mode: enumName(RoomMode, fields.mode),
    publishPermission: enumName(PublishPermission, fields.publishPermission),
    slowMemberPolicy: enumName(SlowMemberPolicy, fields.slowMemberPolicy),
    anonymousAccess: enumName(AnonymousAccess, fields.anonymousAccess),
  };
}

/** That a tenant has no such class. */
export function notFound(stored: StoredClass): CodedError {
  return new CodedError("NOT_FOUND", `there is no ${nameOf(stored)}`);
}

function nameOf(stored: StoredClass): string {
  return roomClassName(stored.id.tenant, stored.id.class);
}

function refuseOtherEtag(stored: StoredClass, etag: string): void {
  const present = String(stored.revision);
  if (etag === "" || etag === present) return;
  throw new CodedError(
    "ETAG_MISMATCH",
    `${nameOf(stored)} has etag ${shown(present)} now, not ${shown(etag)}: it has changed since`,
  );
}

function refuseOtherMode(record: RoomClass, mode: RoomMode): void {
  if (mode === record.mode) return;
  const was = record.deleted ? "was, when it was deleted," : "is";
  throw new CodedError(
    "MODE_IMMUTABLE",
    `${record.name} ${was} ${modeText(record.mode)}, and a mode never changes (asked: ` +
      `${modeText(mode)}); use a class of another name`,
  );
}

/** A record from before a field was there. */
function completed(record: RoomClass): RoomClass {
  return { ...withGroup(record), anonymousAccess: record.anonymousAccess || AnonymousAccess.NONE };
}

/** A durable class whose record names no group is of the first. */
function withGroup(record: RoomClass): RoomClass {
  if (record.mode !== RoomMode.DURABLE || record.placementGroup !== "") return record;
  return { ...record, placementGroup: DEFAULT_PLACEMENT_GROUP };
}

function refuseOtherGroup(record: RoomClass, group: string): void {
  if (group === record.placementGroup) return;
  const was = record.deleted ? "was, when it was deleted," : "is";
  throw new CodedError(
    "GROUP_IMMUTABLE",
    `${record.name} ${was} in ${shown(record.placementGroup)}, and a class never changes its ` +
      `placement group (asked: ${shown(group)}); use a class of another name`,
  );
}

function modeText(mode: RoomMode): string {
  if (mode === RoomMode.DURABLE) return "durable";
  return mode === RoomMode.EPHEMERAL ? "ephemeral" : String(mode);
}
