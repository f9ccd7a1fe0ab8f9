/**
 * A scripted gateway: a real WebSocket server that does only what the test says, for faults that a
 * real gateway never shows.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { ClientFrame, ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import type { Message, Position } from "../../proto/gen/tidegate/client/v1/message.ts";
import type { Joined, RoomPolicy } from "../../proto/gen/tidegate/client/v1/room.ts";
import type { Welcome } from "../../proto/gen/tidegate/client/v1/session.ts";

/** Server time of the first Welcome; later ones say the same unless told otherwise. */
export const SERVER_TIME_US = 1_700_000_000_000_000n;

type ClientKind = NonNullable<ClientFrame["frame"]>;
type ServerKind = NonNullable<ServerFrame["frame"]>;
/** The content of a client frame of this kind. */
type ValueOf<K extends ClientKind["$case"]> = Extract<ClientKind, { $case: K }>["value"];

/** Things that arrive, each handed to one waiter, in order. */
class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiters: ((item: T) => void)[] = [];

  put(item: T): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter(item);
  }

  take(): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  get count(): number {
    return this.#items.length;
  }
}

/** One client's connection, seen from the gateway. */
export class FakeConnection {
  readonly socket: WebSocket;
  readonly #frames = new Inbox<ClientKind>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      const { frame } = ClientFrame.decode(new Uint8Array(data as Buffer));
      if (frame !== undefined) this.#frames.put(frame);
    });
    socket.on("error", () => {
      // A cut connection; the test sees what the client makes of it.
    });
  }

  /** Frames that came and were not asked for. */
  get unreadCount(): number {
    return this.#frames.count;
  }

  /** The next frame, which must be of this kind. */
  async take<K extends ClientKind["$case"]>(kind: K): Promise<ValueOf<K>> {
    const frame = await this.#frames.take();
    if (frame.$case !== kind) throw new Error(`came ${frame.$case}, expected ${kind}`);
    return frame.value as ValueOf<K>;
  }

  send(frame: ServerKind): void {
    this.socket.send(ServerFrame.encode({ frame }).finish());
  }

  /** Sends several frames as one TCP segment, as a busy gateway's arrive. */
  sendAll(frames: readonly ServerKind[]): void {
    for (const frame of frames) this.send(frame);
  }

  /** Answers the Hello. */
  async welcome(rest: Partial<Welcome> = {}): Promise<ValueOf<"hello">> {
    const hello = await this.take("hello");
    this.sendWelcome(rest);
    return hello;
  }

  sendWelcome(rest: Partial<Welcome> = {}): void {
    this.send({ $case: "welcome", value: { ...WELCOME, ...rest } });
  }

  /** Answers a Join of one room. */
  async join(alias: number, rest: Partial<Joined> = {}): Promise<ValueOf<"join">["rooms"][0]> {
    const { requestId, rooms } = await this.take("join");
    const [room] = rooms;
    if (room === undefined || rooms.length > 1) throw new Error(`${rooms.length} rooms in a Join`);
    this.send(joined(requestId, room.room, alias, rest));
    return room;
  }

  /** Answers a Publish; returns it. */
  async ack(seq: number, isDuplicate = false): Promise<ValueOf<"publish">> {
    const publish = await this.take("publish");
    this.send(ackOf(publish.requestId, seq, isDuplicate));
    return publish;
  }

  /** Acknowledges a Publish that was taken. */
  ackOf(requestId: number, seq: number): void {
    this.send(ackOf(requestId, seq, false));
  }

  /** Answers the question whether a room is durable: it is. */
  async answerMode(): Promise<void> {
    const { requestId } = await this.take("history");
    const value = { requestId, messages: [], hasMore: false, recovered: undefined };
    this.send({ $case: "historyPage", value });
  }

  error(
    requestId: number,
    code: string,
    rest: {
      retryable?: boolean;
      retryAfterMs?: number;
      limit?: string;
      limitValue?: number;
      traceId?: string;
    } = {},
  ) {
    const { retryable = false, retryAfterMs = 0, limit = "", limitValue = 0 } = rest;
    const value = {
      ...{ requestId, code, message: "scripted", retryable, retryAfterMs },
      ...{ room: "", limit, limitValue: BigInt(limitValue), traceId: rest.traceId ?? "" },
    };
    this.send({ $case: "error", value });
  }

  close(code: number): void {
    this.socket.close(code);
  }

  cut(): void {
    this.socket.terminate();
  }
}

