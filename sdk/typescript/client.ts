/**
 * The client: one connection after another, and what outlives them (rooms, publishes, requests).
 *
 * It dials, hands frames to whom they concern, and after a break dials again. How one socket lives is
 * connection.ts; a room, room.ts; publishing, publisher.ts.
 */
import { backoffMs } from "./backoff.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { bytes as bytesCodec, type Codec } from "./codec.ts";
import { Connection, type ConnectionEnd, type ServerFrameKind } from "./connection.ts";
import { errorText, TidegateError } from "./error.ts";
import { messageEvent } from "./event.ts";
import { type ClientFrameKind, frameError, PROTOCOL_VERSION } from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { Welcome } from "./gen/tidegate/client/v1/session.ts";
import { type HistoryOptions, type HistoryPage, HistoryRequests } from "./history.ts";
import { JOIN_HISTORY_MAX, Membership } from "./membership.ts";
import { type ClientLimits, type ConnectOptions, validateLimits, validateUrl } from "./options.ts";
import { type Position, parsePosition } from "./position.ts";
import { Publisher, type PublishResult } from "./publisher.ts";
import { JoinedRoom, type PublishOptions, type Room, type RoomLink } from "./room.ts";
import { Rooms } from "./rooms.ts";
import { ServerClock } from "./server-clock.ts";
import { sha256 } from "./sha256.ts";
import type { OpenSocket } from "./socket.ts";

/** Version of this SDK, as package.json has it. */
const SDK_VERSION = "0.1.0";
/** Longest wait for the closing handshake, milliseconds; then the connection is cut. */
const CLOSE_TIMEOUT_MS = 1000;

/** What the client is doing. */
export type ClientStatus =
  /** Dialling for the first time; `attempt` counts from 1. */
  | { readonly state: "connecting"; readonly attempt: number }
  /** Connected. Quote the connection id to operators. */
  | {
      readonly state: "open";
      readonly connectionId: string;
      readonly tenant: string;
      readonly user: string;
      readonly serverVersion: string;
    }
  /** Waiting `delayMs` before try number `attempt`, because of `error`. */
  | {
      readonly state: "reconnecting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly error: TidegateError;
    }
  /** Over: closed by its user (`error` null), or refused for good. */
  | { readonly state: "closed"; readonly error: TidegateError | null };

/** How to join a room. */
export interface JoinOptions<T> {
  /**
   * Newest stored messages to begin with, 0 to 500; default 0. With `after`, only when that position
   * is not in the history any more.
   */
  readonly history?: number;
  /** Resume: exactly the messages after this position follow, or a gap event says otherwise. */
  readonly after?: Position;
  /** Of this room's payloads; default that of the client. */
  readonly codec?: Codec<T>;
  /** Instead of the client's `roomQueueCountMax`. */
  readonly queueCountMax?: number;
  /** Instead of the client's `roomQueueBytesMax`. */
  readonly queueBytesMax?: number;
}

/** What the client is made with besides its options; tests pass their own. */
export interface Runtime {
  readonly clock: Clock;
  readonly openSocket: OpenSocket;
  readonly platform: string;
  /** From 0 (included) to 1. */
  random(): number;
}

/** A connection to a fleet of gateways. `T` is what its codec reads and writes. */
export class Client<T = Uint8Array> {
  readonly #url: string;
  readonly #options: ConnectOptions<T>;
  readonly #limits: ClientLimits;
  readonly #codec: Codec<T>;
  readonly #runtime: Runtime;
  /** R1: made once, kept in memory only. */
  readonly #producerKey = crypto.getRandomValues(new Uint8Array(16));
  readonly #serverClock = new ServerClock();
  readonly #rooms: Rooms;
  readonly #publisher: Publisher;
  readonly #history: HistoryRequests;
  readonly #statusListeners = new Set<(status: ClientStatus) => void>();
  readonly #errorListeners = new Set<(error: TidegateError) => void>();
  readonly #roomLink: RoomLink;
  #status: ClientStatus = { state: "connecting", attempt: 1 };
  #connection: Connection | null = null;
  #ownProducer = new Uint8Array(0);
  #requestId = 0;
  #failedCount = 0;
  #hasOpened = false;
  #cancelDial: CancelTimer = () => {};
  #cancelGiveUp: CancelTimer = () => {};
  #opened: { resolve(): void; reject(error: TidegateError): void } | null = null;

