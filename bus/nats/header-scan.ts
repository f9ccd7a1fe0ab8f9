/**
 * What a republished message's headers say, read from their bytes in place. Hot path, once per
 * durable message: no string but the few digits' numbers, no map of headers.
 *
 * Pure. The last of several lines with one name counts: a client can put forged ones before the
 * server's. Bytes that are no headers, or numbers that are none, give -1.
 */

/** What was found; -1 for what was not there. Used again and again, so copy what must last. */
export interface ScannedHeaders {
  /** Nats-Stream, when it is a shard's: "TG_<shard>". */
  shard: number;
  /** Nats-Sequence. */
  seq: number;
  /** Nats-Last-Sequence. */
  lastSeq: number;
  /** Nats-Time-Stamp, microseconds since 1970-01-01 UTC. */
  timeUs: number;
  /** Tg-Tail, our own marker (R7). */
  tail: number;
}

const [cr, lf, colon, space, dot, zero, nine] = [13, 10, 58, 32, 46, 48, 57] as const;
/** Digits of a safe integer. */
const digitCountMax = 15;

const names = {
  stream: bytesOf("Nats-Stream"),
  seq: bytesOf("Nats-Sequence"),
  lastSeq: bytesOf("Nats-Last-Sequence"),
  timeUs: bytesOf("Nats-Time-Stamp"),
  tail: bytesOf("Tg-Tail"),
};
const version = bytesOf("NATS/1.0");
const shardPrefix = bytesOf("TG_");

/** Nothing found yet. */
export function emptyHeaders(): ScannedHeaders {
  return { shard: -1, seq: -1, lastSeq: -1, timeUs: -1, tail: -1 };
}

/** What the client library gives of a message; `size` is not in its interface, but public. */
export interface SizedMessage {
  readonly subject: string;
  readonly reply?: string;
  readonly data: Uint8Array;
  /** Bytes of subject, reply, headers and data. */
  size?(): number;
}

/**
 * Reads the headers of a message where they stand: right before its data, in the same buffer.
 *
 * @returns false when no headers can be seen there: then nothing is known, and the library's own
 *   reading tells.
 */
export function scanMessage(message: SizedMessage, into: ScannedHeaders): boolean {
  const { data } = message;
  // Headers end with an empty line. Most messages have none, and their subjects are not decoded.
  if (message.size === undefined || !isBehindEmptyLine(data)) return false;
  const { subject, reply = "" } = message;
  const headerLength = message.size() - subject.length - reply.length - data.length;
  const start = data.byteOffset - headerLength;
  if (start < 0 || headerLength <= version.length) return false;
  return scanHeaders(new Uint8Array(data.buffer, start, headerLength), into);
}

/** Reads a whole block of headers, "NATS/1.0" line included. */
export function scanHeaders(bytes: Uint8Array, into: ScannedHeaders): boolean {
  into.shard = into.seq = into.lastSeq = into.timeUs = into.tail = -1;
  if (!isAt(bytes, 0, version)) return false;
  let at = endOfLine(bytes, version.length);
  while (at < bytes.length) {
    const end = endOfLine(bytes, at);
    scanLine(bytes, at, end, into);
    at = end;
  }
  return true;
}

/** The line from `at` on; `end` is behind its CR LF. */
function scanLine(bytes: Uint8Array, at: number, end: number, into: ScannedHeaders): void {
  // The names differ in their first and fifth letters and their lengths; most lines are others'.
  const first = bytes[at];
  if (first === names.tail[0]) {
    if (isName(bytes, at, names.tail)) into.tail = numberAt(bytes, at + names.tail.length, end);
  } else if (first === names.seq[0]) {
    if (isName(bytes, at, names.seq)) into.seq = numberAt(bytes, at + names.seq.length, end);
    else if (isName(bytes, at, names.lastSeq)) {
      into.lastSeq = numberAt(bytes, at + names.lastSeq.length, end);
    } else if (isName(bytes, at, names.timeUs)) {
      into.timeUs = timeAt(bytes, at + names.timeUs.length, end);
    } else if (isName(bytes, at, names.stream)) {
      into.shard = shardAt(bytes, at + names.stream.length, end);
    }
  }
}

function shardAt(bytes: Uint8Array, colonAt: number, end: number): number {
  const at = valueAt(bytes, colonAt, end);
  return isAt(bytes, at, shardPrefix) ? digitsAt(bytes, at + shardPrefix.length, end) : -1;
}

function numberAt(bytes: Uint8Array, colonAt: number, end: number): number {
  return digitsAt(bytes, valueAt(bytes, colonAt, end), end);
}

/** A whole number that fills the rest of the line, or -1. */
function digitsAt(bytes: Uint8Array, from: number, end: number): number {
  let value = 0;
  let at = from;
  for (; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < zero || byte > nine) break;
    value = value * 10 + (byte - zero);
  }
  const count = at - from;
  const isWhole = at >= end || bytes[at] === cr || bytes[at] === lf || bytes[at] === space;
  return count > 0 && count <= digitCountMax && isWhole ? value : -1;
}

/** "2026-11-22T11:30:00.123456789Z" with up to 9 decimals, or -1. */
function timeAt(bytes: Uint8Array, colonAt: number, end: number): number {
  const at = valueAt(bytes, colonAt, end);
  if (at + 20 > end) return -1;
  const seconds = secondsAt(bytes, at);
  if (Number.isNaN(seconds)) return -1;
  let micros = 0;
  if (bytes[at + 19] === dot) {
    for (let digit = 0; digit < 6; digit += 1) {
      const value = (bytes[at + 20 + digit] ?? 0) - zero;
      if (value < 0 || value > 9) {
        micros *= 10 ** (6 - digit);
        break;
      }
      micros = micros * 10 + value;
    }
  }
  return seconds * 1_000_000 + micros;
}

function secondsAt(bytes: Uint8Array, at: number): number {
  const year = two(bytes, at) * 100 + two(bytes, at + 2);
  const month = two(bytes, at + 5);
  const day = two(bytes, at + 8);
  const time = two(bytes, at + 11) * 3600 + two(bytes, at + 14) * 60 + two(bytes, at + 17);
  return daysSince1970(year, month, day) * 86_400 + time;
}

/** Howard Hinnant's days_from_civil, for years from 0 on. */
function daysSince1970(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const days = ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear;
  return era * 146_097 + days - 719_468;
}

function two(bytes: Uint8Array, at: number): number {
  const [tens, ones] = [(bytes[at] ?? 0) - zero, (bytes[at + 1] ?? 0) - zero];
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? Number.NaN : tens * 10 + ones;
}

/** Where the value begins: behind the colon and blanks. */
function valueAt(bytes: Uint8Array, colonAt: number, end: number): number {
  let at = colonAt + 1;
  while (at < end && bytes[at] === space) at += 1;
  return at;
}

function isBehindEmptyLine({ buffer, byteOffset }: Uint8Array): boolean {
  if (byteOffset <= version.length) return false;
  const [first, second, third, last] = new Uint8Array(buffer, byteOffset - 4, 4);
  return first === cr && second === lf && third === cr && last === lf;
}

function isName(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  return bytes[at + name.length] === colon && isAt(bytes, at, name);
}

function isAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i += 1) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

/** Behind the line's LF, or the end of all. */
function endOfLine(bytes: Uint8Array, from: number): number {
  const at = bytes.indexOf(lf, from);
  return at < 0 ? bytes.length : at + 1;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
