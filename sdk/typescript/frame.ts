/**
 * Frames: their bytes, and the error an ErrorFrame stands for.
 */
import { TidegateError } from "./error.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import { ClientFrame } from "./gen/tidegate/client/v1/frame.ts";

/** Highest and lowest protocol version this SDK speaks. */
export const PROTOCOL_VERSION = 1;
/** The WebSocket subprotocol. */
export const SUBPROTOCOL = "tidegate.v1";

/** One kind of frame with its content. */
export type ClientFrameKind = NonNullable<ClientFrame["frame"]>;

/** The bytes of one frame. */
export function encodeFrame(frame: ClientFrameKind): Uint8Array {
  return ClientFrame.encode({ frame }).finish();
}

/** The error of an ErrorFrame; the gateway's word on retrying wins over the table's. */
export function frameError(frame: ErrorFrame): TidegateError {
  const text = frame.room === "" ? frame.message : `${frame.room}: ${frame.message}`;
  const { retryable, retryAfterMs } = frame;
  return new TidegateError(frame.code, text, { retryable, retryAfterMs });
}
