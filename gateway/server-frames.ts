/**
 * Frames to clients: the hot ones written by hand, the rest through the generated code.
 *
 * Bytes are exactly tidegate.client.v1.ServerFrame; test/gateway/server-frames.test.ts decodes them
 * with the generated code. Client bytes stand only inside the envelope's length prefix: appended
 * protobuf fields would win over earlier ones and forge alias, position or sender.
 */
import type { Position } from "../bus/position.ts";
import type { CodedError, ErrorCode } from "../proto/coded-error.ts";
import { ServerFrame } from "../proto/gen/tidegate/client/v1/frame.ts";
import { VarintReader, varintSize, writeVarint } from "../proto/varint.ts";
import { LimitError } from "./limit-error.ts";

/** The kinds of ServerFrame and their contents. */
export type ServerFrameKind = NonNullable<ServerFrame["frame"]>;

/** ServerFrame.message: field 5, length-delimited. */
const messageTag = 0x2a;
/** ServerFrame.gap: field 6, length-delimited; its first field is the alias too. */
const gapTag = 0x32;
/** ServerFrame.publish_ack: field 4, length-delimited. */
const publishAckTag = 0x22;
/** Message.traceparent: field 6, length-delimited; behind the envelope. */
const traceTag = 0x32;
/** PublishAck.trace_id: field 4, length-delimited. */
const traceIdTag = 0x22;

/** Encodes any frame but the hot ones. */
export function encodeServerFrame(frame: ServerFrameKind): Uint8Array {
  return ServerFrame.encode({ frame }).finish();
}

/**
 * Writes message frames into one buffer that is used again for each: uWebSockets.js copies at once.
 *
 * Hot path, once per message per room. Budget: one view, no copy but the envelope's.
 */
export class MessageFrameWriter {
  #scratch = Buffer.allocUnsafe(64 * 1024);

