/**
 * Batches of the journal, in the worker's database: by bucket, the oldest go first.
 *
 * The table is made beside those of schema.ts, of whatever version, since no earlier version minds
 * it. Written in transactions of its own, without an fsync: a power cut may cost the last seconds
 * of it, and no append ever waits for it.
 */
import type { DatabaseSync } from "node:sqlite";
import type { StoredBatch } from "../journal/journal-writer.ts";
import { JOURNAL_AGE_MS, type JournalSpan } from "../journal.ts";
import { prepareArrays } from "./database.ts";

/** Rows that one transaction removes at most, beyond as many as it adds: some 2 ms. */
const TRIM_COUNT_MAX = 512;
/** Bytes of one page of a read, but for its last batch. */
const PAGE_BYTES_MAX = 1024 ** 2;
/** What a row takes beside its batch: keys, index, and its share of a page. */
const ROW_BYTES = 64;

const schema = `
CREATE TABLE IF NOT EXISTS journal (
  id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, time_us INTEGER NOT NULL, batch BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS journal_by_bucket ON journal (bucket);
CREATE TABLE IF NOT EXISTS journal_state (
  id INTEGER PRIMARY KEY CHECK (id = 1), from_us INTEGER NOT NULL, bytes INTEGER NOT NULL);
`;

/** A batch and where it stands. */
export interface JournalRow {
  readonly id: number;
  readonly bytes: Uint8Array;
}

export class JournalTable {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #bytesMax: number;
  #bytes: number;

  /** Makes the table when it is missing; call it inside a transaction. */
  constructor(database: DatabaseSync, bytesMax: number, nowUs: number) {
    database.exec(schema);
    database
      .prepare("INSERT OR IGNORE INTO journal_state (id, from_us, bytes) VALUES (1, ?, 0)")
      .run(nowUs);
    this.#statements = prepare(database);
    this.#bytesMax = bytesMax;
    this.#bytes = this.#readState()[1];
  }

  /** Adds batches, and removes what is too old or too much. Inside a transaction. */
  add(batches: readonly StoredBatch[], nowUs: number): void {
    for (const { bucket, bytes } of batches) {
      this.#statements.add.run(bucket, nowUs, bytes);
      this.#bytes += bytes.length + ROW_BYTES;
    }
    this.#trim(nowUs - JOURNAL_AGE_MS * 1000, batches.length + TRIM_COUNT_MAX);
    this.#statements.saveBytes.run(this.#bytes);
  }

  /** The transaction was rolled back. */
  rollBack(): void {
    this.#bytes = this.#readState()[1];
  }

  /** A page of a bucket, oldest first: what was stored since then, after a row. */
  read(bucket: string, sinceUs: number, afterId: number): JournalRow[] {
    const rows: JournalRow[] = [];
    let byteCount = 0;
    const found = this.#statements.read.iterate(bucket, afterId, sinceUs) as Iterable<unknown>;
    for (const [id, bytes] of found as Iterable<[number, Uint8Array]>) {
      rows.push({ id, bytes });
      byteCount += bytes.length;
      if (byteCount >= PAGE_BYTES_MAX) break;
    }
    return rows;
  }

  span(nowUs: number): JournalSpan {
    const [fromUs, bytes] = this.#readState();
    const oldestUs = nowUs - JOURNAL_AGE_MS * 1000;
    return { fromUs: Math.max(fromUs, oldestUs), bytes, bytesMax: this.#bytesMax };
  }

  #trim(oldestUs: number, countMax: number): void {
    let lastId = 0;
    let lastUs = 0;
    const oldest = this.#statements.oldest.iterate(countMax) as Iterable<unknown>;
    for (const [id, timeUs, length] of oldest as Iterable<[number, number, number]>) {
      if (timeUs >= oldestUs && this.#bytes <= this.#bytesMax) break;
      lastId = id;
      lastUs = timeUs;
      this.#bytes -= length + ROW_BYTES;
    }
    if (lastId === 0) return;
    this.#statements.deleteThrough.run(lastId);
    this.#statements.saveFrom.run(lastUs + 1);
  }

  #readState(): [fromUs: number, bytes: number] {
    return this.#statements.state.get() as unknown as [number, number];
  }
}

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => prepareArrays(database, sql);
  return {
    add: statement("INSERT INTO journal (bucket, time_us, batch) VALUES (?, ?, ?)"),
    read: statement(
      "SELECT id, batch FROM journal WHERE bucket = ? AND id > ? AND time_us >= ? ORDER BY id",
    ),
    oldest: statement("SELECT id, time_us, length(batch) FROM journal ORDER BY id LIMIT ?"),
    deleteThrough: statement("DELETE FROM journal WHERE id <= ?"),
    state: statement("SELECT from_us, bytes FROM journal_state"),
    saveBytes: statement("UPDATE journal_state SET bytes = ?"),
    saveFrom: statement("UPDATE journal_state SET from_us = ?"),
  };
}
