/**
 * One socket's life: dialling, Hello and Welcome, frames, health, and why it ended.
 *
 * It ends once and says so once. What outlives it (rooms, publishes, the next try) is client.ts.
 */
import type { CancelTimer, Clock } from "./clock.ts";
import { type ConnectionEnd, decideEnd } from "./connection-end.ts";
import { errorText, TidegateError } from "./error.ts";
import {
  type ClientFrameKind,
  decodeFrame,
  encodeFrame,
  frameError,
  SUBPROTOCOL,
} from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { ServerFrame } from "./gen/tidegate/client/v1/frame.ts";
import type { Hello, Welcome } from "./gen/tidegate/client/v1/session.ts";
import type { Redirect } from "./gen/tidegate/client/v1/version.ts";
import { LATE_TIMER_MS } from "./publisher.ts";
import type { ServerClock } from "./server-clock.ts";
import type { OpenSocket, Socket } from "./socket.ts";

/** Pings without an answer yet; beyond it `ping` fails. */
const PING_COUNT_MAX = 64;

/** A frame's kind and content, as received. */
export type ServerFrameKind = NonNullable<ServerFrame["frame"]>;

/** What happens on a connection. onEnd comes last, and exactly once. */
export interface ConnectionHandlers {
  onWelcome(welcome: Welcome): void;
  /** Every later frame but Pong, and a VersionMismatch also before; `bytes` is its size. */
  onFrame(frame: ServerFrameKind, bytes: number): void;
  onEnd(end: ConnectionEnd): void;
}

/** What a connection is made with. */
export interface ConnectionSetup {
  readonly url: string;
  readonly hello: Hello;
  readonly handshakeTimeoutMs: number;
  readonly openSocket: OpenSocket;
  readonly clock: Clock;
  readonly serverClock: ServerClock;
  /** Calls `then` when Hello may be sent; null: at once. */
  readonly settle: ((then: () => void) => void) | null;
}

interface WaitingPing {
  readonly sentAtMs: number;
  readonly resolve: (roundTripMs: number) => void;
  readonly reject: (error: TidegateError) => void;
}

export class Connection {
  readonly #setup: ConnectionSetup;
  readonly #handlers: ConnectionHandlers;
  readonly #socket: Socket;
  readonly #pings = new Map<number, WaitingPing>();
  #welcome: Welcome | null = null;
  #lastError: TidegateError | null = null;
  #redirect: Redirect | null = null;
  #hasEnded = false;
  #heardAtMs: number;
  #pingedAtMs = 0;
  /** A Ping was sent after the last frame came. */
  #isPinged = false;
  #pingId = 0;
  #cancelTimer: CancelTimer;
  #onClosed: () => void = () => {};

  /** Resolves when the socket has ended, which is later than `onEnd` when this side ended it. */
  readonly closed = new Promise<void>((resolve) => {
    this.#onClosed = resolve;
  });

