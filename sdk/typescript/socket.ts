/**
 * The seam to the runtime's WebSocket: what the SDK needs of it, and no more.
 *
 * `#socket` (package.json, "imports") is socket-node.ts on Node and socket-browser.ts elsewhere, so
 * that a browser bundle holds no trace of `ws`.
 */
import type { ConnectionEnd } from "./connection-end.ts";

/** A socket that is opening or open. */
export interface Socket {
  /** Sends one binary message; only between onOpen and onClose. */
  send(bytes: Uint8Array): void;
  /** Ends it politely: what was sent before is delivered first. */
  close(code: number, reason: string): void;
  /** Cuts it at once, without a closing handshake where the runtime can. */
  cut(): void;
  /** Bytes handed to send and not yet to the network. */
  bufferedBytes(): number;
  /** Stops reading, where the runtime can. */
  pause(): void;
  resume(): void;
}

/** Why a socket ended. */
export interface SocketEnd {
  /** Of the close frame; 1005 none in it, 1006 no close frame. */
  readonly closeCode: number;
  readonly reason: string;
  readonly cause?: unknown;
}

/** What happens to a socket. onClose or onRefused comes last, and exactly once. */
export interface SocketHandlers {
  onOpen(): void;
  /** One message; a text message has null. */
  onMessage(bytes: Uint8Array | null): void;
  onClose(end: SocketEnd): void;
  /** Instead of onClose: the upgrade was refused, and the runtime tells how. */
  onRefused(end: ConnectionEnd): void;
}

/** Opens a socket offering the subprotocol; never throws for what the network does. */
export type OpenSocket = (url: string, protocol: string, handlers: SocketHandlers) => Socket;
