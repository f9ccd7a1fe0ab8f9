/**
 * Writes durable Publish frames by hand into a buffer that the caller sends in one piece.
 *
 * Every publish has its own request id, number and time, so the frame can not be built once; the
 * generated encoder would cost more than the server spends on the frame.
 */

/** A WebSocket header for 126 to 65 535 bytes, with mask. */
const HEADER_BYTES = 8;
/** Tags and varints of a Publish, at their longest, without room and payload. */
const FIELDS_BYTES_MAX = 48;

const Tag = {
  CLIENT_FRAME_PUBLISH: 0x22,
  REQUEST_ID: 0x08,
  ROOM: 0x1a,
  PRODUCER_SEQ: 0x20,
  FIRST_SENT: 0x29,
  PAYLOAD: 0x32,
} as const;

export class PublishWriter {
  readonly #room: Buffer;
  readonly #payload: Buffer;

  /** @param payload 100 bytes or more, so that the frame's length takes two bytes. */
  constructor(room: string, payload: Buffer) {
    this.#room = Buffer.from(room);
    this.#payload = payload;
  }

  /** Most bytes of one frame. */
  get frameBytesMax(): number {
    return HEADER_BYTES + FIELDS_BYTES_MAX + this.#room.length + this.#payload.length;
  }

  /**
   * Writes one frame at `at`.
   *
   * @param requestId 1 to 2^31 - 1.
   * @param seq 1 to 2^31 - 1.
   * @returns the end of the frame.
   */
  write(out: Buffer, at: number, requestId: number, seq: number, firstSentUs: number): number {
    const body =
      1 +
      varintBytes(requestId) +
      (1 + varintBytes(this.#room.length) + this.#room.length) +
      (1 + varintBytes(seq)) +
      9 +
      (1 + varintBytes(this.#payload.length) + this.#payload.length);
    const size = 1 + varintBytes(body) + body;
    out[at] = 0x82;
    out[at + 1] = 0x80 | 126;
    out.writeUInt16BE(size, at + 2);
    out.writeUInt32LE(0, at + 4);
    let end = writeVarint(out, tagAt(out, at + HEADER_BYTES, Tag.CLIENT_FRAME_PUBLISH), body);
    end = writeVarint(out, tagAt(out, end, Tag.REQUEST_ID), requestId);
    end = writeBytes(out, tagAt(out, end, Tag.ROOM), this.#room);
    end = writeVarint(out, tagAt(out, end, Tag.PRODUCER_SEQ), seq);
    end = tagAt(out, end, Tag.FIRST_SENT);
    out.writeUInt32LE((firstSentUs % 0x1_0000_0000) >>> 0, end);
    out.writeUInt32LE(Math.floor(firstSentUs / 0x1_0000_0000), end + 4);
    return writeBytes(out, tagAt(out, end + 8, Tag.PAYLOAD), this.#payload);
  }
}

/** The request id of an encoded ServerFrame when it is a PublishAck, else 0. */
export function readAckRequestId(frame: Uint8Array): number {
  if (frame[0] !== 0x22 || frame[2] !== 0x08) return 0;
  let value = 0;
  for (let i = 3, shift = 0; i < frame.length; i += 1, shift += 7) {
    const byte = frame[i] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return 0;
}

function tagAt(out: Buffer, at: number, tag: number): number {
  out[at] = tag;
  return at + 1;
}

function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value;
  let end = at;
  while (rest > 0x7f) {
    out[end] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
    end += 1;
  }
  out[end] = rest;
  return end + 1;
}

function writeBytes(out: Buffer, at: number, bytes: Buffer): number {
  const start = writeVarint(out, at, bytes.length);
  bytes.copy(out, start);
  return start + bytes.length;
}

function varintBytes(value: number): number {
  return value < 0x80
    ? 1
    : value < 0x4000
      ? 2
      : value < 0x20_0000
        ? 3
        : value < 0x1000_0000
          ? 4
          : 5;
}