  /** Use `connect`. */
  constructor(url: string, options: ConnectOptions<T>, runtime: Runtime) {
    this.#url = validateUrl(url);
    this.#limits = validateLimits(options);
    this.#options = options;
    this.#codec = options.codec ?? (bytesCodec as unknown as Codec<T>);
    this.#runtime = runtime;
    const { clock, random } = runtime;
    const nextRequestId = () => this.#nextRequestId();
    const isOpen = () => this.#connection?.isOpen ?? false;
    this.#rooms = new Rooms({
      clock,
      send: (frame) => this.#send(frame),
      nextRequestId,
      setReading: (isReading) => this.#connection?.setReading(isReading),
      isBusy: () => this.#publisher.isWaiting || this.#history.isWaiting,
    });
    this.#publisher = new Publisher(
      {
        clock,
        random,
        serverNowUs: () => this.#serverClock.nowUs(clock.nowMs()),
        aliasOf: (room) => this.#rooms.aliasOf(room),
        nextRequestId,
        send: (value) => this.#send({ $case: "publish", value }),
        bufferedBytes: () => this.#connection?.bufferedBytes ?? 0,
      },
      this.#limits,
    );
    this.#history = new HistoryRequests({
      clock,
      random,
      get isOpen() {
        return isOpen();
      },
      nextRequestId,
      send: (value) => this.#send({ $case: "history", value }),
    });
    this.#roomLink = this.#makeRoomLink(isOpen);
  }

  /** Dials; resolves after the first Welcome. Called once, by `connect`. */
  open(): Promise<void> {
    const { connectTimeoutMs } = this.#limits;
    const { signal } = this.#options;
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
      if (signal?.aborted) {
        this.#end(new TidegateError("CLOSED", "aborted by its signal"));
        return;
      }
      signal?.addEventListener("abort", () => void this.close(), { once: true });
      if (connectTimeoutMs !== Infinity) {
        this.#cancelGiveUp = this.#runtime.clock.setTimer(connectTimeoutMs, () => {
          const last = this.#status.state === "reconnecting" ? this.#status.error : undefined;
          const text = `no Welcome from ${this.#url} within ${connectTimeoutMs} ms`;
          const why = last === undefined ? "" : `; last: ${last.message}`;
          this.#end(new TidegateError("CONNECT_FAILED", text + why, { cause: last }));
        });
      }
      this.#dial();
    });
  }

  /** What it is doing now. */
  get status(): ClientStatus {
    return this.#status;
  }

  /** Calls back after every change of status, never inside another call. Returns how to stop. */
  onStatus(listener: (status: ClientStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Calls back with errors that no promise waits for: of publishes without an answer. */
  onError(listener: (error: TidegateError) => void): () => void {
    this.#errorListeners.add(listener);
    return () => this.#errorListeners.delete(listener);
  }

  /**
   * Joins a room; resolves once the gateway has let us in. While disconnected it waits.
   *
   * @throws {TidegateError} `ALREADY_JOINED`, `ROOM_NAME_INVALID`, `ROOM_CLASS_UNKNOWN`,
   *   `PERMISSION_DENIED`, `ROOM_LIMIT`, `REQUEST_INVALID` for a bad position or number.
   */
  join(room: string, options?: JoinOptions<T> & { readonly codec?: undefined }): Promise<Room<T>>;
  join<U>(room: string, options: JoinOptions<U> & { readonly codec: Codec<U> }): Promise<Room<U>>;
  async join(room: string, options: JoinOptions<unknown> = {}): Promise<Room<unknown>> {
    this.#throwIfClosed();
    const { history = 0, after } = options;
    if (this.#rooms.has(room)) {
      throw new TidegateError("ALREADY_JOINED", `${room} is joined by this client already`);
    }
    if (!(Number.isInteger(history) && history >= 0 && history <= JOIN_HISTORY_MAX)) {
      const text = `history is ${history}; it must be 0 to ${JOIN_HISTORY_MAX}`;
      throw new TidegateError("REQUEST_INVALID", text);
    }
    const place = after === undefined ? null : parsePosition(after);
    const limits = validateLimits({
      ...this.#limits,
      roomQueueCountMax: options.queueCountMax ?? this.#limits.roomQueueCountMax,
      roomQueueBytesMax: options.queueBytesMax ?? this.#limits.roomQueueBytesMax,
    });
    return await new Promise((resolve, reject) => {
      const joined: JoinedRoom<unknown> = new JoinedRoom(this.#roomLink, {
        name: room,
        codec: options.codec ?? (this.#codec as Codec<unknown>),
        membership: new Membership(history, place),
        queueCountMax: limits.roomQueueCountMax,
        queueBytesMax: limits.roomQueueBytesMax,
        onOpen: (error) => (error === null ? resolve(joined) : reject(error)),
      });
      this.#rooms.add(joined);
    });
  }

  /**
   * Publishes without joining. Otherwise as {@link Room.publish}.
   */
  publish(
    room: string,
    value: T,
    options?: PublishOptions & { readonly codec?: undefined },
  ): Promise<PublishResult>;
  publish<U>(
    room: string,
    value: U,
    options: PublishOptions & { readonly codec: Codec<U> },
  ): Promise<PublishResult>;
  publish(
    room: string,
    value: unknown,
    options: PublishOptions & { readonly codec?: Codec<unknown> | undefined } = {},
  ): Promise<PublishResult> {
    const codec = options.codec ?? (this.#codec as Codec<unknown>);
    return this.#roomLink.publish(room, value, codec, options.ack ?? true);
  }

  /**
   * Reads a page of a durable room, joined or not.
   *
   * @throws {TidegateError} `NOT_DURABLE`, `PERMISSION_DENIED`, `REQUEST_INVALID`, `UNAVAILABLE`.
   */
  history(
    room: string,
    options?: HistoryOptions & { readonly codec?: undefined },
  ): Promise<HistoryPage<T>>;
  history<U>(
    room: string,
    options: HistoryOptions & { readonly codec: Codec<U> },
  ): Promise<HistoryPage<U>>;
  history(
    room: string,
    options: HistoryOptions & { readonly codec?: Codec<unknown> | undefined } = {},
  ): Promise<HistoryPage<unknown>> {
    const codec = options.codec ?? (this.#codec as Codec<unknown>);
    return this.#roomLink.history(room, codec, options);
  }

  /** Round trip to the gateway, milliseconds. `UNAVAILABLE` while not connected. */
  ping(): Promise<number> {
    this.#rooms.read();
    return (
      this.#connection?.ping() ?? Promise.reject(new TidegateError("UNAVAILABLE", "not connected"))
    );
  }

  /** Cuts the TCP connection, as a network would: for demonstrations and tests. */
  dropConnection(): void {
    this.#connection?.drop();
  }

  /**
   * Ends everything: rooms' loops end, unanswered publishes reject (`OUTCOME_UNKNOWN` when they were
   * written, else `CLOSED`). Await publishes first. Resolves when the connection has ended.
   */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#end(null);
    if (connection === null) return;
    const cancel = this.#runtime.clock.setTimer(CLOSE_TIMEOUT_MS, () => connection.abandon());
    await connection.closed;
    cancel();
  }

  #makeRoomLink(isOpen: () => boolean): RoomLink {
    const { clock, random } = this.#runtime;
    const ownProducer = () => this.#ownProducer;
    return {
      clock,
      random,
      get isOpen() {
        return isOpen();
      },
      get ownProducer() {
        return ownProducer();
      },
      requestJoin: (room) => this.#rooms.requestJoin(room),
      sendLeave: (room, alias) => this.#rooms.sendLeave(room, alias),
      onFill: () => this.#rooms.onFill(),
      onEnded: (room) => this.#rooms.remove(room),
      publish: (room, value, codec, ack) => this.#publish(room, value, codec, ack),
      history: async (room, codec, options) => {
        this.#throwIfClosed();
        const page = await this.#history.ask(room, options);
        return {
          messages: page.messages.map((message) =>
            messageEvent(message, room, this.#ownProducer, codec),
          ),
          hasMore: page.hasMore,
          isContinuous: page.recovered ?? true,
        };
      },
    };
  }

  #publish<U>(room: string, value: U, codec: Codec<U>, ack: boolean): Promise<PublishResult> {
    let payload: Uint8Array;
    try {
      payload = codec.encode(value);
    } catch (cause) {
      const text = `the codec refused the value: ${errorText(cause)}`;
      return Promise.reject(new TidegateError("PAYLOAD_INVALID", text, { cause }));
    }
    return this.#publisher.publish(room, payload, ack);
  }

  async #dial(): Promise<void> {
    const { token = "", build } = this.#options;
    let text: string;
    try {
      text = typeof token === "string" ? token : await token();
    } catch (cause) {
      const error = new TidegateError("CONNECT_FAILED", `no token: ${errorText(cause)}`, { cause });
      this.#onEnd({ error, mayReconnect: true });
      return;
    }
    if (this.#status.state === "closed") return;
    const { clock, openSocket, platform } = this.#runtime;
    const { name, version } = build ?? { name: "tidegate-ts", version: SDK_VERSION };
    const setup = {
      url: this.#url,
      hello: {
        protocolMin: PROTOCOL_VERSION,
        protocolMax: PROTOCOL_VERSION,
        token: text,
        build: { name, version, platform },
        producerKey: this.#producerKey,
      },
      handshakeTimeoutMs: this.#limits.handshakeTimeoutMs,
      openSocket,
      clock,
      serverClock: this.#serverClock,
    };
    this.#connection = new Connection(setup, {
      onWelcome: (welcome) => this.#onWelcome(welcome),
      onFrame: (frame, size) => this.#onFrame(frame, size),
      onEnd: (end) => this.#onEnd(end),
    });
  }

  #onWelcome(welcome: Welcome): void {
    const { connectionId, tenant, user, serverVersion } = welcome;
    const identity = new TextEncoder().encode(`${tenant}\0${user}\0`);
    const named = new Uint8Array(identity.length + this.#producerKey.length);
    named.set(identity);
    named.set(this.#producerKey, identity.length);
    this.#ownProducer = sha256(named).slice(0, 16);
    this.#failedCount = 0;
    this.#hasOpened = true;
    this.#cancelGiveUp();
    this.#rooms.onWelcome(welcome.limits?.frameBytesMax ?? 0);
    this.#publisher.onWelcome(welcome.limits?.publishInFlightMax ?? 0, welcome.publishBudgetMs);
    this.#history.onWelcome();
    this.#setStatus({ state: "open", connectionId, tenant, user, serverVersion });
    this.#opened?.resolve();
  }

  /** Hot path: once per frame. */
  #onFrame(frame: ServerFrameKind, size: number): void {
    switch (frame.$case) {
      case "message":
        this.#rooms.byAlias(frame.value.roomAlias)?.onMessage(frame.value, size);
        return;
      case "publishAck":
        this.#publisher.onAck(frame.value);
        return;
      case "joined":
        this.#publisher.onMode(frame.value.room, frame.value.policy?.durable ?? false);
        this.#rooms.onJoined(frame.value);
        return;
      case "left":
        this.#rooms.onLeft(frame.value.roomAlias, frame.value.code);
        return;
      case "gap":
        this.#rooms.byAlias(frame.value.roomAlias)?.onGap(frame.value);
        return;
      case "roomPolicyChanged":
        this.#rooms.byAlias(frame.value.roomAlias)?.onPolicy(frame.value);
        return;
      case "historyPage":
        this.#history.onPage(frame.value);
        return;
      case "error":
        this.#onErrorFrame(frame.value);
        return;
      default:
        return; // Welcome and Pong are the connection's
    }
  }

  #onErrorFrame(frame: ErrorFrame): void {
    if (frame.requestId !== 0) {
      if (this.#publisher.onError(frame) || this.#history.onError(frame)) return;
      if (this.#rooms.onError(frame)) return;
    }
    const error = frameError(frame);
    for (const listener of this.#errorListeners) queueMicrotask(() => listener(error));
  }

  #onEnd({ error, mayReconnect }: ConnectionEnd): void {
    const wasOpen = this.#connection?.hasOpened ?? false;
    this.#connection = null;
    if (this.#status.state === "closed") return;
    this.#publisher.onBreak();
    this.#history.onBreak();
    this.#rooms.onBreak();
    if (!mayReconnect) {
      this.#end(error);
      return;
    }
    if (!wasOpen) this.#failedCount += 1;
    const delayMs = backoffMs(this.#failedCount, error.retryAfterMs, this.#runtime.random());
    const attempt = this.#failedCount + 1;
    this.#setStatus({ state: "reconnecting", attempt, delayMs, error });
    this.#cancelDial = this.#runtime.clock.setTimer(delayMs, () => {
      if (!this.#hasOpened) this.#setStatus({ state: "connecting", attempt });
      void this.#dial();
    });
  }

  /** Over for good; `error` null when its user wanted so. */
  #end(error: TidegateError | null): void {
    if (this.#status.state === "closed") return;
    this.#setStatus({ state: "closed", error });
    this.#cancelDial();
    this.#cancelGiveUp();
    const reason = error ?? new TidegateError("CLOSED", "the client was closed");
    this.#connection?.close();
    this.#connection = null;
    this.#publisher.close(reason);
    this.#history.close(reason);
    this.#rooms.end(error);
    this.#opened?.reject(reason);
  }

  #setStatus(status: ClientStatus): void {
    this.#status = status;
    for (const listener of this.#statusListeners) queueMicrotask(() => listener(status));
  }

  #send(frame: ClientFrameKind): boolean {
    this.#rooms.read();
    return this.#connection?.send(frame) ?? true;
  }

  #nextRequestId(): number {
    this.#requestId = this.#requestId >= 0xffffffff ? 1 : this.#requestId + 1;
    return this.#requestId;
  }

  #throwIfClosed(): void {
    if (this.#status.state !== "closed") return;
    throw this.#status.error ?? new TidegateError("CLOSED", "the client was closed");
  }
}