export class FakeGateway {
  readonly url: string;
  readonly #server: WebSocketServer;
  readonly #connections = new Inbox<FakeConnection>();
  connectionCount = 0;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
    server.on("connection", (socket) => {
      this.connectionCount += 1;
      this.#connections.put(new FakeConnection(socket));
    });
  }

  /** @param refuseWith HTTP status for every upgrade, instead of a connection. */
  static async start(refuseWith?: { status: number; text: string }): Promise<FakeGateway> {
    const server = new WebSocketServer({
      host: "127.0.0.1",
      port: 0,
      handleProtocols: (offered) => (offered.has("tidegate.v1") ? "tidegate.v1" : false),
      verifyClient: (_info, callback) =>
        callback(refuseWith === undefined, refuseWith?.status, refuseWith?.text),
    });
    await once(server, "listening");
    return new FakeGateway(server);
  }

  /** The next connection that has not been taken. */
  accept(): Promise<FakeConnection> {
    return this.#connections.take();
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const POLICY: RoomPolicy = {
  durable: true,
  mayPublish: true,
  mayReadHistory: true,
  historyCountMax: 1000,
  historyAgeMaxS: 86_400,
  degraded: false,
  memberCountMax: 0,
  roomPublishesPerSecondMax: 0,
  classPublishesPerSecondMax: 0,
  payloadBytesMax: 0,
};

/** Of a Welcome: the client stays silent, however far a test's clock goes. */
export const NO_PINGS: Partial<Welcome> = { idleTimeoutMs: 0xffffffff };

export const WELCOME: Welcome = {
  protocol: 1,
  connectionId: "fake-1",
  serverTimeUs: SERVER_TIME_US,
  limits: {
    frameBytesMax: 65_536,
    roomCountMax: 256,
    publishInFlightMax: 1024,
    historyPageMax: 500,
    tenantConnectionCountMax: 0n,
    userConnectionCountMax: 0n,
    ipConnectionCountMax: 0n,
    tenantRoomCountMax: 0n,
    framesPerSecondMax: 0,
    bytesPerSecondMax: 0,
    userPublishesPerSecondMax: 0,
    tenantStoredBytesMax: 0n,
    tenantConnectsPerSecondMax: 0,
  },
  idleTimeoutMs: 30_000,
  publishBudgetMs: 20_000,
  tenant: "default",
  user: "ann",
  sessionToken: Buffer.alloc(0),
  targets: [],
  tokenExpiresInMs: 0,
  flags: undefined,
  producer: Buffer.alloc(16, 1),
  serverVersion: "0.0.0",
};

/** A Joined of a durable room. */
export function joined(
  requestId: number,
  room: string,
  roomAlias: number,
  rest: Partial<Joined> = {},
): ServerKind {
  const head = undefined;
  const recovered = undefined;
  const value = { requestId, room, roomAlias, head, recovered, loss: 0, policy: POLICY, ...rest };
  return { $case: "joined", value: value as Joined };
}

/** A position of epoch 1. */
export function positionOf(seq: number): Position {
  return { epoch: 1, seq: BigInt(seq), timeUs: BigInt(seq) * 1000n };
}

/** A durable message whose payload is its seq as text; its predecessor is seq - 1. */
export function messageOf(alias: number, seq: number, prevSeq = seq - 1): ServerKind {
  const value: Message = {
    roomAlias: alias,
    position: positionOf(seq),
    prevSeq: BigInt(prevSeq),
    ephemeralSeq: 0n,
    traceparent: "",
    envelope: {
      firstSentUs: SERVER_TIME_US,
      user: "bob",
      producer: Buffer.alloc(16),
      producerSeq: BigInt(seq),
      payload: Buffer.from(String(seq)),
      traceparent: "",
    },
  };
  return { $case: "message", value };
}

/** An ephemeral message whose payload is its count as text. */
export function ephemeralOf(alias: number, ephemeralSeq: number): ServerKind {
  const frame = messageOf(alias, ephemeralSeq, 0);
  if (frame.$case !== "message") throw new Error("not a message");
  const value = { ...frame.value, position: undefined, ephemeralSeq: BigInt(ephemeralSeq) };
  return { $case: "message", value };
}

/** A PublishAck of a durable room. */
export function ackOf(requestId: number, seq: number, duplicate = false): ServerKind {
  const value = { requestId, position: positionOf(seq), duplicate, traceId: "" };
  return { $case: "publishAck", value };
}
