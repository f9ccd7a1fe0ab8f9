/**
 * The log of durable messages: de-duplicates, stores, reads. Runs in the worker, inside
 * transactions that the worker begins and ends.
 *
 * `seq` is one count for the whole store, never used twice: it goes on from the newest row or,
 * when that was trimmed, from the `trimmed` table. Time is an argument, so tests can choose it.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Position } from "../position.ts";
import { DEDUPE_WINDOW_US, PUBLISH_LIMITS } from "../void.ts";
import { type RecordView, Refusal } from "./append-batch.ts";
import { prepareArrays } from "./database.ts";
import { DedupeWindow, type FirstCopy } from "./dedupe-window.ts";
import { type RoomState, Rooms } from "./rooms.ts";

/** Epoch of every position: an embedded store has one owner for ever. */
export const EMBEDDED_EPOCH = 1;
/** Rows whose names are recalled in one step after a start. */
const recallStepCount = 4096;

/** Sums of one {@link MessageLog.append}. */
export interface AppendSummary {
  storedCount: number;
  /** True: some record was refused in a way that asks for a retry. */
  isRefusing: boolean;
}

/** One row of a page: seq, time in microseconds, prev seq, envelope. */
export type MessageRow = [number, number, number, Uint8Array];

export class MessageLog {
  readonly #statements: Statements;
  readonly #dedupe: DedupeWindow;
  readonly #rooms: Rooms;
  readonly #dueRooms: RoomState[] = [];
  readonly #dueCount: number;
  readonly #copy: FirstCopy = { seq: 0, timeUs: 0 };
  #lastSeq: number;
  #lastTimeUs: number;
  /** What is left to be remembered of the rows stored before the start; null when done. */
  #recall: { nextSeq: number; nowUs: number; uptimeUs: number } | null;
  /** Counts transactions; what the present one has touched. */
  #transaction = 0;
  #touchedRoomCount = 0;
  #touchedBytes = 0;
  #markSeq = 0;
  #markNames = 0;

  /**
   * @param nowUs wall clock, to recall the names of the last 30 s from the log's tail.
   * @param uptimeUs a clock that never steps.
   * @param seed see {@link DedupeWindow}.
   * @param dueCount appends after which a room is due for a look by retention.ts, 1 or more.
   */
  constructor(
    database: DatabaseSync,
    nowUs: number,
    uptimeUs: number,
    seed: number,
    dueCount: number,
  ) {
    this.#dueCount = dueCount;
    this.#statements = prepare(database);
    this.#rooms = new Rooms(database, dueCount);
    this.#dedupe = new DedupeWindow(DEDUPE_WINDOW_US, seed);
    const newest = this.#statements.newest.get() as unknown as Place | undefined;
    const trimmed = this.#statements.trimmed.get() as unknown as [number];
    this.#lastSeq = Math.max(newest?.[0] ?? 0, trimmed[0]);
    this.#lastTimeUs = newest?.[1] ?? 0;
    const nextSeq = this.#firstNameSeq(nowUs - DEDUPE_WINDOW_US);
    this.#recall = { nextSeq, nowUs, uptimeUs };
  }

  /**
   * Remembers the names of the log's tail, some rows a call: at most some 10 ms each, so that reads
   * and keys need not wait after a crash under load.
   *
   * @returns true when all are remembered; {@link append} must wait until then.
   */
  recall(): boolean {
    const recall = this.#recall;
    if (recall === null) return true;
    const rows = this.#statements.names.iterate(recall.nextSeq, recallStepCount);
    let count = 0;
    for (const row of rows as Iterable<unknown> as Iterable<NameRow>) {
      const [seq, roomId, timeUs, producer, producerSeq] = row;
      const storedUs = recall.uptimeUs - Math.max(0, recall.nowUs - timeUs);
      if (this.#dedupe.hasSpace) {
        this.#dedupe.add(roomId, producer, producerSeq, { seq, timeUs }, storedUs);
      }
      recall.nextSeq = seq + 1;
      count += 1;
    }
    if (count === recallStepCount) return false;
    this.#recall = null;
    return true;
  }

  /** Newest seq given out. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /**
   * About how many pages the present transaction changes: rows at the end, an index leaf a room.
   */
  get touchedPages(): number {
    return this.#touchedRoomCount + Math.ceil(this.#touchedBytes / 4096);
  }

  /** Rooms that came due since the last call: they had `dueCount` appends or were just loaded. */
  takeDueRooms(): RoomState[] {
    return this.#dueRooms.splice(0);
  }

