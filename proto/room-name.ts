/**
 * Room and tenant names: which are legal, and their parts.
 *
 * A room is named "class:name": class [a-z][a-z0-9-]{0,31}, a colon, then 1 or more characters of
 * printable UTF-8, at most 200 bytes in all. Anything printable is legal after the colon, also `*`,
 * `>`, dots, spaces and slashes: bus/subjects.ts escapes it, so no name reaches another room.
 */
import { CodedError } from "./coded-error.ts";

/** Bytes of a room name; escaped threefold it stays far below NATS's 4 kB control line. */
export const ROOM_NAME_BYTES_MAX = 200;
/** Characters of a tenant name. */
export const TENANT_CHARS_MAX = 63;

const classPattern = /^[a-z][a-z0-9-]{0,31}$/;
const tenantPattern = /^[a-z0-9][a-z0-9-]{0,62}$/;
// Control characters, surrogates that stand alone, line and paragraph separators, and what Unicode
// calls format characters (bidirectional overrides and zero-width marks make look-alike names),
// except the joiners that emoji are made of, and U+FFFD, which stands for bytes that were not
// UTF-8.
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufffd]|(?![\u200c\u200d])\p{Cf}/u;

/**
 * Splits a room name into its class and the rest.
 *
 * @throws {CodedError} `ROOM_NAME_INVALID` with the reason.
 */
export function parseRoomName(name: string): { class: string; rest: string } {
  const colon = name.indexOf(":");
  if (colon < 0) refuseName(name, 'has no class: write "class:name"');
  const roomClass = name.slice(0, colon);
  const rest = name.slice(colon + 1);
  if (!classPattern.test(roomClass)) {
    refuseName(name, "has a class that is not [a-z][a-z0-9-]{0,31}");
  }
  if (rest.length === 0) refuseName(name, "has nothing after the colon");
  if (rest.length > ROOM_NAME_BYTES_MAX || Buffer.byteLength(name) > ROOM_NAME_BYTES_MAX) {
    refuseName(name, `has ${Buffer.byteLength(name)} bytes, at most ${ROOM_NAME_BYTES_MAX}`);
  }
  if (unprintable.test(rest)) refuseName(name, "has characters that are not printable");
  return { class: roomClass, rest };
}

/** Whether `name` is a legal class: [a-z][a-z0-9-]{0,31}. */
export function isClassName(name: string): boolean {
  return classPattern.test(name);
}

/** Whether `name` is a legal tenant: [a-z0-9][a-z0-9-]{0,62}. */
export function isTenantName(name: string): boolean {
  return tenantPattern.test(name);
}

function refuseName(name: string, reason: string): never {
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
  throw new CodedError("ROOM_NAME_INVALID", `room name ${shown} ${reason}`);
}
