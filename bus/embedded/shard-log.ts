/**
 * The messages of one shard: a table of the store's file, and what is counted of it. Runs in the
 * worker, inside transactions that the worker begins and ends.
 *
 * Counts are kept in memory and written seldom: with each trimming, and after COUNT_SAVE rows.
 * What was stored since is counted at the next start, so an append costs no further write.
 */
import type { DatabaseSync } from "node:sqlite";
import type { ShardFacts } from "../topology.ts";
import { DEDUPE_WINDOW_US } from "../void.ts";
import { Refusal } from "./append-batch.ts";
import { prepareArrays } from "./database.ts";
import { messageTable } from "./schema.ts";

/** Rows stored after which counts are written: as many are counted at a start, in some 10 ms. */
const COUNT_SAVE = 65_536;

/** Bytes of a message beside its envelope: its other columns, its place in the index, its page. */
const MESSAGE_HEAD_BYTES = 64;

/** What a message counts against its shard's `bytesMax`. */
export function messageBytes(envelopeLength: number): number {
  return envelopeLength + MESSAGE_HEAD_BYTES;
}

/** What a shard keeps. */
export interface LogLimits {
  /** Newest messages kept of each room. */
  readonly roomMessageCountMax: number;
  /** Age at which messages are deleted. */
  readonly retentionUs: number;
  /** Bytes at which it is full, as {@link messageBytes} counts. */
  readonly bytesMax: number;
}

/** Of a shard that was deleted: all may go, but what names are still recalled from. */
export const ORPHAN_LIMITS: LogLimits = {
  roomMessageCountMax: Number.MAX_SAFE_INTEGER,
  retentionUs: DEDUPE_WINDOW_US,
  bytesMax: 0,
};

/** One row of a page: seq, time in microseconds, prev seq, envelope, epoch. */
export type MessageRow = [number, number, number, Uint8Array, number];

/** Seq, time and epoch of a row. */
export type RowPlace = [number, number, number];

/** What a log knows of its rows. */
interface Counts {
  messageCount: number;
  bytes: number;
  /** Highest seq that was ever in it, or that was given when it was made. */
  lastSeq: number;
  newestUs: number;
  /** Nothing up to here is in it: deleted for its age, or of before it was made. */
  trimmedSeq: number;
  /** Rows stored since counts were written. */
  unsavedCount: number;
}

/** What it says of itself (bus/topology.ts). */
export interface LogFacts
  extends Pick<ShardFacts, "messageCount" | "firstSeq" | "lastSeq" | "bytes" | "newestUs"> {
  /** Its name in the file. */
  readonly table: string;
}

/** Messages of one room of a log. */
export interface RoomCount {
  readonly roomId: number;
  readonly token: string;
  readonly messageCount: number;
}

/**
 * Rooms counted in one step: at 100 000 messages each, some 10 ms; publishes wait for it.
 */
const COUNT_ROOMS = 8;

export class ShardLog {
  /** Names its table; never used twice while it is there. */
  readonly id: number;
  /** Number of its shard; null when that was deleted and this is what is left. */
  shard: number | null;
  #limits: LogLimits = ORPHAN_LIMITS;
  /** Appends to a room between two looks at its count by retention.ts. */
  dueCount = 0;
  /** Batches sent with a lower fence are refused, for `refusal` (append-batch.ts, R3). */
  fence = 0;
  refusal: Refusal = Refusal.UNAVAILABLE;
  /** Whether it has refused in the present transaction, so that it refuses all that follow. */
  isRefusing = false;
  readonly #database: DatabaseSync;
  #counts: Counts;
  /** Counts of before the present transaction, once it has changed them. */
  #mark: Counts | null = null;
  #statements: ReturnType<typeof prepare> | null = null;

  constructor(database: DatabaseSync, id: number, shard: number | null) {
    this.#database = database;
    this.id = id;
    this.shard = shard;
    this.#counts = readCounts(database, id);
  }

