/**
 * One connection after another, and what outlives them: rooms, publishes, requests.
 *
 * It dials, hands frames to whom they concern, and after a break dials again. How one socket lives
 * is connection.ts; what users see of all this is client.ts.
 */
import { BACKOFF_PUBLISHING_MAX_MS, backoffMs } from "./backoff.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { Connection, type ServerFrameKind } from "./connection.ts";
import type { ConnectionEnd } from "./connection-end.ts";
import { errorText, TidegateError } from "./error.ts";
import { type ClientFrameKind, frameError, PROTOCOL_VERSION } from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { Hello, Welcome } from "./gen/tidegate/client/v1/session.ts";
import { HistoryRequests } from "./history.ts";
import type { Build, ClientLimits } from "./options.ts";
import { Publisher, type PublishResult } from "./publisher.ts";
import { Rooms } from "./rooms.ts";
import { ServerClock } from "./server-clock.ts";
import { sha256 } from "./sha256.ts";
import type { OpenSocket } from "./socket.ts";

/** Version of this SDK, as package.json has it. */
export const SDK_VERSION = "0.1.0";
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

/** What a session is made with besides its options; tests pass their own. */
export interface Runtime {
  readonly clock: Clock;
  readonly openSocket: OpenSocket;
  /** What the Hello says it runs on. */
  readonly platform: string;
  /** From 0 (included) to 1. */
  random(): number;
}

/** Where to connect, and as what. */
export interface SessionSetup {
  readonly url: string;
  readonly token: string | (() => string | Promise<string>);
  readonly build: Build;
  readonly limits: ClientLimits;
  readonly runtime: Runtime;
}

/** The rooms, publishes and requests of one client. */
export class Session {
  readonly rooms: Rooms;
  readonly publisher: Publisher;
  readonly history: HistoryRequests;
  readonly #setup: SessionSetup;
  /** R1: made once, kept in memory only. */
  readonly #producerKey = crypto.getRandomValues(new Uint8Array(16));
  readonly #serverClock = new ServerClock();
  readonly #statusListeners = new Set<(status: ClientStatus) => void>();
  readonly #errorListeners = new Set<(error: TidegateError) => void>();
  #status: ClientStatus = { state: "connecting", attempt: 1 };
  #connection: Connection | null = null;
  #ownProducer = new Uint8Array(0);
  /** Of the last Welcome: moves our seats to the next. In memory only, as the producer key. */
  #sessionToken: Uint8Array = new Uint8Array(0);
  #dialCount = 0;
  #requestId = 0;
  #failedCount = 0;
  #hasOpened = false;
  /** The last wait before a dial: why, until when, and what the gateway asked for. */
  #dialWait: { error: TidegateError; atMs: number; notBeforeMs: number } | null = null;
  #cancelDial: CancelTimer = () => {};
  #cancelGiveUp: CancelTimer = () => {};
  #opened: { resolve(): void; reject(error: TidegateError): void } | null = null;

  constructor(setup: SessionSetup) {
    this.#setup = setup;
    const { clock } = setup.runtime;
    const nextRequestId = () => this.#nextRequestId();
    const backoffMs = (count: number, retryAfterMs: number) => this.backoffMs(count, retryAfterMs);
    this.rooms = new Rooms({
      clock,
      send: (frame) => this.#send(frame),
      nextRequestId,
      setReading: (isReading) => this.#connection?.setReading(isReading),
      isBusy: () => this.publisher.isWaiting || this.history.isWaiting,
    });
    this.publisher = new Publisher(
      {
        clock,
        backoffMs,
        serverNowUs: () => this.#serverClock.nowUs(clock.nowMs()),
        aliasOf: (room) => this.rooms.aliasOf(room),
        isJoining: (room) => this.rooms.isJoining(room),
        modeOf: (room) => this.rooms.modeOf(room),
        askMode: (room) =>
          this.history.ask(room, { limit: 1 }).then(
            () => true,
            (error: TidegateError) => (error.code === "NOT_DURABLE" ? false : null),
          ),
        nextRequestId,
        send: (value) => this.#send({ $case: "publish", value }),
        bufferedBytes: () => this.#connection?.bufferedBytes ?? 0,
      },
      setup.limits,
    );
    this.history = new HistoryRequests({
      clock,
      backoffMs,
      isOpen: () => this.#connection?.isOpen ?? false,
      nextRequestId,
      send: (value) => this.#send({ $case: "history", value }),
    });
  }

  get status(): ClientStatus {
    return this.#status;
  }

