/**
 * Bytes on a TCP connection, as an attacker writes them: HTTP requests, upgrades, PROXY v2 headers.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** What the other end did. */
export interface RawEnd {
  /** Everything it sent, as latin1. */
  readonly answer: string;
  /** Whether it closed; else nothing came for a while. */
  readonly isClosed: boolean;
}

/** A gateway that neither answers nor closes within this has decided to wait, ms. */
const SILENCE_MS = 400;

export class RawSocket {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #answer = "";
  #isClosed = false;

  /** @param localAddress whom it comes from, of loopback's. */
  constructor(port: number, localAddress = "127.0.0.1") {
    this.socket = connect({ port, host: "127.0.0.1", localAddress });
    this.socket.setNoDelay(true);
    this.socket.on("data", (bytes: Buffer) => {
      this.#answer += bytes.toString("latin1");
    });
    this.socket.on("error", () => {}); // a reset is a close: tests look at that
    this.closed = once(this.socket, "close").then(() => {
      this.#isClosed = true;
    });
    onTestFinished(() => void this.socket.destroy());
  }

  get answer(): string {
    return this.#answer;
  }

  /** Writes as one segment. */
  send(...parts: (Buffer | string)[]): void {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part as string, "latin1"))));
  }

  /** Waits until the other end closes, or has been silent for a while. */
  async end(): Promise<RawEnd> {
    await Promise.race([this.closed, silence()]);
    return { answer: this.#answer, isClosed: this.#isClosed };
  }

  /** Whether it became a WebSocket, or was refused, or waits for more. */
  async isUpgraded(): Promise<boolean> {
    return Promise.race([this.until(SWITCHED), silence().then(() => false)]);
  }

  /** Waits for a text in the answer, or for the end. */
  async until(text: string): Promise<boolean> {
    while (!this.#answer.includes(text) && !this.#isClosed) {
      await Promise.race([once(this.socket, "data"), this.closed]);
    }
    return this.#answer.includes(text);
  }
}

function silence(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
}

/** A WebSocket upgrade. @param headers more lines. */
export function upgradeRequest(headers: readonly string[] = []): string {
  return `${[
    "GET /ws HTTP/1.1",
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: tidegate.v1",
    ...headers,
  ].join("\r\n")}\r\n\r\n`;
}

/** What an upgraded connection's answer begins with. */
export const SWITCHED = "HTTP/1.1 101";

/** A PROXY v2 header for a TCP connection over IPv4. */
export function proxyHeader(client: string): Buffer {
  const header = Buffer.alloc(28);
  Buffer.from("0d0a0d0a000d0a515549540a", "hex").copy(header);
  header.set([0x21, 0x11, 0, 12], 12);
  header.set(client.split(".").map(Number), 16);
  header.set([127, 0, 0, 1], 20);
  header.writeUInt16BE(4711, 24);
  header.writeUInt16BE(8080, 26);
  return header;
}
