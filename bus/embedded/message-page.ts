/**
 * A page of stored messages in one transferable buffer: how the worker answers a read.
 *
 * Layout: for each message three float64 (seq, time, prev seq) and one for the envelope's length,
 * then all envelopes one after the other. The decoded messages share the buffer.
 */
import type { DurableMessage, ReadAfter, ReadBefore } from "../bus.ts";
import type { Position } from "../position.ts";
import { EMBEDDED_EPOCH, type MessageLog, type MessageRow } from "./message-log.ts";

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

const headBytes = 32;

/** Reads on from a position, inclusive check first (R9). */
export function readPageAfter(
  log: MessageLog,
  token: string,
  after: Position | null,
  limit: number,
): EncodedPage {
  if (after === null) return takePage(log.rowsFrom(token, 0, limit + 1), limit, true);
  if (after.epoch === EMBEDDED_EPOCH) {
    const rows = log.rowsFrom(token, after.seq, limit + 2)[Symbol.iterator]();
    const first = rows.next();
    const isHeld =
      first.done !== true && first.value[0] === after.seq && first.value[1] === after.timeUs;
    if (isHeld) return takePage({ [Symbol.iterator]: () => rows }, limit, true);
    rows.return?.();
  }
  return takePage(log.rowsFrom(token, 0, limit + 1), limit, false);
}

/** Reads back from a position, exclusive; null: the newest. The page holds the newest first. */
export function readPageBefore(
  log: MessageLog,
  token: string,
  before: Position | null,
  limit: number,
): EncodedPage {
  let beforeSeq = Number.MAX_SAFE_INTEGER;
  if (before !== null && before.epoch < EMBEDDED_EPOCH) beforeSeq = 0;
  if (before !== null && before.epoch === EMBEDDED_EPOCH) beforeSeq = before.seq;
  return takePage(log.rowsBefore(token, beforeSeq, limit + 1), limit, true);
}

function takePage(rows: Iterable<MessageRow>, limit: number, isContinuous: boolean): EncodedPage {
  const taken: MessageRow[] = [];
  let bytes = 0;
  let hasMore = false;
  for (const row of rows) {
    if (taken.length === limit || (taken.length > 0 && bytes + row[3].length > PAGE_BYTES_MAX)) {
      hasMore = true;
      break;
    }
    bytes += row[3].length;
    taken.push(row);
  }
  return { count: taken.length, buffer: encodeRows(taken, bytes), isContinuous, hasMore };
}

function encodeRows(rows: readonly MessageRow[], envelopeBytes: number): ArrayBuffer {
  const buffer = new ArrayBuffer(rows.length * headBytes + envelopeBytes);
  const numbers = new Float64Array(buffer, 0, rows.length * 4);
  const bytes = new Uint8Array(buffer);
  let end = rows.length * headBytes;
  for (const [i, row] of rows.entries()) {
    numbers[i * 4] = row[0];
    numbers[i * 4 + 1] = row[1];
    numbers[i * 4 + 2] = row[2];
    numbers[i * 4 + 3] = row[3].length;
    bytes.set(row[3], end);
    end += row[3].length;
  }
  return buffer;
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
  const numbers = new Float64Array(page.buffer, 0, page.count * 4);
  const messages: DurableMessage[] = [];
  let end = page.count * headBytes;
  for (let i = 0; i < page.count * 4; i += 4) {
    const length = numbers[i + 3] as number;
    messages.push({
      epoch: EMBEDDED_EPOCH,
      seq: numbers[i] as number,
      timeUs: numbers[i + 1] as number,
      prevSeq: numbers[i + 2] as number,
      envelope: new Uint8Array(page.buffer, end, length),
    });
    end += length;
  }
  return messages;
}