  /**
   * Time of a commit: the wall clock, but rising in small steps when the clock was set back by less
   * than a second, so that the times of a room rise in practice.
   */
  commitTime(nowUs: number): number {
    const isSmallStep = nowUs <= this.#lastTimeUs && this.#lastTimeUs - nowUs < 1_000_000;
    return isSmallStep ? this.#lastTimeUs + 1 : nowUs;
  }

  /** Starts a transaction's worth of appends; {@link rollBack} returns to here. */
  begin(uptimeUs: number): void {
    this.#dedupe.expire(uptimeUs);
    this.#transaction += 1;
    this.#touchedRoomCount = 0;
    this.#touchedBytes = 0;
    this.#markSeq = this.#lastSeq;
    this.#markNames = this.#dedupe.mark;
  }

  /** Forgets what was appended since {@link begin}: the transaction was rolled back. */
  rollBack(): void {
    this.#dedupe.undo(this.#markNames);
    this.#lastSeq = this.#markSeq;
    this.#rooms.clear();
    this.#dueRooms.length = 0;
  }

  /**
   * Stores the records of a batch and writes each one's result over it.
   *
   * @param count records in the batch.
   * @param timeUs from {@link commitTime}.
   * @param refusal when not null, new records are refused so; copies are still recognised.
   */
  append(
    view: RecordView,
    count: number,
    timeUs: number,
    uptimeUs: number,
    refusal: Refusal | null,
  ): AppendSummary {
    const summary: AppendSummary = { storedCount: 0, isRefusing: false };
    let at = 0;
    for (let i = 0; i < count; i += 1) {
      const next = view.next(at);
      if (!view.isPreRefused(at)) {
        // After one refusal all later ones of the transaction are refused too, so that the retries
        // of a producer come in its order.
        const why = summary.isRefusing ? (refusal ?? Refusal.UNAVAILABLE) : refusal;
        this.#appendRecord(view, at, timeUs, uptimeUs, why, summary);
      }
      at = next;
    }
    this.#lastTimeUs = timeUs;
    return summary;
  }

