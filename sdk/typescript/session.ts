/**
 * One connection after another, and what outlives them: rooms, publishes, requests.
 *
 * It dials, and after a break dials again. How one socket lives is connection.ts, whom its frames
 * concern take-frame.ts; what users see of all this is client.ts.
 */
import { BACKOFF_PUBLISHING_MAX_MS, backoffMs, DIAL_FIRST_MS } from "./backoff.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionEnd } from "./connection-end.ts";
import { Dialler, moveUrl, redirectUrl } from "./dialler.ts";
import { Emitter } from "./emitter.ts";
import { TidegateError } from "./error.ts";
import type { Flags } from "./flags.ts";
import type { ClientFrameKind } from "./frame.ts";
import type { GoAway, Welcome } from "./gen/tidegate/client/v1/session.ts";
import { HistoryRequests } from "./history.ts";
import type { PublishResult } from "./publish-queue.ts";
import { Publisher, type PublishLink } from "./publisher.ts";
import type { ReadPause } from "./read-pause.ts";
import type { RoomLink } from "./room-link.ts";
import { Rooms, type RoomsLink } from "./rooms.ts";
import type { ClientStatus, SessionSetup } from "./session-setup.ts";
import { takeFrame } from "./take-frame.ts";
import { type TokenLink, Tokens } from "./tokens.ts";
import type { TraceHooks } from "./trace-hooks.ts";
import type { VersionMismatch } from "./version.ts";

/** Version of this SDK, as package.json has it. */
export const SDK_VERSION = "0.1.0";
/** Longest wait for the closing handshake, milliseconds; then the connection is cut. */
const CLOSE_TIMEOUT_MS = 1000;
/** How a connection is closed that another has replaced: its seats are on their way there. */
const MOVED_CLOSE_CODE = 4100;
/** A move waits for open answers this long, milliseconds. */
const SETTLE_MAX_MS = 500;
/** How often it looks whether they have come, milliseconds. */
export const SETTLE_LOOK_MS = 10;

/** The rooms, publishes and requests of one client. */
export class Session implements PublishLink, RoomLink, RoomsLink, TokenLink {
  readonly statuses = new Emitter<ClientStatus>();
  readonly errors = new Emitter<TidegateError>();
  readonly mismatches = new Emitter<VersionMismatch>();
  readonly clock: Clock;
  readonly pause: ReadPause | undefined;
  readonly rooms: Rooms;
  readonly publisher: Publisher;
  readonly history: HistoryRequests;
  readonly flags: Flags | undefined;
  readonly tracing: TraceHooks | undefined;
  readonly tokens: Tokens;
  /** What a version gate last said of the whole connection. */
  versionMismatch: VersionMismatch | null = null;
  readonly #setup: SessionSetup;
  readonly #dialler: Dialler;
  #status: ClientStatus = { state: "connecting", attempt: 1 };
  #connection: Connection | null = null;
  /** The one to move to, until its Welcome. */
  #next: Connection | null = null;
  /** Where a GoAway may send us: of the last Welcome. */
  #targets: readonly string[] = [];
  #ownProducer: Uint8Array = new Uint8Array(0);
  #requestId = 0;
  #failedCount = 0;
  #hasOpened = false;
  /** The last wait before a dial: why, until when, and what the gateway asked for. */
  #dialWait: { error: TidegateError; atMs: number; notBeforeMs: number; url: string } | null = null;
  #cancelDial: CancelTimer = () => {};
  #cancelMove: CancelTimer = () => {};
  #cancelGiveUp: CancelTimer = () => {};
  #opened: { resolve(): void; reject(error: TidegateError): void } | null = null;

  constructor(setup: SessionSetup) {
    this.#setup = setup;
    this.#dialler = new Dialler(setup);
    this.clock = setup.runtime.clock;
    const setReading = (isReading: boolean) => this.#connection?.setReading(isReading);
    this.pause = setup.runtime.makePause?.(this.clock, setReading);
    this.rooms = new Rooms(this);
    this.publisher = new Publisher(this, setup.limits);
    this.history = new HistoryRequests(this);
    this.tokens = new Tokens(this, setup);
    this.flags = setup.flags;
    this.tracing = setup.tracing;
    this.flags?.attach(this);
  }

  get status(): ClientStatus {
    return this.#status;
  }

  /** This client's producer hash, to know own messages by; empty before the first Welcome. */
  get ownProducer(): Uint8Array {
    return this.#ownProducer;
  }

  get isOpen(): boolean {
    return this.#connection?.isOpen ?? false;
  }

  get bufferedBytes(): number {
    return this.#connection?.bufferedBytes ?? 0;
  }

