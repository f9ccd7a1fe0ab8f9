/**
 * Rooms as the store knows them: tokens interned as numbers, and what is worth keeping in memory.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Position } from "../position.ts";
import { prepareArrays } from "./database.ts";

/**
 * Rooms kept in memory, some 300 bytes each; the one loaded first makes room, and is read from the
 * index when it returns.
 */
export const ROOM_CACHE_COUNT_MAX = 65_536;

/** What the store knows of a room between requests. */
export interface RoomState {
  readonly id: number;
  /** Newest seq stored, 0 for none; a room that is trimmed to nothing is forgotten as a whole. */
  lastSeq: number;
  /** Appends since retention.ts last looked at the room. */
  appendedCount: number;
  /** Appends since the room was loaded. */
  appendTotal: number;
  /** What MessageLog.floor found last, and at which `appendTotal`. */
  floor: { count: number; appendTotal: number; position: Position | null } | null;
  /** Number of the transaction that last appended to the room. */
  touchedBy: number;
}

export class Rooms {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #dueCount: number;
  readonly #cache = new Map<string, RoomState>();

  /** @param dueCount see MessageLog. */
  constructor(database: DatabaseSync, dueCount: number) {
    this.#statements = prepare(database);
    this.#dueCount = dueCount;
  }

  /** A room, or null when nothing is stored of it. */
  find(token: string): RoomState | null {
    const cached = this.#cache.get(token);
    if (cached !== undefined) return cached;
    const row = this.#statements.find.get(token) as unknown as [number] | undefined;
    return row === undefined ? null : this.#load(token, row[0]);
  }

  /** Interns a room that {@link find} did not find, inside a transaction. */
  add(token: string): RoomState {
    return this.#load(token, Number(this.#statements.add.run(token).lastInsertRowid));
  }

  /** Deletes a room without messages, inside a transaction: rooms must not add up for ever. */
  deleteEmpty(id: number): void {
    if (this.#statements.newest.get(id) !== undefined) return;
    const row = this.#statements.delete.get(id) as unknown as [string] | undefined;
    if (row !== undefined) this.#cache.delete(row[0]);
  }

  /** Forgets what is in memory: a transaction was rolled back. */
  clear(): void {
    this.#cache.clear();
  }

  #load(token: string, id: number): RoomState {
    const newest = this.#statements.newest.get(id) as unknown as [number] | undefined;
    const room: RoomState = {
      id,
      lastSeq: newest?.[0] ?? 0,
      // Due at its next append: nobody knows how many there were before it was loaded.
      appendedCount: this.#dueCount - 1,
      appendTotal: 0,
      touchedBy: 0,
      floor: null,
    };
    if (this.#cache.size >= ROOM_CACHE_COUNT_MAX) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    this.#cache.set(token, room);
    return room;
  }
}

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => prepareArrays(database, sql);
  return {
    find: statement("SELECT id FROM room WHERE token = ?"),
    add: statement("INSERT INTO room (token) VALUES (?)"),
    delete: statement("DELETE FROM room WHERE id = ? RETURNING token"),
    newest: statement("SELECT seq FROM message WHERE room_id = ? ORDER BY seq DESC LIMIT 1"),
  };
}
