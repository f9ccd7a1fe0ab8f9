/**
 * The payload of bench messages: marker, number, send time, room, filler.
 *
 * It is the end of every frame that carries it, whatever the system under test puts in front, so a
 * receiver finds it from the frame's length without decoding. Little-endian:
 * marker u32 | seq u32 | sent f64 (microseconds, monotonic) | room u32 | filler.
 */

/** Bytes of a payload in the fan-out shapes; the figure for a chat line or a game input. */
export const PAYLOAD_BYTES = 100;
/** First four bytes; no control frame of either system ends like this by chance. */
export const MARKER = 0x67_42_64_54;

const SEQ_AT = 4;
const SENT_AT = 8;
const ROOM_AT = 16;

/** A payload for a room, with seq and time still 0. */
export function buildPayload(room: number): Buffer {
  const payload = Buffer.alloc(PAYLOAD_BYTES, "tidegate ");
  payload.writeUInt32LE(MARKER, 0);
  payload.writeUInt32LE(0, SEQ_AT);
  payload.writeDoubleLE(0, SENT_AT);
  payload.writeUInt32LE(room, ROOM_AT);
  return payload;
}

/** Writes number and time into the payload that begins at `at`. */
export function stampPayload(bytes: Buffer, at: number, seq: number, sentUs: number): void {
  bytes.writeUInt32LE(seq, at + SEQ_AT);
  bytes.writeDoubleLE(sentUs, at + SENT_AT);
}

export function readMarker(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

export function readSeq(view: DataView, at: number): number {
  return view.getUint32(at + SEQ_AT, true);
}

export function readSentUs(view: DataView, at: number): number {
  return view.getFloat64(at + SENT_AT, true);
}

export function readRoom(view: DataView, at: number): number {
  return view.getUint32(at + ROOM_AT, true);
}

/**
 * Mixes one delivery into the hash of the work. Added up without order, so that the same deliveries
 * give the same hash on every system and every run.
 */
export function hashDelivery(room: number, seq: number): number {
  let hash = Math.imul(room + 1, 0x9e37_79b1) ^ Math.imul(seq, 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