  /**
   * A frame of a durable room.
   *
   * @param prevSeq as the member shall see it.
   * @param traceparent of the fan-out; empty: not sampled.
   * @returns a view that is valid until the next call.
   */
  durable(
    alias: number,
    position: Position,
    prevSeq: number,
    envelope: Uint8Array,
    traceparent = "",
  ): Uint8Array {
    const positionBytes = positionSize(position);
    const headBytes =
      1 + varintSize(alias) + 2 + positionBytes + (prevSeq > 0 ? 1 + varintSize(prevSeq) : 0);
    const bytes = this.#open(headBytes, envelope, traceparent);
    let at = writeVarint(bytes, this.#at, alias);
    at = writePosition(bytes, at, position, positionBytes);
    if (prevSeq > 0) {
      bytes[at] = 0x18; // prev_seq: field 3, varint
      at = writeVarint(bytes, at + 1, prevSeq);
    }
    return this.#close(bytes, at, envelope, traceparent);
  }

  /**
   * A frame of an ephemeral room.
   *
   * @param seq the gateway's count of messages in this room, 1 or more.
   * @param traceparent of the fan-out; empty: not sampled.
   * @returns a view that is valid until the next call.
   */
  ephemeral(alias: number, seq: number, envelope: Uint8Array, traceparent = ""): Uint8Array {
    const headBytes = 1 + varintSize(alias) + 1 + varintSize(seq);
    const bytes = this.#open(headBytes, envelope, traceparent);
    let at = writeVarint(bytes, this.#at, alias);
    bytes[at] = 0x28; // ephemeral_seq: field 5, varint; before the envelope, to be found in place
    at = writeVarint(bytes, at + 1, seq);
    return this.#close(bytes, at, envelope, traceparent);
  }

  #at = 0;

  /** Writes up to the tag of the alias; `#at` is where its value goes. */
  #open(headBytes: number, envelope: Uint8Array, traceparent: string): Buffer {
    const traceBytes = traceparent === "" ? 0 : 2 + traceparent.length;
    const inner = headBytes + 1 + varintSize(envelope.length) + envelope.length + traceBytes;
    const total = 1 + varintSize(inner) + inner;
    if (this.#scratch.length < total) this.#scratch = Buffer.allocUnsafe(total * 2);
    const bytes = this.#scratch;
    bytes[0] = messageTag;
    const at = writeVarint(bytes, 1, inner);
    bytes[at] = 0x08; // room_alias: field 1, varint
    this.#at = at + 1;
    return bytes;
  }

  #close(bytes: Buffer, at: number, envelope: Uint8Array, traceparent: string): Uint8Array {
    bytes[at] = 0x22; // envelope: field 4, length-delimited
    const start = writeVarint(bytes, at + 1, envelope.length);
    bytes.set(envelope, start);
    let end = start + envelope.length;
    if (traceparent !== "") {
      bytes[end] = traceTag;
      bytes[end + 1] = traceparent.length; // 55: one byte
      end += 2;
      end += bytes.write(traceparent, end, "latin1");
    }
    return bytes.subarray(0, end);
  }
}

/** What a dropped frame was about. */
export interface FrameMark {
  /** 0 when the frame is of no room. */
  readonly alias: number;
  /** seq or ephemeral_seq of a message; 0 for another frame. */
  readonly seq: number;
}

/** Reads the mark of a Message frame of {@link MessageFrameWriter}, or of a Gap; else all 0. */
export function readFrameMark(frame: Uint8Array): FrameMark {
  if (frame[0] !== messageTag && frame[0] !== gapTag) return { alias: 0, seq: 0 };
  const reader = new VarintReader();
  reader.reset(frame, 1, frame.length);
  reader.next(); // length
  reader.at += 1; // tag of the alias
  const alias = reader.next();
  if (frame[0] === gapTag) return { alias, seq: 0 };
  const tag = frame[reader.at];
  reader.at += 1;
  if (tag === 0x28) return { alias, seq: reader.next() };
  reader.at += 2; // length of the position, tag of the epoch
  reader.next();
  reader.at += 1; // tag of seq
  return { alias, seq: reader.next() };
}

/**
 * A PublishAck; `position` null in ephemeral rooms. Hot path of durable publishes.
 *
 * @param traceId 32 hex digits; empty: not sampled.
 */
export function encodePublishAck(
  requestId: number,
  position: Position | null,
  isDuplicate: boolean,
  traceId = "",
): Uint8Array {
  const positionBytes = position === null ? 0 : positionSize(position);
  const traceBytes = traceId === "" ? 0 : 2 + traceId.length;
  const placeBytes = position === null ? 0 : 2 + positionBytes;
  const inner = 1 + varintSize(requestId) + placeBytes + (isDuplicate ? 2 : 0) + traceBytes;
  const bytes = Buffer.allocUnsafe(2 + inner);
  bytes[0] = publishAckTag;
  bytes[1] = inner; // below 128: at most 6 + 31 + 2 + 34
  bytes[2] = 0x08;
  let at = writeVarint(bytes, 3, requestId);
  if (position !== null) at = writePosition(bytes, at, position, positionBytes);
  if (isDuplicate) {
    bytes[at] = 0x18;
    bytes[at + 1] = 1;
    at += 2;
  }
  if (traceId !== "") {
    bytes[at] = traceIdTag;
    bytes[at + 1] = traceId.length;
    bytes.write(traceId, at + 2, "latin1");
  }
  return bytes;
}

function positionSize({ epoch, seq, timeUs }: Position): number {
  return 3 + varintSize(epoch) + varintSize(seq) + varintSize(timeUs);
}

/** Field 2, length-delimited, of Message and PublishAck; returns where it ends. */
function writePosition(bytes: Buffer, from: number, position: Position, size: number): number {
  bytes[from] = 0x12;
  bytes[from + 1] = size;
  bytes[from + 2] = 0x08;
  let at = writeVarint(bytes, from + 3, position.epoch);
  bytes[at] = 0x10;
  at = writeVarint(bytes, at + 1, position.seq);
  bytes[at] = 0x18;
  return writeVarint(bytes, at + 1, position.timeUs);
}

/**
 * An ErrorFrame from an error.
 *
 * @param room names the room when the request does not.
 * @param traceId of a publish; empty: none.
 */
export function encodeErrorFrame(
  requestId: number,
  error: CodedError,
  room = "",
  traceId = "",
): Uint8Array {
  const { retry, retryAfterMs } = error.info;
  return encodeServerFrame({
    $case: "error",
    value: {
      requestId,
      code: error.code satisfies ErrorCode,
      message: error.detail,
      retryable: retry !== "no",
      retryAfterMs: error instanceof LimitError ? error.retryAfterMs : retryAfterMs,
      room,
      limit: error instanceof LimitError ? error.limit : "",
      limitValue: error instanceof LimitError ? BigInt(error.value) : 0n,
      traceId,
    },
  });
}