  constructor(setup: ConnectionSetup, handlers: ConnectionHandlers) {
    this.#setup = setup;
    this.#handlers = handlers;
    this.#heardAtMs = setup.clock.nowMs();
    this.#cancelTimer = setup.clock.setTimer(setup.handshakeTimeoutMs, () => {
      this.#cut("CONNECT_FAILED", `no Welcome within ${setup.handshakeTimeoutMs} ms`);
    });
    this.#socket = setup.openSocket(setup.url, SUBPROTOCOL, {
      onOpen: () => this.#onOpen(),
      onMessage: (bytes) => this.#onMessage(bytes),
      onClose: (end) => this.#onEnd(decideEnd(end, this.#lastError)),
      onRefused: (end) => this.#onEnd(end),
    });
  }

  /** Whether frames may be sent: after Welcome, until the end. */
  get isOpen(): boolean {
    return this.#welcome !== null && !this.#hasEnded;
  }

  /** Whether Welcome ever came. */
  get hasOpened(): boolean {
    return this.#welcome !== null;
  }

  /** Where to go instead: said before the end of one that had no Welcome. */
  get redirect(): Redirect | null {
    return this.hasOpened ? null : this.#redirect;
  }

  get url(): string {
    return this.#setup.url;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes();
  }

  /** Sends a frame. Returns false, and sends nothing, when it is larger than the gateway takes. */
  send(frame: ClientFrameKind): boolean {
    if (!this.isOpen) return true; // its end is already being dealt with
    const bytes = encodeFrame(frame);
    const bytesMax = this.#welcome?.limits?.frameBytesMax ?? 0;
    if (bytesMax > 0 && bytes.length > bytesMax) return false;
    this.#socket.send(bytes);
    return true;
  }

  /** Measures the way to the gateway and back, milliseconds. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen || this.#pings.size >= PING_COUNT_MAX) {
        reject(new TidegateError("UNAVAILABLE", "not connected, or too many pings"));
        return;
      }
      const sentAtMs = this.#setup.clock.nowMs();
      this.#pingId += 1;
      this.#pings.set(this.#pingId, { sentAtMs, resolve, reject });
      this.#sendPing(this.#pingId);
    });
  }

  /** Stops or goes on reading, where the runtime can. */
  setReading(isReading: boolean): void {
    if (this.#hasEnded) return;
    if (isReading) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Ends it politely; onEnd follows at once. */
  close(code = 1000): void {
    if (this.#hasEnded) return;
    this.#socket.resume();
    this.#socket.close(code, "");
    this.#end({ error: new TidegateError("CLOSED", "closed by its user"), mayReconnect: false });
  }

  /** Gives up on a closing handshake. */
  abandon(): void {
    this.#socket.cut();
  }

  /** Cuts the TCP connection; onEnd follows at once. */
  drop(): void {
    this.#cut("CONNECT_FAILED", "cut by dropConnection");
  }

  #onOpen(): void {
    const { hello, settle } = this.#setup;
    const greet = () => {
      if (!this.#hasEnded) this.#socket.send(encodeFrame({ $case: "hello", value: hello }));
    };
    if (settle === null) greet();
    else settle(greet);
  }

  /** Hot path: once per frame. */
  #onMessage(bytes: Uint8Array | null): void {
    if (this.#hasEnded) return;
    this.#heardAtMs = this.#setup.clock.nowMs();
    this.#isPinged = false;
    let frame: ServerFrame["frame"];
    try {
      if (bytes === null) throw new TypeError("a text message");
      frame = decodeFrame(bytes);
    } catch (cause) {
      this.#cut("INTERNAL", `a frame does not decode: ${errorText(cause)}`);
      return;
    }
    if (frame === undefined) return; // a kind this version does not know
    if (frame.$case === "pong") this.#onPong(frame.value.id, frame.value.serverTimeUs);
    else if (frame.$case === "welcome") this.#onWelcome(frame.value);
    else if (frame.$case === "error" && isLastWord(frame.value)) {
      this.#lastError = frameError(frame.value);
    } else if (frame.$case === "redirect") this.#redirect = frame.value;
    else if (this.#welcome !== null || frame.$case === "versionMismatch") {
      this.#handlers.onFrame(frame, bytes?.length ?? 0);
    }
  }

  #onWelcome(welcome: Welcome): void {
    if (this.#welcome !== null) return;
    this.#welcome = welcome;
    this.#setup.serverClock.sample(welcome.serverTimeUs, this.#heardAtMs);
    this.#cancelTimer();
    this.#watch(this.#heardAtMs);
    this.#handlers.onWelcome(welcome);
  }

  #onPong(id: number, serverTimeUs: number): void {
    this.#setup.serverClock.sample(serverTimeUs, this.#heardAtMs);
    const ping = this.#pings.get(id);
    this.#pings.delete(id);
    ping?.resolve(this.#heardAtMs - ping.sentAtMs);
  }

  /**
   * Health: a Ping after a third of the idle time without any frame, the end when two thirds more
   * bring none. Counted from the Ping, because timers of a hidden page run once a minute: what was
   * not asked can not be missed.
   */
  #watch(nowMs: number): void {
    const idleMs = this.#welcome?.idleTimeoutMs || 30_000;
    const dueMs = this.#isPinged
      ? this.#pingedAtMs + (idleMs * 2) / 3
      : this.#heardAtMs + idleMs / 3;
    const delayMs = Math.max(0, dueMs - nowMs);
    this.#cancelTimer = this.#setup.clock.setTimer(delayMs, () => this.#onWatch(dueMs, idleMs));
  }

  #onWatch(dueMs: number, idleMs: number): void {
    const { clock, serverClock } = this.#setup;
    const nowMs = clock.nowMs();
    if (nowMs - dueMs > LATE_TIMER_MS) {
      // The process stood still: first let it read what has arrived meanwhile.
      this.#cancelTimer = clock.setTimer(1, () => this.#onWatch(nowMs, idleMs));
      return;
    }
    if (this.#isPinged && nowMs - this.#pingedAtMs >= (idleMs * 2) / 3) {
      this.#cut("IDLE_TIMEOUT", `nothing came for ${idleMs} ms`);
      return;
    }
    const isSilent = nowMs - this.#heardAtMs >= idleMs / 3;
    if (!this.#isPinged && (isSilent || serverClock.isOld(nowMs))) {
      this.#sendPing(0);
    }
    this.#watch(nowMs);
  }

  #sendPing(id: number): void {
    // The first unanswered one counts, or an application that pings often would hide the silence.
    if (!this.#isPinged) this.#pingedAtMs = this.#setup.clock.nowMs();
    this.#isPinged = true;
    this.send({ $case: "ping", value: { id } });
  }

  #onEnd(end: ConnectionEnd): void {
    this.#onClosed();
    this.#end(end);
  }

  #cut(code: "CONNECT_FAILED" | "IDLE_TIMEOUT" | "INTERNAL", detail: string): void {
    if (this.#hasEnded) return;
    this.#end({ error: new TidegateError(code, detail), mayReconnect: true });
    this.#socket.cut();
  }

  #end(end: ConnectionEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#cancelTimer();
    for (const ping of this.#pings.values()) ping.reject(end.error);
    this.#handlers.onEnd(end);
  }
}

/** Whether it says why the connection ends: about no request or room, and not only "slower". */
function isLastWord({ requestId, room, code }: ErrorFrame): boolean {
  return requestId === 0 && room === "" && code !== "RATE_LIMITED";
}
