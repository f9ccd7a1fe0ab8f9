/**
 * A WebSocket client on a raw TCP socket that reads into one buffer shared by all sockets.
 *
 * node:net's `onread` calls back before anything else can read, so one buffer serves thousands of
 * sockets, nothing is allocated per read, and only the cut-off end of a frame is ever copied.
 */
import net from "node:net";
import {
  encodeClientFrame,
  type FrameSink,
  Opcode,
  scanFrames,
  upgradeRequest,
} from "./websocket.ts";

/** Bytes of one read; libuv reads at most 64 kB at a time. */
const READ_BYTES = 65_536;
/** Local ports a source address is used for: below the kernel's default range of 28 000. */
const SOCKETS_PER_ADDRESS = 25_000;

const pong = encodeClientFrame(new Uint8Array(0), Opcode.PONG);

/** What all sockets of a process share; valid during one callback. */
export class ReadBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, READ_BYTES);
}

/** Receives a socket's events; `view` and `bytes` are shared: copy what is kept. */
export interface SocketEvents {
  onOpen(): void;
  onRead(): void;
  onDelivery(view: DataView, at: number): void;
  onFrame(content: Uint8Array): void;
  /** The connection ended without {@link BenchSocket.reset}. */
  onBroken(reason: string): void;
}

export class BenchSocket implements FrameSink {
  readonly #socket: net.Socket;
  readonly #shared: ReadBuffer;
  readonly #events: SocketEvents;
  #isOpen = false;
  #isBroken = false;
  /** The beginning of a frame, or of the upgrade's answer, that a read cut off. */
  #rest: Buffer | null = null;
  #bytes: Uint8Array;

  /** @param index spreads sockets over loopback source addresses, since ports are finite. */
  constructor(url: URL, subprotocol: string, index: number, shared: ReadBuffer, ev: SocketEvents) {
    this.#shared = shared;
    this.#events = ev;
    this.#bytes = shared.bytes;
    const address = 1 + Math.floor(index / SOCKETS_PER_ADDRESS);
    this.#socket = net.connect({
      host: url.hostname,
      port: Number(url.port),
      ...(address > 1 ? { localAddress: `127.0.0.${address}` } : {}),
      onread: { buffer: shared.bytes, callback: (length: number) => this.#onRead(length) },
    });
    this.#socket.setNoDelay(true);
    this.#socket.on("connect", () => this.#socket.write(upgradeRequest(url.host, subprotocol)));
    this.#socket.on("error", (error) => this.#onEnd(error.message));
    this.#socket.on("close", () => this.#onEnd("closed by the server"));
  }

  /** Ends with a reset, which leaves no port in TIME_WAIT: ten runs would use them all up. */
  reset(): void {
    this.#isBroken = true;
    this.#socket.resetAndDestroy();
  }

  /** Sends bytes that will not change until they are sent. */
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  onDelivery(view: DataView, at: number): void {
    this.#events.onDelivery(view, at);
  }

  onControl(opcode: number, start: number, end: number): void {
    const content = this.#bytes.subarray(start, end);
    if (opcode === Opcode.BINARY) this.#events.onFrame(content);
    else if (opcode === Opcode.PING) this.send(pong);
    else if (opcode === Opcode.CLOSE) this.#onEnd(closeReason(content));
  }

  #onRead(length: number): boolean {
    if (this.#isBroken) return true;
    this.#events.onRead();
    if (this.#rest === null && this.#isOpen) {
      this.#bytes = this.#shared.bytes;
      this.#keep(scanFrames(this.#shared.view, length, this), length);
      return true;
    }
    const read = this.#shared.bytes.subarray(0, length);
    const joined = Buffer.concat(this.#rest === null ? [read] : [this.#rest, read]);
    this.#bytes = joined;
    const start = this.#isOpen ? 0 : this.#takeUpgrade(joined);
    if (start < 0) return true;
    const view = new DataView(joined.buffer, joined.byteOffset + start, joined.length - start);
    this.#bytes = joined.subarray(start);
    this.#keep(scanFrames(view, view.byteLength, this), view.byteLength);
    return true;
  }

  #keep(consumed: number, length: number): void {
    this.#rest = consumed === length ? null : Buffer.from(this.#bytes.subarray(consumed, length));
  }

  /** Bytes of the upgrade's answer, or -1 while it is not complete. */
  #takeUpgrade(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) {
      this.#rest = bytes;
      return -1;
    }
    const status = bytes.toString("latin1", 0, bytes.indexOf("\r\n"));
    if (!status.startsWith("HTTP/1.1 101")) {
      this.#onEnd(`the upgrade was answered "${status}"`);
      return -1;
    }
    this.#isOpen = true;
    this.#events.onOpen();
    return end + 4;
  }

  #onEnd(reason: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#socket.destroy();
    this.#events.onBroken(reason);
  }
}

function closeReason(content: Uint8Array): string {
  const bytes = Buffer.from(content);
  const code = bytes.length >= 2 ? bytes.readUInt16BE(0) : 1005;
  return `closed by the server with ${code} ${bytes.toString("utf8", 2)}`;
}
