/**
 * Room addresses: the slot and the subject token of a (tenant, room).
 *
 * The token is tenant and room name with every byte outside [A-Za-z0-9_-] escaped, so a name full
 * of wildcards and dots is one legal NATS token and reaches no other room. Tenants have no "=" and
 * the separator is "=_", which no escape produces, so no two (tenant, room) share a token.
 */
import { parseRoomName } from "../proto/room-name.ts";

/** Slots of each placement group. Fixed, since the hash is part of the data. */
export const SLOT_COUNT = 1024;
/** Placement groups of a bus: numbers 0 to 15. */
export const GROUP_COUNT_MAX = 16;

/** Where a room lives on the bus. Made once per room and kept; never per message. */
export interface RoomAddress {
  readonly tenant: string;
  /** Full room name, "class:name". */
  readonly room: string;
  readonly class: string;
  /** group × SLOT_COUNT + hash partition: 0 to GROUP_COUNT_MAX × SLOT_COUNT - 1. */
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
 * @param group placement group of the room's class, 0 to GROUP_COUNT_MAX - 1.
 * @throws {CodedError} `ROOM_NAME_INVALID`.
 */
export function roomAddress(tenant: string, room: string, group = 0): RoomAddress {
  const parsed = parseRoomName(room);
  const token = `${escapeToken(tenant)}${separator}${escapeToken(room)}`;
  const slot = group * SLOT_COUNT + (hashToken(token) % SLOT_COUNT);
  return { tenant, room, class: parsed.class, slot, token };
}

/**
 * The address of which a token is; null for a token that {@link roomAddress} does not make.
 *
 * @param group placement group of the shard that stores it.
 */
export function addressOfToken(token: string, group: number): RoomAddress | null {
  const at = token.indexOf(separator);
  if (at < 0) return null;
  try {
    const [tenant, room] = [unescapeToken(token.slice(0, at)), unescapeToken(token.slice(at + 2))];
    const address = roomAddress(tenant, room, group);
    return address.token === token ? address : null;
  } catch {
    return null; // not a room's name
  }
}

/** The placement group of a slot. */
export function groupOfSlot(slot: number): number {
  return Math.floor(slot / SLOT_COUNT);
}

/** A slot as people and subjects write it: "<group>-<number in the group>". */
export function formatSlot(slot: number): string {
  return `${groupOfSlot(slot)}-${slot % SLOT_COUNT}`;
}

/** Reads it back; null for any other text. */
export function parseSlot(text: string): number | null {
  const match = /^(0|[1-9]\d?)-(0|[1-9]\d{0,3})$/.exec(text);
  if (match === null) return null;
  const [group, slot] = [Number(match[1]), Number(match[2])];
  return group < GROUP_COUNT_MAX && slot < SLOT_COUNT ? group * SLOT_COUNT + slot : null;
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

function unescapeToken(text: string): string {
  const bytes = text.replace(/=([0-9a-f]{2})/g, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
  return Buffer.from(bytes, "latin1").toString();
}

/** FNV-1a, 32 bits (draft-eastlake-fnv): stable, and even enough for 1024 slots. */
function hashToken(token: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < token.length; i += 1) {
    hash = Math.imul(hash ^ token.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
