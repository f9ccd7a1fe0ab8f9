/**
 * Which records are stored together: few enough buckets that records gather into batches and a
 * store keeps no index of users, enough that a read of one passes over little of the others'.
 *
 * Pure.
 */
import type { JournalRecord } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import type { JournalSubject } from "../journal.ts";

/** Buckets of users, and of rooms. All processes of a bus have to agree. */
export const BUCKET_COUNT = 64;

/** The bucket of a subject: [a-z0-9.-], at most 50 characters. */
export function bucketOf(subject: JournalSubject): string {
  switch (subject.kind) {
    case "user":
      return `user.${hashed(`${subject.tenant}\0${subject.user}`)}`;
    case "room":
      return `room.${hashed(`${subject.tenant}\0${subject.room}`)}`;
    case "process":
      return `process.${subject.id}`;
    case "lives":
    case "dropped":
      return subject.kind;
    default:
      throw subject satisfies never;
  }
}

/** Where a record belongs. @param process that writes it. */
export function subjectOf(
  { tenant, user, room, what }: JournalRecord,
  process: string,
): JournalSubject {
  if (what?.$case === "dropped") return { kind: "dropped" };
  if (what?.$case === "signs" && what.value.isListed) return { kind: "lives" };
  if (user !== "") return { kind: "user", tenant, user };
  return room === "" ? { kind: "process", id: process } : { kind: "room", tenant, room };
}

/** FNV-1a over UTF-16 code units: even enough for 64 buckets, and cheap. */
function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return ((hash ^ (hash >>> 16)) >>> 0) % BUCKET_COUNT;
}