  get limits(): LogLimits {
    return this.#limits;
  }
  set limits(limits: LogLimits) {
    this.#limits = limits;
    this.dueCount = Math.ceil(limits.roomMessageCountMax / 8);
  }
  get table(): string {
    return messageTable(this.id);
  }
  get messageCount(): number {
    return this.#counts.messageCount;
  }
  get bytes(): number {
    return this.#counts.bytes;
  }
  get lastSeq(): number {
    return this.#counts.lastSeq;
  }
  /** When its newest message was stored; 0 when it has none. */
  get newestUs(): number {
    return this.#counts.messageCount === 0 ? 0 : this.#counts.newestUs;
  }
  get trimmedSeq(): number {
    return this.#counts.trimmedSeq;
  }
  /** Whether counts are due to be written, by {@link saveCounts}. */
  get isUnsaved(): boolean {
    return this.#counts.unsavedCount >= COUNT_SAVE;
  }
  /** Whether the present transaction has changed it. */
  get isTouched(): boolean {
    return this.#mark !== null;
  }

  /** Before the first change of a transaction; {@link rollBack} returns to here. */
  touch(): void {
    if (this.#mark === null) this.#mark = { ...this.#counts };
  }
  /** The transaction is committed. */
  settle(): void {
    this.#mark = null;
  }
  rollBack(): void {
    if (this.#mark !== null) this.#counts = this.#mark;
    this.#mark = null;
  }

  /** Stores a message; {@link touch} was called. Hot path. */
  insert(
    seq: number,
    roomId: number,
    prevSeq: number,
    timeUs: number,
    producer: Uint8Array,
    producerSeq: number,
    epoch: number,
    envelope: Uint8Array,
  ): void {
    const { insert } = this.#sql;
    insert.run(seq, roomId, prevSeq, timeUs, producer, producerSeq, epoch, envelope);
    const counts = this.#counts;
    counts.messageCount += 1;
    counts.bytes += messageBytes(envelope.length);
    counts.lastSeq = seq;
    counts.newestUs = timeUs;
    counts.unsavedCount += 1;
  }

  /** Notes what was deleted; {@link touch} was called. */
  noteDeleted(count: number, bytes: number, trimmedSeq: number): void {
    const counts = this.#counts;
    counts.messageCount -= count;
    // What an older version stored was not counted row by row.
    counts.bytes = counts.messageCount === 0 ? 0 : Math.max(0, counts.bytes - bytes);
    counts.trimmedSeq = Math.max(counts.trimmedSeq, trimmedSeq);
  }

  /** Writes counts, inside a transaction. */
  saveCounts(): void {
    const counts = this.#counts;
    counts.unsavedCount = 0;
    const { lastSeq, messageCount, bytes, trimmedSeq } = counts;
    this.#sql.saveCounts.run(lastSeq, messageCount, bytes, trimmedSeq, this.id);
  }

  /** What it says of itself. */
  facts(): LogFacts {
    const { messageCount, bytes, lastSeq } = this.#counts;
    const { table, newestUs } = this;
    const firstSeq = this.firstFrom(0)?.[0] ?? lastSeq + 1;
    return { table, messageCount, bytes, lastSeq, newestUs, firstSeq };
  }

  /** Messages of the next rooms behind `afterRoom`; none at the end. */
  roomCounts(afterRoom: number): RoomCount[] {
    const rows = this.#sql.roomCounts.all(afterRoom, COUNT_ROOMS) as unknown as unknown[][];
    return rows.map(([roomId, token, messageCount]) => ({
      roomId: Number(roomId),
      token: String(token),
      messageCount: Number(messageCount),
    }));
  }

  /** Room id, time and epoch of a row. */
  rowAt(seq: number): [number, number, number] | undefined {
    return this.#sql.at.get(seq) as unknown as [number, number, number] | undefined;
  }

  /** Seq and time of the first row from `seq` on, of any room. */
  firstFrom(seq: number): [number, number] | undefined {
    return this.#sql.firstFrom.get(seq) as unknown as [number, number] | undefined;
  }

  /** The row of a room with `offset` newer ones of it in seqs from `fromSeq` to `toSeq`. */
  newestOf(roomId: number, fromSeq: number, toSeq: number, offset = 0): RowPlace | undefined {
    const row = this.#sql.newestOf.get(roomId, fromSeq, toSeq, offset);
    return row as unknown as RowPlace | undefined;
  }

  /** Rows of a room in seqs from `fromSeq` to `toSeq`. */
  countOf(roomId: number, fromSeq: number, toSeq: number): number {
    return (this.#sql.countOf.get(roomId, fromSeq, toSeq) as unknown as [number])[0];
  }

  /** Rows of a room in seqs from `fromSeq` to `toSeq`, oldest first. */
  rowsOn(roomId: number, fromSeq: number, toSeq: number, count: number): MessageRow[] {
    return this.#sql.rowsOn.all(roomId, fromSeq, toSeq, count) as unknown as MessageRow[];
  }

  /** The same, newest first. */
  rowsBack(roomId: number, fromSeq: number, toSeq: number, count: number): MessageRow[] {
    return this.#sql.rowsBack.all(roomId, fromSeq, toSeq, count) as unknown as MessageRow[];
  }

  /** Prepared when first needed: a store may have 256 shards, most of them quiet. */
  get #sql(): ReturnType<typeof prepare> {
    this.#statements ??= prepare(this.#database, this.table);
    return this.#statements;
  }
}

function readCounts(database: DatabaseSync, id: number): Counts {
  const table = messageTable(id);
  const get = (sql: string, ...values: number[]) =>
    prepareArrays(database, sql).get(...values) as unknown as number[] | undefined;
  const saved = get(
    "SELECT counted_seq, message_count, bytes, trimmed_seq FROM shard_log WHERE id = ?",
    id,
  );
  const [countedSeq = 0, messageCount = 0, bytes = 0, trimmedSeq = 0] = saved ?? [];
  const tail = get(
    `SELECT count(*), total(length(envelope)) FROM ${table} WHERE seq > ?`,
    countedSeq,
  );
  const [tailCount = 0, tailBytes = 0] = tail ?? [];
  const newest = get(`SELECT seq, time_us FROM ${table} ORDER BY seq DESC LIMIT 1`);
  return {
    messageCount: messageCount + tailCount,
    bytes: bytes + tailBytes + tailCount * MESSAGE_HEAD_BYTES,
    lastSeq: Math.max(newest?.[0] ?? 0, countedSeq, trimmedSeq),
    newestUs: newest?.[1] ?? 0,
    trimmedSeq,
    unsavedCount: tailCount,
  };
}

function prepare(database: DatabaseSync, table: string) {
  const statement = (sql: string) => prepareArrays(database, sql);
  const columns = `seq, time_us, prev_seq, envelope, epoch FROM ${table}`;
  const range = "room_id = ? AND seq BETWEEN ? AND ?";
  return {
    // An empty array without memory is bound as NULL.
    insert: statement(
      `INSERT INTO ${table} (seq, room_id, prev_seq, time_us, producer, producer_seq, epoch, ` +
        "envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ifnull(?, x''))",
    ),
    saveCounts: statement(
      "UPDATE shard_log SET counted_seq = ?, message_count = ?, bytes = ?, trimmed_seq = ? " +
        "WHERE id = ?",
    ),
    at: statement(`SELECT room_id, time_us, epoch FROM ${table} WHERE seq = ?`),
    firstFrom: statement(`SELECT seq, time_us FROM ${table} WHERE seq >= ? ORDER BY seq LIMIT 1`),
    newestOf: statement(
      `SELECT seq, time_us, epoch FROM ${table} WHERE ${range} ORDER BY seq DESC LIMIT 1 OFFSET ?`,
    ),
    // Steps through the rooms first: grouping the whole index would read all of it each time.
    roomCounts: statement(
      "SELECT id, token, " +
        `(SELECT count(*) FROM ${table} WHERE room_id = room.id) ` +
        "FROM room WHERE id > ? ORDER BY id LIMIT ?",
    ),
    countOf: statement(`SELECT count(*) FROM ${table} WHERE ${range}`),
    rowsOn: statement(`SELECT ${columns} WHERE ${range} ORDER BY seq LIMIT ?`),
    rowsBack: statement(`SELECT ${columns} WHERE ${range} ORDER BY seq DESC LIMIT ?`),
  };
}