  #appendRecord(
    view: RecordView,
    at: number,
    timeUs: number,
    uptimeUs: number,
    refusal: Refusal | null,
    summary: AppendSummary,
  ): void {
    const token = view.token(at);
    const room = this.#rooms.find(token);
    const producer = view.producer(at);
    const first = room && this.#dedupe.find(room.id, producer, view.number(at, 0));
    if (first !== null) {
      view.settle(at, -first.seq, first.timeUs, 0);
    } else if (timeUs - view.number(at, 1) > PUBLISH_LIMITS.voidAfterUs) {
      view.refuse(at, Refusal.VOID);
    } else if (refusal !== null || !this.#dedupe.hasSpace) {
      summary.isRefusing = true;
      view.refuse(at, refusal ?? Refusal.UNAVAILABLE);
    } else {
      this.#store(room ?? this.#rooms.add(token), view, at, timeUs, uptimeUs);
      summary.storedCount += 1;
    }
  }

  #store(room: RoomState, view: RecordView, at: number, timeUs: number, uptimeUs: number): void {
    const producer = view.producer(at);
    const producerSeq = view.number(at, 0);
    const seq = this.#lastSeq + 1;
    const prevSeq = room.lastSeq;
    const envelope = view.envelope(at);
    this.#statements.insert.run(seq, room.id, prevSeq, timeUs, producer, producerSeq, envelope);
    this.#copy.seq = seq;
    this.#copy.timeUs = timeUs;
    this.#dedupe.add(room.id, producer, producerSeq, this.#copy, uptimeUs);
    this.#lastSeq = seq;
    room.lastSeq = seq;
    room.appendedCount += 1;
    room.appendTotal += 1;
    this.#touchedBytes += envelope.length + 48;
    if (room.touchedBy !== this.#transaction) {
      room.touchedBy = this.#transaction;
      this.#touchedRoomCount += 1;
    }
    if (room.appendedCount === this.#dueCount) this.#dueRooms.push(room);
    view.settle(at, seq, timeUs, prevSeq);
  }

  /** Puts into the transaction that everything up to `seq` is trimmed: no seq comes twice. */
  storeTrimmed(seq: number): void {
    this.#statements.setTrimmed.run(seq);
  }

  /** Deletes a room that has no messages left, inside a transaction. */
  forgetEmptyRoom(id: number): void {
    this.#rooms.deleteEmpty(id);
  }

  /** Whether exactly that message is stored in that room (R9): its seq, and its time. */
  isHeld(token: string, { epoch, seq, timeUs }: Position): boolean {
    const room = this.#rooms.find(token);
    if (room === null || epoch !== EMBEDDED_EPOCH) return false;
    const row = this.#statements.roomAndTime.get(seq) as unknown as Place | undefined;
    return row !== undefined && row[0] === room.id && row[1] === timeUs;
  }

  /** Reads rows of a room from `fromSeq` on, oldest first. */
  rowsFrom(token: string, fromSeq: number, count: number): MessageRow[] {
    const room = this.#rooms.find(token);
    if (room === null) return [];
    return this.#statements.readFrom.all(room.id, fromSeq, count) as unknown as MessageRow[];
  }

  /** Reads rows of a room before `beforeSeq`, newest first. */
  rowsBefore(token: string, beforeSeq: number, count: number): MessageRow[] {
    const room = this.#rooms.find(token);
    if (room === null) return [];
    return this.#statements.readBefore.all(room.id, beforeSeq, count) as unknown as MessageRow[];
  }

  /** The newest position of a room, or null. */
  head(token: string): Position | null {
    const room = this.#rooms.find(token);
    if (room === null) return null;
    const row = this.#statements.roomNewest.get(room.id) as unknown as Place | undefined;
    return row === undefined ? null : positionOf(row);
  }

  /**
   * Position of the `count`-th newest message of a room, or null. Finding it walks `count` index
   * entries, so it is remembered until a 64th as many were appended: every join asks for it.
   */
  floor(token: string, count: number): Position | null {
    const room = this.#rooms.find(token);
    if (room === null) return null;
    const known = room.floor;
    const isFresh = known?.count === count && room.appendTotal - known.appendTotal <= count >> 6;
    if (known !== null && isFresh && this.#isStored(known.position)) return known.position;
    const row = this.#statements.roomFloor.get(room.id, count - 1) as unknown as Place | undefined;
    const position = row === undefined ? null : positionOf(row);
    room.floor = { count, appendTotal: room.appendTotal, position };
    return position;
  }

  /** Whether a position is still there; true for null, which names none. */
  #isStored(position: Position | null): boolean {
    if (position === null) return true;
    const row = this.#statements.timeFrom.get(position.seq) as unknown as Place | undefined;
    return row?.[0] === position.seq;
  }

  /** Where the names of the window begin in the log, found by steps back from its end. */
  #firstNameSeq(sinceUs: number): number {
    const oldest = this.#statements.timeFrom.get(0) as unknown as Place | undefined;
    if (oldest === undefined) return 0;
    let seq = this.#lastSeq;
    while (seq > oldest[0]) {
      seq = Math.max(0, seq - recallStepCount);
      const row = this.#statements.timeFrom.get(seq) as unknown as Place | undefined;
      if (row !== undefined && row[1] < sinceUs) return row[0];
    }
    return 0;
  }
}

/** Seq, room id, time, producer, producer seq. */
type NameRow = [number, number, number, Uint8Array, number];

function positionOf([seq, timeUs]: Place): Position {
  return { epoch: EMBEDDED_EPOCH, seq, timeUs };
}

/** Two numbers of a row: seq and time, unless said otherwise. */
type Place = [number, number];

type Statements = ReturnType<typeof prepare>;

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => prepareArrays(database, sql);
  const columns = "seq, time_us, prev_seq, envelope FROM message";
  return {
    // An empty array without memory is bound as NULL.
    insert: statement("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ifnull(?, x''))"),
    newest: statement("SELECT seq, time_us FROM message ORDER BY seq DESC LIMIT 1"),
    roomAndTime: statement("SELECT room_id, time_us FROM message WHERE seq = ?"),
    timeFrom: statement("SELECT seq, time_us FROM message WHERE seq >= ? ORDER BY seq LIMIT 1"),
    names: statement(
      "SELECT seq, room_id, time_us, producer, producer_seq FROM message WHERE seq >= ? " +
        "ORDER BY seq LIMIT ?",
    ),
    trimmed: statement("SELECT seq FROM trimmed"),
    setTrimmed: statement("UPDATE trimmed SET seq = ?"),
    roomNewest: statement(
      "SELECT seq, time_us FROM message WHERE room_id = ? ORDER BY seq DESC LIMIT 1",
    ),
    roomFloor: statement(
      "SELECT seq, time_us FROM message WHERE room_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
    ),
    readFrom: statement(`SELECT ${columns} WHERE room_id = ? AND seq >= ? ORDER BY seq LIMIT ?`),
    readBefore: statement(
      `SELECT ${columns} WHERE room_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
    ),
  };
}
