/**
 * What an ephemeral message carries on NATS: a fixed prefix that names its origin and its number,
 * so that every receiver can count what it missed.
 *
 * ```
 * 0 magic  1 kind  2..7 origin  8..9 generation  10..13 seq  14.. envelope, or age (tails: 1 byte)
 * ```
 *
 * Bytes before the envelope rather than NATS headers, which cost 4.7 µs a message to read; this
 * prefix costs 0.2 µs (docs/nats.md). Big-endian; never shown to clients.
 */

/** First byte; no envelope and no text begins with it. */
const MAGIC = 0xe7;
/** Bytes before the envelope. */
export const PREFIX_BYTES = 14;
/** Bytes of a tail. */
const TAIL_BYTES = PREFIX_BYTES + 1;
/** Highest number; then the origin counts the room anew, in a new generation. */
export const SEQ_MAX = 0xffff_ffff;
/** Generations count from 0 to this, and around. */
export const GENERATION_MAX = 0xffff;
/** Highest age a tail can tell, in units of {@link AGE_UNIT_MS}; older ones say this. */
const AGE_MAX = 0xff;
/** Unit of a tail's age, ms. */
export const AGE_UNIT_MS = 250;

/** What a frame is. */
export const FrameKind = {
  /** A message: its envelope follows. */
  MESSAGE: 1,
  /** R7: `seq` is what the origin published last in this room, `ageMs` ago. */
  TAIL: 2,
  /** A tail of an origin that stops as planned: nothing of it follows, in any room. */
  END: 3,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** An origin's number of 48 bits, from random bytes; 0 is none. */
export function originFromBytes(bytes: Uint8Array): number {
  return readOrigin(bytes, 0) || 1;
}

/**
 * A message as it is published. Hot path, once per publish. Budget: one buffer.
 */
export function encodeMessage(
  origin: number,
  generation: number,
  seq: number,
  envelope: Uint8Array,
): Uint8Array {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + envelope.length);
  writePrefix(bytes, FrameKind.MESSAGE, origin, generation, seq);
  bytes.set(envelope, PREFIX_BYTES);
  return bytes;
}

/** A tail (R7), for a message published `ageMs` ago. */
export function encodeTail(
  kind: typeof FrameKind.TAIL | typeof FrameKind.END,
  origin: number,
  generation: number,
  seq: number,
  ageMs: number,
): Uint8Array {
  const bytes = Buffer.allocUnsafe(TAIL_BYTES);
  writePrefix(bytes, kind, origin, generation, seq);
  bytes[PREFIX_BYTES] = Math.min(AGE_MAX, Math.ceil(ageMs / AGE_UNIT_MS));
  return bytes;
}

/** Reads prefixes in place; one object for all of them, since it is done once per message. */
export class EphemeralReader {
  kind: FrameKind = FrameKind.MESSAGE;
  origin = 0;
  generation = 0;
  seq = 0;
  /** Tails: ms since the message was published, at most one unit too high. */
  ageMs = 0;

  /**
   * Hot path, once per message; nothing is allocated.
   *
   * @returns false for bytes that no Tidegate process wrote.
   */
  read(bytes: Uint8Array): boolean {
    if (bytes.length < PREFIX_BYTES || bytes[0] !== MAGIC) return false;
    const kind = bytes[1] ?? 0;
    if (kind < FrameKind.MESSAGE || kind > FrameKind.END) return false;
    this.kind = kind as FrameKind;
    this.origin = readOrigin(bytes, 2);
    this.generation = ((bytes[8] ?? 0) << 8) | (bytes[9] ?? 0);
    this.seq = readUint32(bytes, 10);
    if (this.origin === 0 || this.seq === 0) return false;
    if (kind === FrameKind.MESSAGE) return true;
    this.ageMs = (bytes[PREFIX_BYTES] ?? 0) * AGE_UNIT_MS;
    return bytes.length === TAIL_BYTES;
  }
}

function writePrefix(
  bytes: Uint8Array,
  kind: FrameKind,
  origin: number,
  generation: number,
  seq: number,
): void {
  const high = Math.floor(origin / 0x1_0000_0000);
  bytes[0] = MAGIC;
  bytes[1] = kind;
  bytes[2] = high >>> 8;
  bytes[3] = high;
  writeUint32(bytes, 4, origin % 0x1_0000_0000);
  bytes[8] = generation >>> 8;
  bytes[9] = generation;
  writeUint32(bytes, 10, seq);
}

function readOrigin(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return high * 0x1_0000_0000 + readUint32(bytes, at + 2);
}

function readUint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
