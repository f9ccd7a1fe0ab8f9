/**
 * Sending to one connection: answers, pages and last words. Rooms' messages go through fanout.ts.
 *
 * An answer to a connection past its backpressure limit is held back, up to that limit again (but
 * one answer of any size: a history page alone can be larger), and sent when the socket has
 * drained; beyond it the connection is closed. So what a slow reader costs is bounded, and a
 * publisher that reads late still gets its acks.
 */
import { CodedError } from "../proto/coded-error.ts";
import { type Connection, Phase } from "./connection.ts";
import type { Lagging } from "./lagging.ts";
import type { ClientMeter } from "./metrics/client-meter.ts";
import { encodeErrorFrame } from "./server-frames.ts";

/** uWebSockets.js's answer to a send that went over the limit. */
const dropped = 2;
/** A connection that is closed while its socket is full gets this long to drain, ms. */
export const CLOSE_DRAIN_MS = 5000;

export class Sender {
  readonly #backpressureBytesMax: number;
  readonly #lagging: Lagging;
  readonly #meter: ClientMeter;
  /** Answers held back, by connection; few, so not a field of every connection. */
  readonly #held = new Map<Connection, Uint8Array[]>();
  /** Connections to be closed when their socket has drained. */
  readonly #closing = new Map<Connection, CodedError>();
  /** Acks are gathered for so long, ms; 0: those of this turn. */
  ackWindowMs = 0;
  /** Acks that are gathered: one write per connection instead of one per ack. */
  #acks = new Map<Connection, Uint8Array[]>();

  constructor(lagging: Lagging, backpressureBytesMax: number, meter: ClientMeter) {
    this.#meter = meter;
    this.#lagging = lagging;
    this.#backpressureBytesMax = backpressureBytesMax;
  }

  /** Sends one frame, now or when the socket has drained. */
  send(connection: Connection, frame: Uint8Array): void {
    if (connection.socket === null || connection.phase === Phase.CLOSED) return;
    if (!this.trySend(connection, frame)) this.#hold(connection, frame);
  }

  /** Whether answers wait for the socket to drain; nothing must overtake them. */
  isHolding(connection: Connection): boolean {
    return this.#held.has(connection);
  }

  /** Connections with answers that wait. */
  get holdingCount(): number {
    return this.#held.size;
  }

  /**
   * Sends one frame if the socket takes it. A send first hands out what topics have pending for the
   * socket, so it can be refused though there was room before.
   *
   * @returns false when it was not sent and a drain will follow.
   */
  trySend(connection: Connection, frame: Uint8Array): boolean {
    const { socket } = connection;
    if (socket === null || this.#held.has(connection)) return false;
    this.#lagging.detach(connection);
    return !this.isFull(connection) && socket.send(frame, true) !== dropped;
  }

  /** Sends an ack when its window is over, together with others to the same connection. */
  sendAck(connection: Connection, frame: Uint8Array): void {
    if (connection.socket === null) return;
    if (this.#acks.size === 0) {
      if (this.ackWindowMs === 0) queueMicrotask(() => this.#flushAcks());
      else setTimeout(() => this.#flushAcks(), this.ackWindowMs);
    }
    const acks = this.#acks.get(connection);
    if (acks === undefined) this.#acks.set(connection, [frame]);
    else acks.push(frame);
  }

  /** Sends an error, as {@link encodeErrorFrame} has it; the connection goes on. */
  sendError(
    connection: Connection,
    requestId: number,
    error: CodedError,
    room = "",
    traceId = "",
  ): void {
    this.#meter.noteError(error);
    this.send(connection, encodeErrorFrame(requestId, error, room, traceId));
  }

  /**
   * Says why, and closes; a full socket is closed when it has drained, or cut after
   * {@link CLOSE_DRAIN_MS}. A code without a close code is a programmer error; it closes as
   * INTERNAL.
   */
  close(connection: Connection, error: CodedError, requestId = 0): void {
    if (connection.socket === null || connection.phase === Phase.CLOSED) return;
    connection.phase = Phase.CLOSED;
    this.#meter.noteError(error);
    this.#meter.noteClose(error.code);
    this.#held.delete(connection);
    if (!this.isFull(connection)) {
      this.#end(connection, error, requestId);
      return;
    }
    this.#closing.set(connection, error);
    setTimeout(() => connection.socket?.close(), CLOSE_DRAIN_MS).unref();
  }

  /** Whether more should not be written now. */
  isFull(connection: Connection): boolean {
    return (connection.socket?.getBufferedAmount() ?? 0) > this.#backpressureBytesMax;
  }

  /** The socket has drained: send what was held back. */
  flush(connection: Connection): void {
    const closing = this.#closing.get(connection);
    if (closing !== undefined) this.#end(connection, closing, 0);
    const held = this.#held.get(connection);
    const { socket } = connection;
    if (held === undefined || socket === null) return;
    this.#held.delete(connection);
    socket.cork(() => {
      for (const frame of held) this.send(connection, frame);
    });
  }

  /** The connection is gone. */
  forget(connection: Connection): void {
    this.#held.delete(connection);
    this.#acks.delete(connection);
    this.#closing.delete(connection);
  }

  #end(connection: Connection, error: CodedError, requestId: number): void {
    const { socket } = connection;
    if (socket === null) return;
    this.#lagging.detach(connection);
    this.#closing.delete(connection);
    // Not in a cork: an end inside one sends no FIN, and a client that waits for it (the package
    // `websockets` of Python does) learns of its close only when the server's timeout is over, 8 s.
    socket.send(encodeErrorFrame(requestId, error), true);
    socket.end(error.info.close ?? 4004, error.code);
  }

  #hold(connection: Connection, frame: Uint8Array): void {
    const held = this.#held.get(connection) ?? [];
    held.push(frame);
    this.#held.set(connection, held);
    const bytes = held.reduce((sum, each) => sum + each.length, 0);
    if (held.length > 1 && bytes > this.#backpressureBytesMax) {
      const detail = "the connection does not read its answers; read faster and resume";
      this.close(connection, new CodedError("SLOW_CONSUMER", detail));
    }
  }

  #flushAcks(): void {
    const acks = this.#acks;
    this.#acks = new Map();
    for (const [connection, frames] of acks) {
      connection.socket?.cork(() => {
        for (const frame of frames) this.send(connection, frame);
      });
    }
  }
}
