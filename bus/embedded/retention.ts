/**
 * Deletes what is too old or too much, in small steps between commits. Runs in the worker.
 *
 * Age trims a prefix of a shard's log, count the oldest of a room in it. Nothing younger than the
 * de-duplication window goes: after a crash the logs' tails are all that remembers names, and a
 * retry of a trimmed message would be stored and delivered again. Bytes are not trimmed by: a full
 * shard refuses.
 */
import type { DatabaseSync } from "node:sqlite";
import { DEDUPE_WINDOW_US } from "../void.ts";
import { prepareArrays } from "./database.ts";
import type { DueRoom, MessageLog } from "./message-log.ts";
import { ROOM_CACHE_COUNT_MAX } from "./rooms.ts";
import { messageBytes, type ShardLog } from "./shard-log.ts";
import type { ShardLogs } from "./shard-logs.ts";

/** Rows of one step, some 5 ms; after larger commits as many as those stored, to keep pace. */
export const TRIM_STEP_COUNT = 512;
/** Rooms that one step of a sweep looks at, some 2 ms. */
const SWEEP_STEP_COUNT = 256;
/** Age is looked at this often, unless the last look left work. */
const ageLookUs = 1_000_000;

/** What a step did. */
export interface TrimStep {
  /** Rows deleted. */
  readonly count: number;
  /** Whether the next is to follow at once. */
  readonly hasMore: boolean;
}

/** A room to be looked at. */
interface Look {
  readonly roomId: number;
  readonly log: ShardLog;
}

export class Retention {
  readonly #database: DatabaseSync;
  readonly #messages: MessageLog;
  readonly #logs: ShardLogs;
  readonly #statements = new WeakMap<ShardLog, ReturnType<typeof prepare>>();
  readonly #due: Look[] = [];
  /** Rooms with too many rows that are all younger than the window; earliest first. */
  readonly #young: (Look & { dueUs: number })[] = [];
  /** Logs that keep less than before, and the last room of each that was looked at. */
  #sweeps: { readonly log: ShardLog; roomId: number }[] = [];
  #nextAgeLookUs = 0;

  constructor(database: DatabaseSync, messages: MessageLog, logs: ShardLogs) {
    this.#database = database;
    this.#messages = messages;
    this.#logs = logs;
  }

