/**
 * Sockets on Node: the `ws` package, because Node's own WebSocket reads on whether or not anybody
 * takes the messages (a stall of 3 s queued 830 MB in a trial; `ws` held 100).
 */
import WebSocket from "ws";
import type { Clock } from "./clock.ts";
import { ReadPause } from "./read-pause.ts";
import type { OpenSocket } from "./socket.ts";
import { describeRefusal } from "./upgrade.ts";

/** What the Hello calls this platform. */
export const PLATFORM = "node";
/** Largest message taken, bytes: a full HistoryPage of full frames, and some. Beyond it: 1009. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of a refused upgrade's body that are read, for the error's text. */
const REFUSAL_BYTES_MAX = 4096;

/** Stops reading when the application is behind. */
export const makePause = (clock: Clock, setReading: (isReading: boolean) => void) =>
  new ReadPause(clock, setReading);

/** Opens a socket. */
export const openSocket: OpenSocket = (url, protocol, handlers) => {
  const socket = new WebSocket(url, protocol, {
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
  });
  let httpStatus = 0;
  let cause: unknown;
  let refusal = "";
  socket.on("open", () => handlers.onOpen());
  socket.on("message", (data, isBinary) => handlers.onMessage(isBinary ? (data as Buffer) : null));
  socket.on("error", (error) => {
    cause ??= error; // "close" follows
  });
  socket.on("unexpected-response", (_request, response) => {
    httpStatus = response.statusCode ?? 0;
    response.setEncoding("utf8");
    response.on("data", (part: string) => {
      refusal = (refusal + part).slice(0, REFUSAL_BYTES_MAX);
    });
    response.on("close", () => socket.terminate());
  });
  socket.on("close", (closeCode, reason) => {
    if (httpStatus > 0) handlers.onRefused(describeRefusal(httpStatus, refusal, cause));
    else handlers.onClose({ closeCode, reason: reason.toString(), cause });
  });
  return {
    send: (bytes) => socket.send(bytes),
    close: (code, reason) => socket.close(code, reason),
    cut: () => socket.terminate(),
    bufferedBytes: () => socket.bufferedAmount,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
};
