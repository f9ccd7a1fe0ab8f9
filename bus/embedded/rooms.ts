/**
 * Rooms as the store knows them: tokens interned as numbers, and what is worth keeping in memory.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Position } from "../position.ts";
import { groupOfSlot } from "../subjects.ts";
import { prepareArrays } from "./database.ts";
import type { ShardLogs } from "./shard-logs.ts";

/**
 * Rooms kept in memory, some 300 bytes each; the one loaded first makes room, and is read from the
 * index when it returns.
 */
export const ROOM_CACHE_COUNT_MAX = 65_536;

/** What the store knows of a room between requests. */
export interface RoomState {
  readonly id: number;
  /** Epoch that `lastSeq` is of; 0 when it was not looked at since the room was loaded. */
  epoch: number;
  /** Newest seq stored in the epoch, 0 for none. */
  lastSeq: number;
  /** Appends since retention.ts last looked at the room. */
  appendedCount: number;
  /** Appends since the room was loaded. */
  appendTotal: number;
  /** What RoomReader.floor found last, and at which `appendTotal`. */
  floor: { count: number; appendTotal: number; position: Position | null } | null;
  /** Number of the transaction that last appended to the room. */
  touchedBy: number;
}

export class Rooms {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #logs: ShardLogs;
  readonly #cache = new Map<string, RoomState>();

  constructor(database: DatabaseSync, logs: ShardLogs) {
    this.#statements = prepare(database);
    this.#logs = logs;
  }

  /** A room, or null when nothing is stored of it. */
  find(token: string, slot: number): RoomState | null {
    const key = keyOf(token, slot);
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const row = this.#statements.find.get(key) as unknown as [number] | undefined;
    return row === undefined ? null : this.#load(key, row[0]);
  }

  /** Interns a room that {@link find} did not find, inside a transaction. */
  add(token: string, slot: number): RoomState {
    const key = keyOf(token, slot);
    return this.#load(key, Number(this.#statements.add.run(key).lastInsertRowid));
  }

  /** Highest seq of the room that was deleted for its count. */
  trimmedSeq(id: number): number {
    const row = this.#statements.trimmed.get(id) as unknown as [number] | undefined;
    return row?.[0] ?? 0;
  }

  /** Notes that the room's messages up to `seq` in one log were deleted for their count. */
  noteTrimmed(id: number, seq: number): void {
    this.#statements.setTrimmed.run(seq, id);
  }

  /** Deletes a room without messages, inside a transaction: rooms must not add up for ever. */
  deleteEmpty(id: number): void {
    if (this.#logs.hasRoom(id)) return;
    const row = this.#statements.delete.get(id) as unknown as [string] | undefined;
    if (row !== undefined) this.#cache.delete(row[0]);
  }

  /** Forgets what is in memory: a transaction was rolled back. */
  clear(): void {
    this.#cache.clear();
  }

  #load(key: string, id: number): RoomState {
    const room: RoomState = {
      ...{ id, epoch: 0, lastSeq: 0, appendedCount: 0, appendTotal: 0, touchedBy: 0 },
      floor: null,
    };
    if (this.#cache.size >= ROOM_CACHE_COUNT_MAX) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    this.#cache.set(key, room);
    return room;
  }
}

/** A room of the same name in another placement group is another room, as it is on NATS. */
function keyOf(token: string, slot: number): string {
  const group = groupOfSlot(slot);
  return group === 0 ? token : `${group}.${token}`;
}

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => prepareArrays(database, sql);
  return {
    find: statement("SELECT id FROM room WHERE token = ?"),
    add: statement("INSERT INTO room (token) VALUES (?)"),
    delete: statement("DELETE FROM room WHERE id = ? RETURNING token"),
    trimmed: statement("SELECT trimmed_seq FROM room WHERE id = ?"),
    setTrimmed: statement("UPDATE room SET trimmed_seq = max(trimmed_seq, ?) WHERE id = ?"),
  };
}