  /** Whether {@link step} has something to look at. */
  isDue(nowUs: number): boolean {
    for (const due of this.#messages.takeDueRooms()) this.#take(due);
    const isAsked = this.#due.length > 0 || this.#sweeps.length > 0;
    return isAsked || this.#isYoungDue(nowUs) || nowUs >= this.#nextAgeLookUs;
  }

  /** Looks at every room of a log, by and by: it keeps fewer messages of each than before. */
  sweep(log: ShardLog): void {
    this.#sweeps = [...this.#sweeps.filter((other) => other.log !== log), { log, roomId: 0 }];
  }

  /** Deletes `rowCountMax` rows at most, inside a transaction; {@link rollBack} when that fails. */
  step(nowUs: number, rowCountMax: number): TrimStep {
    let count = 0;
    if (nowUs >= this.#nextAgeLookUs) count = this.#trimAges(nowUs, rowCountMax);
    this.#fillFromSweep();
    while (count < rowCountMax) {
      const look = this.#takeLook(nowUs);
      if (look === null) break;
      count += this.#trimRoom(look, nowUs, rowCountMax - count);
    }
    for (const log of this.#logs.all) if (log.isTouched) log.saveCounts();
    return { count, hasMore: count >= rowCountMax || this.#sweeps.length > 0 };
  }

  /** The step was rolled back; its rooms are looked at again after their next appends. */
  rollBack(): void {
    this.#nextAgeLookUs = 0;
  }

  #take({ room, log }: DueRoom): void {
    room.appendedCount = 0;
    this.#due.push({ roomId: room.id, log });
  }

  #trimAges(nowUs: number, rowCountMax: number): number {
    let count = 0;
    for (const log of this.#logs.all) {
      if (count < rowCountMax) count += this.#trimAge(log, nowUs, rowCountMax - count);
      if (log.shard === null && log.messageCount === 0) this.#logs.drop(log);
    }
    this.#nextAgeLookUs = count >= rowCountMax ? 0 : nowUs + ageLookUs;
    return count;
  }

  #trimAge(log: ShardLog, nowUs: number, rowCountMax: number): number {
    const sinceUs = nowUs - log.limits.retentionUs;
    const { oldest, deleteThrough } = this.#sql(log);
    let lastSeq = 0;
    let count = 0;
    let bytes = 0;
    const roomIds = new Set<number>();
    const rows = oldest.iterate(rowCountMax) as Iterable<unknown>;
    for (const row of rows as Iterable<[number, number, number, number]>) {
      const [seq, timeUs, roomId, envelopeLength] = row;
      if (timeUs >= sinceUs) break;
      lastSeq = seq;
      count += 1;
      bytes += messageBytes(envelopeLength);
      roomIds.add(roomId);
    }
    if (count === 0) return 0;
    log.touch();
    deleteThrough.run(lastSeq);
    log.noteDeleted(count, bytes, lastSeq);
    for (const roomId of roomIds) this.#messages.rooms.deleteEmpty(roomId);
    return count;
  }

  #trimRoom(look: Look, nowUs: number, rowCountMax: number): number {
    const { roomId, log } = look;
    // A log may have been dropped since.
    if (!this.#logs.all.includes(log)) return 0;
    const tooMany = log.newestOf(
      roomId,
      0,
      Number.MAX_SAFE_INTEGER,
      log.limits.roomMessageCountMax,
    );
    if (tooMany === undefined) return 0;
    const [throughSeq] = tooMany;
    const { deleteOfRoom, firstOfRoom } = this.#sql(log);
    const oldUs = nowUs - DEDUPE_WINDOW_US;
    const rows = deleteOfRoom.all(roomId, throughSeq, oldUs, rowCountMax) as unknown as number[][];
    if (rows.length > 0) {
      let bytes = 0;
      let lastSeq = 0;
      for (const [seq = 0, envelopeLength = 0] of rows) {
        bytes += messageBytes(envelopeLength);
        lastSeq = Math.max(lastSeq, seq);
      }
      log.touch();
      log.noteDeleted(rows.length, bytes, 0);
      this.#messages.rooms.noteTrimmed(roomId, lastSeq);
    }
    if (rows.length === rowCountMax) this.#due.unshift(look);
    else if (
      firstOfRoom.get(roomId, throughSeq) !== undefined &&
      this.#young.length < ROOM_CACHE_COUNT_MAX
    ) {
      this.#young.push({ ...look, dueUs: nowUs + DEDUPE_WINDOW_US });
    }
    return rows.length;
  }

  /** Puts some rooms of a log that keeps less than before among those to be looked at. */
  #fillFromSweep(): void {
    const sweep = this.#sweeps[0];
    if (sweep === undefined) return;
    const { nextRoom } = this.#sql(sweep.log);
    for (let i = 0; i < SWEEP_STEP_COUNT; i += 1) {
      const row = nextRoom.get(sweep.roomId) as unknown as [number] | undefined;
      if (row === undefined) {
        this.#sweeps.shift();
        return;
      }
      [sweep.roomId] = row;
      this.#due.push({ roomId: sweep.roomId, log: sweep.log });
    }
  }

  #takeLook(nowUs: number): Look | null {
    const look = this.#due.shift();
    if (look !== undefined) return look;
    return this.#isYoungDue(nowUs) ? (this.#young.shift() ?? null) : null;
  }

  #isYoungDue(nowUs: number): boolean {
    const first = this.#young[0];
    return first !== undefined && first.dueUs <= nowUs;
  }

  #sql(log: ShardLog): ReturnType<typeof prepare> {
    const known = this.#statements.get(log);
    if (known !== undefined) return known;
    const made = prepare(this.#database, log.table);
    this.#statements.set(log, made);
    return made;
  }
}

function prepare(database: DatabaseSync, table: string) {
  const arrays = (sql: string) => prepareArrays(database, sql);
  return {
    oldest: arrays(
      `SELECT seq, time_us, room_id, length(envelope) FROM ${table} ORDER BY seq LIMIT ?`,
    ),
    deleteThrough: arrays(`DELETE FROM ${table} WHERE seq <= ?`),
    deleteOfRoom: arrays(
      `DELETE FROM ${table} WHERE seq IN (SELECT seq FROM ${table} WHERE room_id = ? AND ` +
        "seq <= ? AND time_us < ? ORDER BY seq LIMIT ?) RETURNING seq, length(envelope)",
    ),
    firstOfRoom: arrays(`SELECT seq FROM ${table} WHERE room_id = ? AND seq <= ? LIMIT 1`),
    nextRoom: arrays(`SELECT room_id FROM ${table} WHERE room_id > ? ORDER BY room_id LIMIT 1`),
  };
}
