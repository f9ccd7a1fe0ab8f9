/**
 * Sockets in browsers, and wherever else a standard WebSocket is: the runtime's own.
 *
 * It tells nothing of a refused upgrade and can not stop reading; the room queues are the bound.
 */
import type { OpenSocket } from "./socket.ts";

/** What the Hello calls this platform. */
export const PLATFORM = "browser";

/** Nobody can stop reading here. */
export const makePause = undefined;

/** Opens a socket. */
export const openSocket: OpenSocket = (url, protocol, handlers) => {
  const socket = new WebSocket(url, protocol);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => handlers.onOpen();
  socket.onmessage = ({ data }) =>
    handlers.onMessage(data instanceof ArrayBuffer ? new Uint8Array(data) : null);
  const end = (closeCode: number, reason: string) => {
    socket.onopen = socket.onmessage = socket.onclose = null;
    handlers.onClose({ closeCode, reason });
  };
  socket.onclose = ({ code, reason }) => end(code, reason);
  return {
    send: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
    close: (code, reason) => socket.close(code, reason),
    cut() {
      socket.close();
      // A page can not cut a connection, and the closing handshake with a dead peer takes minutes.
      if (socket.onclose !== null) end(1006, "cut");
    },
    bufferedBytes: () => socket.bufferedAmount,
    pause() {},
    resume() {},
  };
};
