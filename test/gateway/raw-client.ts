/**
 * A client that sees every frame: `ws` and the generated code, no SDK, nothing clever.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import WebSocket from "ws";
import type { ErrorFrame } from "../../proto/gen/tidegate/client/v1/error.ts";
import { ClientFrame, ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import type { Message, Position } from "../../proto/gen/tidegate/client/v1/message.ts";
import type { PublishAck } from "../../proto/gen/tidegate/client/v1/publish.ts";
import type { Joined, JoinRoom } from "../../proto/gen/tidegate/client/v1/room.ts";
import type { Hello, Welcome } from "../../proto/gen/tidegate/client/v1/session.ts";

type ClientKind = NonNullable<ClientFrame["frame"]>;
type ServerKind = NonNullable<ServerFrame["frame"]>;
type ServerValue<Case extends ServerKind["$case"]> = Extract<ServerKind, { $case: Case }>["value"];

/** How a connection ended. */
export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
}

/** A publish by this client. */
export interface RawPublish {
  readonly requestId?: number;
  readonly alias?: number;
  readonly room?: string;
  readonly seq?: number;
  readonly firstSentUs?: number;
  readonly traceparent?: string;
  readonly payload: string | Uint8Array;
}

export class RawClient {
  readonly socket: WebSocket;
  /** Every frame received, in order. */
  readonly frames: ServerKind[] = [];
  readonly producerKey = randomBytes(16);
  readonly closed: Promise<CloseInfo>;
  welcome: Welcome | null = null;
  #requestId = 0;
  #waiters: (() => void)[] = [];

  constructor(port: number, options: WebSocket.ClientOptions = {}) {
    const scheme = options.ca === undefined ? "ws" : "wss";
    this.socket = new WebSocket(`${scheme}://127.0.0.1:${port}/ws`, "tidegate.v1", options);
    this.socket.binaryType = "nodebuffer";
    this.socket.on("message", (bytes: Buffer) => this.#take(bytes));
    this.socket.on("error", () => this.#wake()); // tests look at `closed`
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  /** Connects and says Hello; with `options.ca` by TLS. */
  static async open(
    port: number,
    hello: Partial<Hello> = {},
    options: WebSocket.ClientOptions = {},
  ): Promise<RawClient> {
    const client = new RawClient(port, options);
    await client.opened();
    client.hello(hello);
    client.welcome = await client.next("welcome");
    return client;
  }

  async opened(): Promise<void> {
    if (this.socket.readyState !== WebSocket.OPEN) await once(this.socket, "open");
  }

  hello(hello: Partial<Hello> = {}): void {
    const value: Hello = {
      protocolMin: 1,
      protocolMax: 1,
      token: "",
      build: { name: "raw", version: "1.0.0", platform: "test" },
      producerKey: this.producerKey,
      sessionToken: Buffer.alloc(0),
      dialCount: 0,
      attributes: [],
      region: "",
      ...hello,
    };
    this.send({ $case: "hello", value });
  }

  send(frame: ClientKind): void {
    this.socket.send(ClientFrame.encode({ frame }).finish());
  }

  /** The first frame of a kind, from `from` on, that satisfies `test`; waits for it. */
  async next<Case extends ServerKind["$case"]>(
    kind: Case,
    test: (value: ServerValue<Case>) => boolean = () => true,
  ): Promise<ServerValue<Case>> {
    for (;;) {
      for (const frame of this.frames) {
        if (frame.$case === kind && test(frame.value as ServerValue<Case>)) {
          return frame.value as ServerValue<Case>;
        }
      }
      if (this.socket.readyState >= WebSocket.CLOSING) {
        const seen = this.frames.map((frame) => frame.$case).join(", ");
        throw new Error(`closed while waiting for ${kind}; seen: ${seen}`);
      }
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Waits for `count` frames in all, `test` true of one of them, or for the end. */
  async nextCount(count: number, test: (frame: ServerKind) => boolean): Promise<void> {
    while (this.frames.length < count || !this.frames.some(test)) {
      if (this.socket.readyState >= WebSocket.CLOSING) return;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Joins one room and returns its Joined. */
  async join(room: string, more: Partial<JoinRoom> = {}): Promise<Joined> {
    const requestId = this.sendJoin([{ room, after: undefined, history: 0, ...more }]);
    return this.next("joined", (joined) => joined.requestId === requestId);
  }

  sendJoin(rooms: JoinRoom[]): number {
    const requestId = this.nextId();
    this.send({ $case: "join", value: { requestId, rooms } });
    return requestId;
  }

  nextId(): number {
    this.#requestId += 1;
    return this.#requestId;
  }

  /** Sends a publish; returns its request id. */
  publish(publish: RawPublish): number {
    const requestId = publish.requestId ?? this.nextId();
    const target =
      publish.room === undefined
        ? { $case: "roomAlias" as const, value: publish.alias ?? 0 }
        : { $case: "room" as const, value: publish.room };
    const value = {
      requestId,
      target,
      producerSeq: BigInt(publish.seq ?? 0),
      firstSentUs: BigInt(publish.firstSentUs ?? Date.now() * 1000),
      traceparent: publish.traceparent ?? "",
      payload: Buffer.from(publish.payload),
    };
    this.send({ $case: "publish", value });
    return requestId;
  }

  /** What a publish is answered with. */
  async answer(requestId: number): Promise<PublishAck | ErrorFrame> {
    const ack = this.next("publishAck", (each) => each.requestId === requestId);
    return Promise.race([ack, this.error(requestId)]);
  }

  /** The acknowledgement of a publish; rejects with what it was refused for. */
  async ack(requestId: number): Promise<PublishAck> {
    const answer = await this.answer(requestId);
    if (!("code" in answer)) return answer;
    throw new Error(`publish ${requestId} refused: ${answer.code} ${answer.message}`);
  }

  /** Publishes, again while it is refused for now, as SDKs do. */
  async store(publish: RawPublish): Promise<PublishAck> {
    const firstSentUs = publish.firstSentUs ?? Date.now() * 1000;
    for (;;) {
      const answer = await this.answer(this.publish({ ...publish, firstSentUs }));
      if (!("code" in answer)) return answer;
      if (!answer.retryable) throw new Error(`refused: ${answer.code} ${answer.message}`);
    }
  }

  error(requestId: number) {
    return this.next("error", (error) => error.requestId === requestId);
  }

  /** Messages received in a room so far. */
  messages(alias: number): Message[] {
    return this.frames.flatMap((frame) =>
      frame.$case === "message" && frame.value.roomAlias === alias ? [frame.value] : [],
    );
  }

  /** Waits for `count` messages of a room and returns their payloads as text. */
  async texts(alias: number, count: number): Promise<string[]> {
    while (this.messages(alias).length < count) {
      if (this.socket.readyState >= WebSocket.CLOSING) {
        throw new Error(`closed with ${this.messages(alias).length} of ${count} messages`);
      }
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    return this.messages(alias).map((message) => message.envelope?.payload.toString() ?? "");
  }

  /** Asks for a Pong, so everything sent before has been handled. */
  async settle(): Promise<void> {
    const id = this.nextId();
    this.send({ $case: "ping", value: { id } });
    await this.next("pong", (pong) => pong.id === id);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  #take(bytes: Buffer): void {
    const { frame } = ServerFrame.decode(bytes);
    if (frame !== undefined) this.frames.push(frame);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** A position as JoinRoom wants it, from numbers. */
export function position(epoch: number, seq: number, timeUs: number): Position {
  return { epoch, seq: BigInt(seq), timeUs: BigInt(timeUs) };
}
