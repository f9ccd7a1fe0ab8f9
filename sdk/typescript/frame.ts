/**
 * Frames: their bytes, and the error an ErrorFrame stands for.
 */
import { TidegateError } from "./error.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { ClientFrame, ServerFrame } from "./gen/tidegate/client/v1/frame.ts";
import { decode, encode } from "./wire.ts";
import { clientFrame, serverFrame } from "./wire-schema.ts";

/** Highest and lowest protocol version this SDK speaks. */
export const PROTOCOL_VERSION = 1;
/** The WebSocket subprotocol. */
export const SUBPROTOCOL = "tidegate.v1";

/** One kind of frame with its content. */
export type ClientFrameKind = NonNullable<ClientFrame["frame"]>;

/** The bytes of one frame. */
export function encodeFrame(frame: ClientFrameKind): Uint8Array {
  return encode(clientFrame, { frame });
}

/**
 * Reads one frame; undefined for a kind this version does not know.
 *
 * @throws {RangeError} when the bytes are no frame.
 */
export function decodeFrame(bytes: Uint8Array): ServerFrame["frame"] {
  return decode(serverFrame, bytes).frame;
}

/** The error of an ErrorFrame; the gateway's word on retrying wins over the table's. */
export function frameError(frame: ErrorFrame): TidegateError {
  const text = frame.room === "" ? frame.message : `${frame.room}: ${frame.message}`;
  return new TidegateError(frame.code, text, frame);
}
