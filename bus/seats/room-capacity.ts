/**
 * How many seats each chunk of a room may have, so that the room's capacity is exact.
 *
 * Pure. Chunks have fixed shares of the capacity, and their sum is it. Only after it was lowered
 * may chunks have more than their share: then each other chunk gets as much less as all of these
 * have too much. That refuses some too many until it is over, and never lets in one too many: what
 * is too much only falls meanwhile, and a look, however old, never shows less of it than there is.
 */
import { CHUNK_SEAT_COUNT, chunkCapacity } from "./seat-keys.ts";

/** What a room's first chunk asks of whoever wants a seat. */
export type RoomPhase =
  /** The chunks are filled for this capacity: shares are what they are. */
  | { readonly is: "level" }
  /** It was raised: say so in the first chunk, before a seat beyond the old one is taken. */
  | { readonly is: "raised" }
  /** It was lowered: look at all chunks. */
  | { readonly is: "lowered"; readonly filledFor: number };

/**
 * @param capacity members the room may have now, 1 or more.
 * @param filledFor as the first chunk has it.
 */
export function roomPhase(capacity: number, filledFor: number): RoomPhase {
  const mark = capacityMark(capacity);
  if (filledFor > mark) return { is: "lowered", filledFor };
  return { is: filledFor < mark ? "raised" : "level" };
}

/** What the first chunk has when chunks are filled for a capacity; 0: there is only that one. */
export function capacityMark(capacity: number): number {
  return capacity > CHUNK_SEAT_COUNT ? capacity : 0;
}

/** Seats beyond their chunks' shares. @param counts seats by chunk. */
export function excessOf(capacity: number, counts: readonly number[]): number {
  let excess = 0;
  for (const [chunk, count] of counts.entries()) {
    excess += Math.max(0, count - chunkCapacity(capacity, chunk));
  }
  return excess;
}

/** Seats that a chunk may have while the room has `excess` too many elsewhere. */
export function loweredShare(capacity: number, chunk: number, excess: number): number {
  return Math.max(0, chunkCapacity(capacity, chunk) - excess);
}
