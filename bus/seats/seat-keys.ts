/**
 * Keys of the bucket "seats": who holds places under exact limits, and permits under large ones.
 *
 * Pure. User names, addresses and room names are hashed: a key has few legal characters, and what
 * is in it is nobody's business who may list keys.
 */
import { createHash } from "node:crypto";

/** Bus KV bucket; many writes, so apart from "control". Opened when the first limit is set. */
export const SEAT_BUCKET = "seats";

/**
 * Seats of one key. A set is written anew with each change: 256 seats are some 10 kB, which costs
 * little more than one seat does; a larger room has more keys.
 */
export const CHUNK_SEAT_COUNT = 256;

/** Permits of a large limit of a tenant. */
export function poolKey(tenant: string, limit: string): string {
  return `pool.${tenant}.${limit}`;
}

/** Connections of one user. */
export function userKey(tenant: string, user: string): string {
  return `user.${tenant}.${hashOf(user)}`;
}

/** Connections from one address. */
export function ipKey(tenant: string, address: string): string {
  return `ip.${tenant}.${hashOf(address)}`;
}

/** Seats of all chunks of a room: a prefix. */
export function roomPrefix(tenant: string, roomClass: string, room: string): string {
  return `${classPrefix(tenant, roomClass)}${hashOf(room)}.`;
}

/** Seats of all rooms of a class: a prefix. */
export function classPrefix(tenant: string, roomClass: string): string {
  return `room.${tenant}.${roomClass}.`;
}

/** Kept while the seats of a process that has stopped in order wait for their clients. */
export function leftKey(incarnation: string): string {
  return `left.${incarnation}`;
}

/** Chunks of a room of that capacity, 1 or more. */
export function chunkCount(capacity: number): number {
  return Math.max(1, Math.ceil(capacity / CHUNK_SEAT_COUNT));
}

/** Seats of one chunk; 0 beyond the last. All together they are the capacity, exactly. */
export function chunkCapacity(capacity: number, chunk: number): number {
  return Math.min(CHUNK_SEAT_COUNT, Math.max(0, capacity - chunk * CHUNK_SEAT_COUNT));
}

/** Where a session looks for its seat first: spread evenly, and the same on every gateway. */
export function homeChunk(session: string, count: number): number {
  if (count === 1) return 0;
  const digest = createHash("sha256").update(session, "latin1").digest();
  return digest.readUInt32LE(0) % count;
}

/** 128 bits, so that no two names meet. */
function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}
