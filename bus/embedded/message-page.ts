/**
 * A page of stored messages in one transferable buffer: how the worker answers a read.
 *
 * Layout: for each message four float64 (seq, time, prev seq, epoch) and one for the envelope's
 * length, then all envelopes one after the other. The decoded messages share the buffer.
 */
import type { DurableMessage, ReadAfter, ReadBefore } from "../bus.ts";
import type { Position } from "../position.ts";
import type { RoomKey, RoomReader } from "./room-reader.ts";
import type { MessageRow } from "./shard-log.ts";

/**
 * Envelope bytes of one page; a page ends there before its limit (but has one message at least) and
 * says that more follow. Bounds the worker's time for one read, and a copy of it in memory.
 */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** A page as it crosses the threads. */
export interface EncodedPage {
  readonly count: number;
  readonly buffer: ArrayBuffer;
  readonly isContinuous: boolean;
  /** Whether rows were left in the direction of the read. */
  readonly hasMore: boolean;
}

const numberCount = 5;
const headBytes = numberCount * 8;
/** Rows read from SQLite at a time: 64 MB at most, of envelopes of ENVELOPE_BYTES_MAX. */
const chunkCount = 64;

/** Reads on from a position, inclusive check first (R9). */
export function readPageAfter(
  reader: RoomReader,
  room: RoomKey,
  after: Position | null,
  limit: number,
): EncodedPage {
  const isContinuous = after === null || reader.isHeld(room, after);
  const fromSeq = isContinuous && after !== null ? after.seq + 1 : 0;
  const { rows, hasMore } = takeRows(
    limit,
    fromSeq,
    (seq, count) => reader.rowsFrom(room, seq, count),
    ([seq]) => seq + 1,
  );
  return { ...encodeRows(rows), isContinuous, hasMore };
}

/** Reads back from a position, exclusive; null: the newest. The page holds the newest first. */
export function readPageBefore(
  reader: RoomReader,
  room: RoomKey,
  before: Position | null,
  limit: number,
): EncodedPage {
  const beforeSeq = before === null ? Number.MAX_SAFE_INTEGER : reader.seqBefore(room, before);
  const { rows, hasMore } = takeRows(
    limit,
    beforeSeq,
    (seq, count) => reader.rowsBefore(room, seq, count),
    ([seq]) => seq,
  );
  return { ...encodeRows(rows), isContinuous: true, hasMore };
}

/**
 * Takes rows up to the limit or PAGE_BYTES_MAX, in chunks: one by one costs nearly twice as much,
 * all at once could be 500 MB.
 *
 * @param next where to read on after a row.
 */
function takeRows(
  limit: number,
  start: number,
  read: (seq: number, count: number) => MessageRow[],
  next: (row: MessageRow) => number,
): { rows: MessageRow[]; hasMore: boolean } {
  const rows: MessageRow[] = [];
  let bytes = 0;
  for (let seq = start; ; ) {
    const count = Math.min(chunkCount, limit + 1 - rows.length);
    const chunk = read(seq, count);
    for (const row of chunk) {
      bytes += row[3].length;
      const isFull = rows.length === limit || (rows.length > 0 && bytes > PAGE_BYTES_MAX);
      if (isFull) return { rows, hasMore: true };
      rows.push(row);
      seq = next(row);
    }
    if (chunk.length < count) return { rows, hasMore: false };
  }
}

function encodeRows(rows: readonly MessageRow[]): { count: number; buffer: ArrayBuffer } {
  let envelopeBytes = 0;
  for (const row of rows) envelopeBytes += row[3].length;
  const buffer = new ArrayBuffer(rows.length * headBytes + envelopeBytes);
  const numbers = new Float64Array(buffer, 0, rows.length * numberCount);
  const bytes = new Uint8Array(buffer);
  let end = rows.length * headBytes;
  let i = 0;
  for (const row of rows) {
    numbers[i] = row[0];
    numbers[i + 1] = row[1];
    numbers[i + 2] = row[2];
    numbers[i + 3] = row[4];
    numbers[i + 4] = row[3].length;
    bytes.set(row[3], end);
    end += row[3].length;
    i += numberCount;
  }
  return { count: rows.length, buffer };
}

/** The answer of Bus.readAfter. */
export function decodeAfter(page: EncodedPage): ReadAfter {
  const messages = decodeMessages(page);
  return { isContinuous: page.isContinuous, messages, isEnd: !page.hasMore };
}

/** The answer of Bus.readBefore. */
export function decodeBefore(page: EncodedPage): ReadBefore {
  return { messages: decodeMessages(page).reverse(), hasMore: page.hasMore };
}

function decodeMessages(page: EncodedPage): DurableMessage[] {
  const numbers = new Float64Array(page.buffer, 0, page.count * numberCount);
  const messages: DurableMessage[] = [];
  let end = page.count * headBytes;
  for (let i = 0; i < page.count * numberCount; i += numberCount) {
    const length = numbers[i + 4] as number;
    messages.push({
      epoch: numbers[i + 3] as number,
      seq: numbers[i] as number,
      timeUs: numbers[i + 1] as number,
      prevSeq: numbers[i + 2] as number,
      envelope: new Uint8Array(page.buffer, end, length),
    });
    end += length;
  }
  return messages;
}