  /** Whether an answer is being waited for. */
  get isBusy(): boolean {
    return this.publisher.isWaiting || this.history.isWaiting;
  }

  serverNowUs(): number {
    return this.#dialler.serverClock.nowUs(this.clock.nowMs());
  }

  /** Dials; resolves after the first Welcome, rejects when refused for good or out of time. */
  open(): Promise<void> {
    const { connectTimeoutMs } = this.#setup.limits;
    if (connectTimeoutMs !== Infinity) {
      this.#cancelGiveUp = this.clock.setTimer(connectTimeoutMs, () => {
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
  publish(
    room: string,
    payload: Uint8Array,
    needsAck: boolean,
    traceparent: string,
  ): Promise<PublishResult> {
    const published = this.publisher.publish(room, payload, needsAck, traceparent);
    this.#hastenDial();
    return published;
  }

  /** How long to wait before the next try of anything: backoff.ts, milliseconds. */
  backoffMs(failedCount: number, retryAfterMs: number, firstMs?: number): number {
    const { random } = this.#setup.runtime;
    return backoffMs(failedCount, retryAfterMs, random(), this.publisher.isPublishing, firstMs);
  }

  ping(): Promise<number> {
    this.pause?.read();
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
    const cancel = this.clock.setTimer(CLOSE_TIMEOUT_MS, () => connection.abandon());
    await connection.closed;
    cancel();
  }

  /** @throws {TidegateError} what closed it. */
  throwIfClosed(): void {
    if (this.#status.state !== "closed") return;
    throw this.#status.error ?? new TidegateError("CLOSED", "the client was closed");
  }

  /** @param isMove the present connection stays until the new one has its Welcome. */
  async #dial(url = this.#setup.url, isMove = false): Promise<void> {
    let token: string;
    try {
      token = await this.tokens.get();
    } catch (reason) {
      const error = reason as TidegateError;
      if (isMove) this.#moveAgain(error);
      else this.#onEnd({ error, mayReconnect: true }, null);
      return;
    }
    // Broken meanwhile: then the next dial is on its way.
    if (this.#status.state === "closed" || (isMove && this.#connection === null)) return;
    const settle = isMove ? (then: () => void) => this.#settle(then, 0) : null;
    const connection = this.#dialler.open(url, token, settle, {
      onWelcome: (welcome) => {
        this.#adopt(connection);
        this.#onWelcome(welcome);
      },
      onFrame: (frame, size) => takeFrame(this, frame, size),
      onEnd: (end) => this.#onEnd(end, connection),
    });
    if (isMove) this.#next = connection;
    else this.#connection = connection;
  }

  /** A connection has its Welcome: one that it was to replace is left, and answers no more. */
  #adopt(connection: Connection): void {
    const left = this.#connection;
    if (left === connection) return;
    this.#connection = connection;
    this.#next = null;
    left?.close(MOVED_CLOSE_CODE);
    if (left !== null) this.#onBreak();
  }

