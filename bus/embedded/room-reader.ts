/**
 * Reading a room over the epochs of its slot, oldest to newest (R9). Runs in the worker.
 *
 * Sequences are one count for all shards, so an epoch's are all higher than those of the epochs
 * before it: epochs are ranges of sequences, each in one shard's log, and a cursor is one number.
 */
import type { Position } from "../position.ts";
import type { RoomState, Rooms } from "./rooms.ts";
import type { MessageRow, RowPlace } from "./shard-log.ts";
import type { SlotPlace, SlotRoutes } from "./slot-routes.ts";

/** A room to be read. */
export interface RoomKey {
  readonly token: string;
  readonly slot: number;
}

export class RoomReader {
  readonly #rooms: Rooms;
  readonly #routes: SlotRoutes;

  constructor(rooms: Rooms, routes: SlotRoutes) {
    this.#rooms = rooms;
    this.#routes = routes;
  }

  /**
   * Whether exactly that message is stored (R9), and none after it was deleted: within a log the
   * oldest go first, but an epoch after it may be in another one that keeps less.
   */
  isHeld(key: RoomKey, { epoch, seq, timeUs }: Position): boolean {
    const room = this.#find(key);
    if (room === null || !Number.isSafeInteger(seq)) return false;
    const places = this.#routes.placesOf(key.slot);
    const index = places.findIndex((place) => place.epoch === epoch);
    const row = places[index]?.log?.rowAt(seq);
    if (row === undefined || row[0] !== room.id || row[1] !== timeUs || row[2] !== epoch) {
      return false;
    }
    const later = places.slice(index + 1);
    if (!later.every(isUntrimmed)) return false;
    return later.length === 0 || this.#rooms.trimmedSeq(room.id) <= seq;
  }

  /** Reads rows from `fromSeq` on, oldest first. */
  rowsFrom(key: RoomKey, fromSeq: number, count: number): MessageRow[] {
    const room = this.#find(key);
    if (room === null) return [];
    const rows: MessageRow[] = [];
    for (const place of this.#routes.placesOf(key.slot)) {
      if (place.log === undefined || place.toSeq < fromSeq || rows.length === count) continue;
      const from = Math.max(fromSeq, place.fromSeq);
      const read = place.log.rowsOn(room.id, from, place.toSeq, count - rows.length);
      if (rows.length === 0 && read.length === count) return read;
      rows.push(...read);
    }
    return rows;
  }

  /** Reads rows before `beforeSeq`, newest first. */
  rowsBefore(key: RoomKey, beforeSeq: number, count: number): MessageRow[] {
    const room = this.#find(key);
    if (room === null) return [];
    const rows: MessageRow[] = [];
    for (const place of this.#routes.placesOf(key.slot).reverse()) {
      if (place.log === undefined || place.fromSeq >= beforeSeq || rows.length === count) continue;
      const to = Math.min(beforeSeq - 1, place.toSeq);
      rows.push(...place.log.rowsBack(room.id, place.fromSeq, to, count - rows.length));
    }
    return rows;
  }

  /** The seq that everything before a position is below: positions may name any epoch. */
  seqBefore(key: RoomKey, { epoch, seq }: Position): number {
    const places = this.#routes.placesOf(key.slot);
    const place = places.find((each) => each.epoch === epoch);
    if (place === undefined) return epoch > (places.at(-1)?.epoch ?? 0) ? newest : 0;
    return Math.max(place.fromSeq, Math.min(seq, place.toSeq + 1));
  }

  /** The newest position, or null. */
  head(key: RoomKey): Position | null {
    return this.#newest(key, 0);
  }

  /**
   * Position of the `count`-th newest message of a room, or null. Finding it walks `count` index
   * entries, so it is remembered until a 64th as many were appended: every join asks for it.
   */
  floor(key: RoomKey, count: number): Position | null {
    const room = this.#find(key);
    if (room === null) return null;
    const known = room.floor;
    const isFresh = known?.count === count && room.appendTotal - known.appendTotal <= count >> 6;
    if (known !== null && isFresh && this.#isStored(key, room, known.position)) {
      return known.position;
    }
    const position = this.#newest(key, count - 1);
    room.floor = { count, appendTotal: room.appendTotal, position };
    return position;
  }

  /** The position with `offset` newer ones, epoch by epoch; null when there are not so many. */
  #newest(key: RoomKey, offset: number): Position | null {
    const room = this.#find(key);
    if (room === null) return null;
    let left = offset;
    for (const { log, fromSeq, toSeq } of this.#routes.placesOf(key.slot).reverse()) {
      if (log === undefined) continue;
      const row = log.newestOf(room.id, fromSeq, toSeq, left);
      if (row !== undefined) return positionOf(row);
      if (left > 0) left -= log.countOf(room.id, fromSeq, toSeq);
    }
    return null;
  }

  /** Whether a position is still there; true for null, which names none. */
  #isStored({ slot }: RoomKey, room: RoomState, position: Position | null): boolean {
    if (position === null) return true;
    const places = this.#routes.placesOf(slot);
    const place = places.find(({ epoch }) => epoch === position.epoch);
    return place?.log?.rowAt(position.seq)?.[0] === room.id;
  }

  #find({ token, slot }: RoomKey): RoomState | null {
    return this.#rooms.find(token, slot);
  }
}

const newest = Number.MAX_SAFE_INTEGER;

/** Whether nothing of an epoch was deleted for its age. */
function isUntrimmed({ log, fromSeq }: SlotPlace): boolean {
  return log !== undefined && log.trimmedSeq < fromSeq;
}

function positionOf([seq, timeUs, epoch]: RowPlace): Position {
  return { epoch, seq, timeUs };
}
