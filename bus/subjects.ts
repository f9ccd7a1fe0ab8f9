/**
 * Room addresses: the slot and the subject token of a (tenant, room).
 *
 * The token is tenant and room name with every byte outside [A-Za-z0-9_-] escaped, so a name full
 * of wildcards and dots is one legal NATS token and reaches no other room. Tenants have no "=" and
 * the separator is "=_", which no escape produces, so no two (tenant, room) share a token.
 */
import { parseRoomName } from "../proto/room-name.ts";

/** Slots of placement group 0: the unit of placement. Fixed, since the hash is part of the data. */
export const SLOT_COUNT = 1024;

/** Where a room lives on the bus. Made once per room and kept; never per message. */
export interface RoomAddress {
  readonly tenant: string;
  /** Full room name, "class:name". */
  readonly room: string;
  readonly class: string;
  /** Hash partition, 0 to SLOT_COUNT - 1. */
  readonly slot: number;
  /** One legal NATS subject token, unique per (tenant, room), at most 864 characters. */
  readonly token: string;
}

const separator = "=_";
const plain = new Set(
  Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"),
);

/**
 * Addresses a room.
 *
 * @param tenant a legal tenant name (the caller's identity has been checked).
 * @param room a room name from anywhere.
 * @throws {CodedError} `ROOM_NAME_INVALID`.
 */
export function roomAddress(tenant: string, room: string): RoomAddress {
  const parsed = parseRoomName(room);
  const token = `${escapeToken(tenant)}${separator}${escapeToken(room)}`;
  return { tenant, room, class: parsed.class, slot: hashToken(token) % SLOT_COUNT, token };
}

/** Escapes every byte outside [A-Za-z0-9_-] as "=" and two lower-case hex digits. */
export function escapeToken(text: string): string {
  let escaped = "";
  for (const byte of Buffer.from(text)) {
    escaped += plain.has(byte)
      ? String.fromCharCode(byte)
      : `=${byte.toString(16).padStart(2, "0")}`;
  }
  return escaped;
}

/** FNV-1a, 32 bits (draft-eastlake-fnv): stable, and even enough for 1024 slots. */
function hashToken(token: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < token.length; i += 1) {
    hash = Math.imul(hash ^ token.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
