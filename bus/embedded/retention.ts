/**
 * Deletes what is too old or too much, in small steps between commits. Runs in the worker.
 *
 * Age trims a prefix of the log, count the oldest of a room. Nothing younger than the
 * de-duplication window goes: after a crash the log's tail is all that remembers names, and a
 * retry of a trimmed message would be stored and delivered again. Bytes are not trimmed by: a
 * full store refuses.
 */
import type { DatabaseSync } from "node:sqlite";
import { DEDUPE_WINDOW_US } from "../void.ts";
import { prepareArrays } from "./database.ts";
import type { MessageLog } from "./message-log.ts";
import type { EmbeddedBusOptions } from "./options.ts";
import { ROOM_CACHE_COUNT_MAX, type RoomState } from "./rooms.ts";

/** Rows of one step, some 5 ms; after larger commits as many as those stored, to keep pace. */
export const TRIM_STEP_COUNT = 512;
/** Age is looked at this often, unless the last look left work. */
const ageLookUs = 1_000_000;

/** Appends to a room between two looks at its count. */
export function dueCountFor(roomMessageCountMax: number): number {
  return Math.ceil(roomMessageCountMax / 8);
}

export class Retention {
  readonly #log: MessageLog;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #countMax: number;
  readonly #retentionUs: number;
  readonly #due: RoomState[] = [];
  /** Rooms with too many rows that are all younger than the window; earliest first. */
  readonly #young: { room: RoomState; dueUs: number }[] = [];
  #nextAgeLookUs = 0;

  constructor(database: DatabaseSync, log: MessageLog, options: EmbeddedBusOptions) {
    this.#log = log;
    this.#statements = prepare(database);
    this.#countMax = options.roomMessageCountMax;
    this.#retentionUs = options.retentionMs * 1000;
  }

  /** Whether {@link step} has something to look at. */
  isDue(nowUs: number): boolean {
    for (const room of this.#log.takeDueRooms()) this.#due.push(room);
    return this.#due.length > 0 || this.#isYoungDue(nowUs) || nowUs >= this.#nextAgeLookUs;
  }

  /**
   * Deletes at most `rowCountMax` rows, inside a transaction; {@link rollBack} when that fails.
   *
   * @returns the number deleted.
   */
  step(nowUs: number, rowCountMax: number): number {
    let deleted = 0;
    if (nowUs >= this.#nextAgeLookUs) deleted += this.#trimAge(nowUs, rowCountMax);
    while (deleted < rowCountMax) {
      const room = this.#takeRoom(nowUs);
      if (room === null) break;
      deleted += this.#trimRoom(room, nowUs, rowCountMax - deleted);
    }
    return deleted;
  }

  /** The step was rolled back; its rooms are looked at again after their next appends. */
  rollBack(): void {
    this.#nextAgeLookUs = 0;
  }

  #trimAge(nowUs: number, rowCountMax: number): number {
    const sinceUs = nowUs - this.#retentionUs;
    let lastSeq = 0;
    let count = 0;
    const roomIds = new Set<number>();
    const rows = this.#statements.oldest.iterate(rowCountMax) as Iterable<unknown>;
    for (const [seq, timeUs, roomId] of rows as Iterable<[number, number, number]>) {
      if (timeUs >= sinceUs) break;
      lastSeq = seq;
      count += 1;
      roomIds.add(roomId);
    }
    this.#nextAgeLookUs = count === rowCountMax ? 0 : nowUs + ageLookUs;
    if (count === 0) return 0;
    this.#statements.deleteThrough.run(lastSeq);
    this.#log.storeTrimmed(lastSeq);
    for (const roomId of roomIds) this.#log.forgetEmptyRoom(roomId);
    return count;
  }

  #trimRoom(room: RoomState, nowUs: number, rowCountMax: number): number {
    const { newestTooMany, deleteOfRoom } = this.#statements;
    const row = newestTooMany.get(room.id, this.#countMax) as unknown as [number] | undefined;
    room.appendedCount = 0;
    if (row === undefined) return 0;
    const oldUs = nowUs - DEDUPE_WINDOW_US;
    const deleted = Number(deleteOfRoom.run(room.id, row[0], oldUs, rowCountMax).changes);
    if (deleted === rowCountMax) this.#due.unshift(room);
    else if (this.#isLeft(room, row[0]) && this.#young.length < ROOM_CACHE_COUNT_MAX) {
      this.#young.push({ room, dueUs: nowUs + DEDUPE_WINDOW_US });
    }
    return deleted;
  }

  #isLeft(room: RoomState, throughSeq: number): boolean {
    return this.#statements.firstOfRoom.get(room.id, throughSeq) !== undefined;
  }

  #takeRoom(nowUs: number): RoomState | null {
    const room = this.#due.shift();
    if (room !== undefined) return room;
    return this.#isYoungDue(nowUs) ? (this.#young.shift()?.room ?? null) : null;
  }

  #isYoungDue(nowUs: number): boolean {
    const first = this.#young[0];
    return first !== undefined && first.dueUs <= nowUs;
  }
}

function prepare(database: DatabaseSync) {
  const arrays = (sql: string) => prepareArrays(database, sql);
  return {
    oldest: arrays("SELECT seq, time_us, room_id FROM message ORDER BY seq LIMIT ?"),
    deleteThrough: arrays("DELETE FROM message WHERE seq <= ?"),
    newestTooMany: arrays(
      "SELECT seq FROM message WHERE room_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
    ),
    deleteOfRoom: arrays(
      "DELETE FROM message WHERE seq IN (SELECT seq FROM message WHERE room_id = ? AND seq <= ? " +
        "AND time_us < ? ORDER BY seq LIMIT ?)",
    ),
    firstOfRoom: arrays("SELECT seq FROM message WHERE room_id = ? AND seq <= ? LIMIT 1"),
  };
}
