/**
 * WebSocket by hand, client side, as little of it as a load generator needs.
 *
 * The mask is four zero bytes: legal for a receiver, and the payload needs no xor, so frames are
 * built once and sent as they are. Received bytes are walked frame by frame without copying.
 */
import { MARKER, PAYLOAD_BYTES, readMarker } from "./payload.ts";

const FIN = 0x80;
const MASKED = 0x80;

/** Opcodes of RFC 6455 that appear here. */
export const Opcode = { BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** Frames larger than this stop the run: no system under test sends such. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024;

/** The upgrade request; the key is constant, since nobody here checks the answer's hash. */
export function upgradeRequest(host: string, subprotocol: string): string {
  const lines = [
    "GET /ws HTTP/1.1",
    `Host: ${host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  if (subprotocol !== "") lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** One whole client frame with a zero mask. The payload is its end. */
export function encodeClientFrame(payload: Uint8Array, opcode: Opcode = Opcode.BINARY): Buffer {
  const size = payload.length;
  const lengthBytes = size < 126 ? 0 : size < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + lengthBytes + 4 + size);
  frame[0] = FIN | opcode;
  frame[1] = MASKED | (size < 126 ? size : size < 65_536 ? 126 : 127);
  if (lengthBytes === 2) frame.writeUInt16BE(size, 2);
  if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(size), 2);
  frame.set(payload, frame.length - size);
  return frame;
}

/** Receives what {@link scanFrames} finds. */
export interface FrameSink {
  /** A frame that ends with a bench payload, which begins at `at`. Hot path. */
  onDelivery(view: DataView, at: number): void;
  /** Any other frame: its opcode and where its content lies. */
  onControl(opcode: number, start: number, end: number): void;
}

/** Message.traceparent of Tidegate, tag and length, then 55 characters. */
const TRACE_HEAD = 0x3237;
const TRACE_BYTES = 57;

/**
 * Walks the whole frames at the beginning of `length` bytes.
 *
 * Hot path, once per read. Budget: no allocation, 5 byte reads a frame.
 *
 * @returns bytes consumed; the rest is the beginning of a frame that is not complete yet.
 */
export function scanFrames(view: DataView, length: number, sink: FrameSink): number {
  let at = 0;
  while (length - at >= 2) {
    const first = view.getUint8(at);
    let size = view.getUint8(at + 1);
    let start = at + 2;
    if (size === 126) {
      if (length - at < 4) break;
      size = view.getUint16(at + 2);
      start = at + 4;
    } else if (size === 127) {
      if (length - at < 10) break;
      size = Number(view.getBigUint64(at + 2));
      if (size > FRAME_BYTES_MAX) throw new Error(`a frame of ${size} bytes came`);
      start = at + 10;
    }
    const end = start + size;
    if (end > length) break;
    // A traced message's frame has its traceparent behind the payload.
    const isTraced = size > TRACE_BYTES && view.getUint16(end - TRACE_BYTES) === TRACE_HEAD;
    const payload = end - PAYLOAD_BYTES - (isTraced ? TRACE_BYTES : 0);
    if (payload >= start && first === (FIN | Opcode.BINARY) && readMarker(view, payload) === MARKER)
      sink.onDelivery(view, payload);
    else sink.onControl(first & 15, start, end);
    at = end;
  }
  return at;
}