  /** Sends nothing new before the Hello of a move, so that what is open is answered. */
  #settle(then: () => void, waitedMs: number): void {
    this.publisher.hold();
    if (!this.isBusy || waitedMs >= SETTLE_MAX_MS) then();
    else {
      const again = () => this.#settle(then, waitedMs + SETTLE_LOOK_MS);
      this.clock.setTimer(SETTLE_LOOK_MS, again);
    }
  }

  /** Moves in its time slot. */
  onGoAway({ target, delayMs }: GoAway): void {
    if (this.#next !== null) return;
    this.#moveLater(moveUrl(target, this.#targets, this.#setup.url), delayMs);
  }

  #moveLater(url: string, delayMs: number): void {
    this.#cancelMove();
    this.#cancelMove = this.clock.setTimer(delayMs, () => void this.#dial(url, true));
  }

  /** A move has failed while the connection is still there: once more, where it began. */
  #moveAgain(error: TidegateError): void {
    this.publisher.release();
    this.#failedCount += 1;
    const delayMs = this.backoffMs(this.#failedCount, error.retryAfterMs, DIAL_FIRST_MS);
    this.#moveLater(this.#setup.url, delayMs);
  }

  #onWelcome(welcome: Welcome): void {
    const { connectionId, tenant, user, serverVersion, limits, producer } = welcome;
    this.#dialler.sessionToken = welcome.sessionToken;
    this.#targets = welcome.targets;
    this.#ownProducer = producer;
    this.#failedCount = 0;
    this.#hasOpened = true;
    this.#cancelGiveUp();
    this.rooms.onWelcome(limits?.frameBytesMax ?? 0);
    this.publisher.onWelcome(limits?.publishInFlightMax ?? 0, welcome.publishBudgetMs);
    this.history.onWelcome();
    this.tokens.onValid(welcome.tokenExpiresInMs);
    this.flags?.onWelcome(welcome.flags);
    this.#setStatus({ state: "open", connectionId, tenant, user, serverVersion });
    this.#opened?.resolve();
  }

  onMismatch(mismatch: VersionMismatch): void {
    if (mismatch.room === "") {
      this.versionMismatch = mismatch.action === "ALLOW" ? null : mismatch;
    }
    this.mismatches.emit(mismatch);
  }

  /** @param ended null when there was not even a connection. */
  #onEnd({ error, mayReconnect }: ConnectionEnd, ended: Connection | null): void {
    const isNext = ended !== null && ended === this.#next;
    if (isNext) this.#next = null;
    else if (ended !== this.#connection) return; // it was left
    if (this.#status.state === "closed") return;
    const { redirect = null, url = "" } = ended ?? {};
    const target = redirect && redirectUrl(redirect.target, url, this.#setup.url);
    if (isNext && this.#connection !== null) {
      if (target) this.#moveLater(target, redirect.delayMs);
      else if (mayReconnect) this.#moveAgain(error);
      else this.publisher.release();
      return;
    }
    const wasOpen = !isNext && (this.#connection?.hasOpened ?? false);
    this.#connection = null;
    this.#cancelMove();
    this.#onBreak();
    if (this.#next !== null) {
      // Taken over by the next one, or closed while that one is on its way, which now decides.
      this.#setStatus({ state: "reconnecting", attempt: 1, delayMs: 0, error });
      return;
    }
    if (!mayReconnect || (error.code === "TOKEN_EXPIRED" && !this.tokens.canRenew)) {
      if (error.code === "VERSION_REFUSED") error.versionMismatch = this.versionMismatch;
      this.#end(error);
      return;
    }
    if (!wasOpen) this.#failedCount += 1;
    if (target) this.#dialLater(error, redirect.delayMs, target);
    else this.#dialLater(error, error.retryAfterMs);
  }

  #onBreak(): void {
    this.flags?.onBreak();
    this.tokens.onBreak();
    this.publisher.onBreak();
    this.history.onBreak();
    this.rooms.onBreak();
  }

  /** Dials after the back-off, and not before `leastMs`. */
  #dialLater(error: TidegateError, leastMs: number, url = this.#setup.url): void {
    const delayMs = this.backoffMs(this.#failedCount, leastMs, DIAL_FIRST_MS);
    const attempt = this.#failedCount + 1;
    this.#setStatus({ state: "reconnecting", attempt, delayMs, error });
    const nowMs = this.clock.nowMs();
    this.#dialWait = { error, atMs: nowMs + delayMs, notBeforeMs: nowMs + leastMs, url };
    this.#cancelDial();
    this.#cancelDial = this.clock.setTimer(delayMs, () => {
      if (!this.#hasOpened) this.#setStatus({ state: "connecting", attempt });
      void this.#dial(url);
    });
  }

  /** A publish came: waits no longer than the back-off allows while publishes wait. */
  #hastenDial(): void {
    if (this.#dialWait === null) return;
    const { error, atMs, notBeforeMs, url } = this.#dialWait;
    const nowMs = this.clock.nowMs();
    const leastMs = Math.max(0, notBeforeMs - nowMs);
    const isLong = atMs - nowMs > Math.max(leastMs, BACKOFF_PUBLISHING_MAX_MS);
    if (isLong && this.publisher.isPublishing) this.#dialLater(error, leastMs, url);
  }

  /** Over for good; `error` null when its user wanted so. */
  #end(error: TidegateError | null): void {
    if (this.#status.state === "closed") return;
    this.#setStatus({ state: "closed", error });
    this.#cancelDial();
    this.#cancelMove();
    this.#cancelGiveUp();
    this.tokens.onBreak();
    this.flags?.detach();
    for (const each of [this.#next, this.#connection]) each?.close();
    this.#next = null;
    this.#connection = null;
    const reason = error ?? new TidegateError("CLOSED", "the client was closed");
    this.publisher.close(reason);
    this.history.close(reason);
    this.rooms.end(error);
    this.#opened?.reject(reason);
  }

  #setStatus(status: ClientStatus): void {
    this.#status = status;
    this.statuses.emit(status);
  }

  send(frame: ClientFrameKind): boolean {
    this.pause?.read();
    return this.#connection?.send(frame) ?? true;
  }

  nextRequestId(): number {
    this.#requestId = this.#requestId >= 0xffffffff ? 1 : this.#requestId + 1;
    return this.#requestId;
  }
}