  /** This client's producer hash, to know own messages by; empty before the first Welcome. */
  get ownProducer(): Uint8Array {
    return this.#ownProducer;
  }

  onStatus(listener: (status: ClientStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  onError(listener: (error: TidegateError) => void): () => void {
    this.#errorListeners.add(listener);
    return () => this.#errorListeners.delete(listener);
  }

  /** Dials; resolves after the first Welcome, rejects when refused for good or out of time. */
  open(): Promise<void> {
    const { connectTimeoutMs } = this.#setup.limits;
    if (connectTimeoutMs !== Infinity) {
      this.#cancelGiveUp = this.#setup.runtime.clock.setTimer(connectTimeoutMs, () => {
        const last = this.#dialWait?.error ?? null;
        const why = last === null ? "" : `; last: ${last.message}`;
        const text = `no Welcome from ${this.#setup.url} within ${connectTimeoutMs} ms${why}`;
        this.#end(new TidegateError("CONNECT_FAILED", text, { cause: last }));
      });
    }
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
      void this.#dial();
    });
  }

  /** As {@link Publisher.publish}; a long wait for the next dial is cut short. */
  publish(room: string, payload: Uint8Array, needsAck: boolean): Promise<PublishResult> {
    const published = this.publisher.publish(room, payload, needsAck);
    this.#hastenDial();
    return published;
  }

  /** How long to wait before the next try of anything: backoff.ts, milliseconds. */
  backoffMs(failedCount: number, retryAfterMs: number): number {
    const { random } = this.#setup.runtime;
    return backoffMs(failedCount, retryAfterMs, random(), this.publisher.isPublishing);
  }

  ping(): Promise<number> {
    this.rooms.read();
    return (
      this.#connection?.ping() ?? Promise.reject(new TidegateError("UNAVAILABLE", "not connected"))
    );
  }

  drop(): void {
    this.#connection?.drop();
  }

  /** Ends everything; resolves when the connection has ended. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#end(null);
    if (connection === null) return;
    const { clock } = this.#setup.runtime;
    const cancel = clock.setTimer(CLOSE_TIMEOUT_MS, () => connection.abandon());
    await connection.closed;
    cancel();
  }

  /** @throws {TidegateError} what closed it. */
  throwIfClosed(): void {
    if (this.#status.state !== "closed") return;
    throw this.#status.error ?? new TidegateError("CLOSED", "the client was closed");
  }

  async #dial(): Promise<void> {
    const { token, url, build, limits, runtime } = this.#setup;
    let text: string;
    try {
      text = typeof token === "string" ? token : await token();
    } catch (cause) {
      const error = new TidegateError("CONNECT_FAILED", `no token: ${errorText(cause)}`, { cause });
      this.#onEnd({ error, mayReconnect: true });
      return;
    }
    if (this.#status.state === "closed") return;
    this.#dialCount += 1;
    const hello: Hello = {
      protocolMin: PROTOCOL_VERSION,
      protocolMax: PROTOCOL_VERSION,
      token: text,
      build: { ...build, platform: runtime.platform },
      producerKey: this.#producerKey,
      sessionToken: this.#sessionToken,
      dialCount: this.#dialCount,
    };
    const { handshakeTimeoutMs } = limits;
    const setup = { ...runtime, url, hello, handshakeTimeoutMs, serverClock: this.#serverClock };
    this.#connection = new Connection(setup, {
      onWelcome: (welcome) => this.#onWelcome(welcome),
      onFrame: (frame, size) => this.#onFrame(frame, size),
      onEnd: (end) => this.#onEnd(end),
    });
  }

  #onWelcome(welcome: Welcome): void {
    const { connectionId, tenant, user, serverVersion, limits } = welcome;
    this.#sessionToken = welcome.sessionToken;
    this.#ownProducer = producerHash(tenant, user, this.#producerKey);
    this.#failedCount = 0;
    this.#hasOpened = true;
    this.#cancelGiveUp();
    this.rooms.onWelcome(limits?.frameBytesMax ?? 0);
    this.publisher.onWelcome(limits?.publishInFlightMax ?? 0, welcome.publishBudgetMs);
    this.history.onWelcome();
    this.#setStatus({ state: "open", connectionId, tenant, user, serverVersion });
    this.#opened?.resolve();
  }

  /** Hot path: once per frame. */
  #onFrame(frame: ServerFrameKind, size: number): void {
    switch (frame.$case) {
      case "message":
        this.rooms.byAlias(frame.value.roomAlias)?.onMessage(frame.value, size);
        return;
      case "publishAck":
        this.publisher.onAck(frame.value);
        return;
      case "joined":
        this.rooms.onJoined(frame.value);
        this.publisher.onJoined();
        return;
      case "left":
        this.rooms.onLeft(frame.value.roomAlias, frame.value.code);
        return;
      case "gap":
        this.rooms.byAlias(frame.value.roomAlias)?.onGap(frame.value);
        return;
      case "roomPolicyChanged":
        this.rooms.byAlias(frame.value.roomAlias)?.onPolicy(frame.value);
        return;
      case "historyPage":
        this.history.onPage(frame.value);
        return;
      case "error":
        this.#onErrorFrame(frame.value);
        return;
      case "welcome":
      case "pong":
      case "goAway":
        return; // the connection's own
      default:
        frame satisfies never;
    }
  }

  #onErrorFrame(frame: ErrorFrame): void {
    if (frame.requestId !== 0) {
      if (this.publisher.onError(frame) || this.history.onError(frame)) return;
      if (this.rooms.onError(frame)) return;
    }
    const error = frameError(frame);
    for (const listener of this.#errorListeners) queueMicrotask(() => listener(error));
  }

  #onEnd({ error, mayReconnect }: ConnectionEnd): void {
    const wasOpen = this.#connection?.hasOpened ?? false;
    this.#connection = null;
    if (this.#status.state === "closed") return;
    this.publisher.onBreak();
    this.history.onBreak();
    this.rooms.onBreak();
    if (!mayReconnect) {
      this.#end(error);
      return;
    }
    if (!wasOpen) this.#failedCount += 1;
    this.#dialLater(error, error.retryAfterMs);
  }

  /** Dials after the back-off, and not before `leastMs`. */
  #dialLater(error: TidegateError, leastMs: number): void {
    const { clock } = this.#setup.runtime;
    const delayMs = this.backoffMs(this.#failedCount, leastMs);
    const attempt = this.#failedCount + 1;
    this.#setStatus({ state: "reconnecting", attempt, delayMs, error });
    const nowMs = clock.nowMs();
    this.#dialWait = { error, atMs: nowMs + delayMs, notBeforeMs: nowMs + leastMs };
    this.#cancelDial();
    this.#cancelDial = clock.setTimer(delayMs, () => {
      if (!this.#hasOpened) this.#setStatus({ state: "connecting", attempt });
      void this.#dial();
    });
  }

  /** A publish came: waits no longer than the back-off allows while publishes wait. */
  #hastenDial(): void {
    if (this.#dialWait === null) return;
    const { error, atMs, notBeforeMs } = this.#dialWait;
    const nowMs = this.#setup.runtime.clock.nowMs();
    const leastMs = Math.max(0, notBeforeMs - nowMs);
    const isLong = atMs - nowMs > Math.max(leastMs, BACKOFF_PUBLISHING_MAX_MS);
    if (isLong && this.publisher.isPublishing) this.#dialLater(error, leastMs);
  }

  /** Over for good; `error` null when its user wanted so. */
  #end(error: TidegateError | null): void {
    if (this.#status.state === "closed") return;
    this.#setStatus({ state: "closed", error });
    this.#cancelDial();
    this.#cancelGiveUp();
    this.#connection?.close();
    this.#connection = null;
    const reason = error ?? new TidegateError("CLOSED", "the client was closed");
    this.publisher.close(reason);
    this.history.close(reason);
    this.rooms.end(error);
    this.#opened?.reject(reason);
  }

  /** Listeners are told in a later turn: user code never runs while frames are read. */
  #setStatus(status: ClientStatus): void {
    this.#status = status;
    for (const listener of this.#statusListeners) queueMicrotask(() => listener(status));
  }

  #send(frame: ClientFrameKind): boolean {
    this.rooms.read();
    return this.#connection?.send(frame) ?? true;
  }

  #nextRequestId(): number {
    this.#requestId = this.#requestId >= 0xffffffff ? 1 : this.#requestId + 1;
    return this.#requestId;
  }
}

/** What Envelope.producer holds for this client's messages (docs/protocol.md). */
function producerHash(tenant: string, user: string, key: Uint8Array): Uint8Array<ArrayBuffer> {
  const identity = new TextEncoder().encode(`${tenant}\0${user}\0`);
  const named = new Uint8Array(identity.length + key.length);
  named.set(identity);
  named.set(key, identity.length);
  return new Uint8Array(sha256(named)).slice(0, 16);
}
