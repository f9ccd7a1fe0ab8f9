/**
 * Durable publishes on the hot path: own reply subjects and one subscription for all acks.
 *
 * `js.publish` costs 33 µs a message because each makes a request; this costs 4 to 6. Each shard
 * has a window of unacknowledged publishes (append-window.ts); what comes beyond it waits, bounded
 * too, and is then refused.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { isTraced, traceparentOf } from "../envelope.ts";
import { AppendWindow } from "./append-window.ts";
import { type OnUnsent, Outbox } from "./outbox.ts";
import { type PubAck, parseAck, readPlainAck } from "./pub-ack.ts";
import { oneHeader, tracedHeaders } from "./raw-headers.ts";

/**
 * An ack that does not come within this is an unknown outcome of this try, ms; a publish that the
 * lease holds back so long is refused. Its producer's lane tries again.
 */
const ACK_MS_MAX = 2000;
/** How often late acks are looked for, ms. */
const SWEEP_MS = 250;
/**
 * Publishes that wait for room, of all shards, and the bytes of their envelopes. Beyond either:
 * UNAVAILABLE at once, to be tried again, so that a slow stream never piles up in memory.
 */
export const WAITING_COUNT_MAX = 65_536;
/** See {@link WAITING_COUNT_MAX}. */
export const WAITING_BYTES_MAX = 32 * 1024 ** 2;

/** JetStream: a publish with this name is being stored right now; asked again after this, ms. */
const inProcessCode = 10158;
const IN_PROCESS_WAIT_MS = 10;
/** Status of a publish that no stream captures now. */
const nobodyStatus = 503;
/** JetStream: nothing is stored for want of room, in the stream, the account or the server. */
const fullCodes: readonly number[] = [10002, 10023, 10028, 10047, 10077];

/** One publish. */
export interface Append {
  readonly shard: number;
  readonly subject: string;
  /** Nats-Msg-Id (R1). */
  readonly messageId: string;
  readonly envelope: Uint8Array;
  /** R2: after this it must not be written, ms since 1970-01-01 UTC. */
  readonly writeByMs: number;
  /** Set by the mux: when its ack is late, as performance.now() counts. */
  deadlineMs: number;
  /** Stored: its sequence, and whether it is an earlier one's. This or onFail is called, once. */
  onAck(seq: number, isDuplicate: boolean): void;
  /** Nobody answers for the subject: no leader now, or another shard owns it by now. */
  onNobody(): void;
  /** Not stored, or not known to be. Never called inside {@link AppendMux.append}. */
  onFail(error: CodedError): void;
}

/** What the mux asks and tells. */
export interface AppendMuxEvents {
  /**
   * Why nothing may be sent now: the lease is not held (R12), or NATS is away; null when it may.
   * Publishes wait meanwhile. Call {@link AppendMux.release} when that changes.
   */
  holdReason(): CodedError | null;
  /** Why a shard takes no publishes of members, which counts one; null when it does. */
  refusal(shard: number, byteCount: number): CodedError | null;
  /** As Outbox says; its ack will be late. */
  readonly onUnsent: OnUnsent;
  /** A publish to a shard had no ack in time. */
  onSilent(shard: number): void;
  /** A shard has refused to store, as it says. */
  onFull(shard: number, reason: string): void;
}

/** See the file's header. */
export class AppendMux {
  readonly #outbox: Outbox;
  readonly #inbox: string;
  readonly #inFlightMax: number;
  readonly #events: AppendMuxEvents;
  /** In the order they were sent. */
  readonly #inFlight = new Map<number, Append>();
  /** By shard, made when needed. */
  readonly #windows = new Map<number, AppendWindow>();
  readonly #sweep: NodeJS.Timeout;
  #number = 0;
  #waitingCount = 0;
  #waitingBytes = 0;
  #end: CodedError | null = null;
  #onIdle: (() => void) | null = null;

  /**
   * @param name of the process and its incarnation: part of the reply subjects, so that no late ack
   *   reaches a successor of the same id.
   * @param inFlightMax publishes without an ack, for each shard.
   */
  constructor(
    connection: NatsConnection,
    name: string,
    inFlightMax: number,
    events: AppendMuxEvents,
  ) {
    this.#outbox = new Outbox(connection, events.onUnsent);
    this.#events = events;
    this.#inbox = `_INBOX.${name}.ack.`;
    this.#inFlightMax = inFlightMax;
    connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
    this.#sweep = setInterval(() => this.#failLate(), SWEEP_MS).unref();
  }

  /** Publishes that wait, and the bytes of their envelopes. */
  get waiting(): { readonly count: number; readonly bytes: number } {
    return { count: this.#waitingCount, bytes: this.#waitingBytes };
  }

  /** Publishes now, or when the shard's window has room. Hot path. */
  append(append: Append): void {
    const refusal = this.#end ?? this.#events.refusal(append.shard, append.envelope.length);
    if (refusal !== null) {
      failSoon(append, refusal);
      return;
    }
    const window = this.#windowOf(append.shard);
    const isNext = window.waitingCount === 0 && window.hasRoom;
    if (isNext && this.#events.holdReason() === null) {
      this.#publish(window, append);
    } else if (this.#waitingCount < WAITING_COUNT_MAX && this.#waitingBytes < WAITING_BYTES_MAX) {
      this.#count(append, 1);
      window.push({ append, deadlineMs: performance.now() + ACK_MS_MAX });
    } else {
      const mebibytes = Math.round(this.#waitingBytes / 1024 ** 2);
      const detail = `${this.#waitingCount} publishes of ${mebibytes} MiB wait for NATS; try again`;
      failSoon(append, new CodedError("UNAVAILABLE", detail));
    }
  }

  /** What held everything is over: what waited goes on, in order. */
  release(): void {
    for (const window of this.#windows.values()) this.#next(window);
  }

  /** Refuses from now on, and resolves when everything under way is answered. */
  async close(error: CodedError): Promise<void> {
    this.#end ??= error;
    if (!this.#isIdle()) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    clearInterval(this.#sweep);
  }

  /** Hot path. */
  #publish(window: AppendWindow, append: Append): void {
    this.#number += 1;
    window.enter(append);
    append.deadlineMs = performance.now() + ACK_MS_MAX;
    this.#inFlight.set(this.#number, append);
    const reply = this.#inbox + this.#number;
    const { envelope, messageId } = append;
    const headers = isTraced(envelope)
      ? tracedHeaders(traceparentOf(envelope), "Nats-Msg-Id", messageId)
      : oneHeader("Nats-Msg-Id", messageId);
    this.#outbox.publish(append.subject, envelope, { reply, headers });
  }

  /** Hot path, once per ack. */
  #take(message: Msg): void {
    const number = Number(message.subject.slice(this.#inbox.length));
    const append = this.#inFlight.get(number);
    if (append === undefined) return; // its time was up; the retry has its own answer
    const { data } = message;
    const seq = readPlainAck(data);
    if (seq > 0) {
      const window = this.#leave(number, append);
      append.onAck(seq, false);
      this.#next(window);
    } else if (data.length === 0 && message.headers?.code === nobodyStatus) {
      const window = this.#leave(number, append);
      append.onNobody();
      append.onFail(new CodedError("UNAVAILABLE", "the shard has no leader now"));
      this.#next(window);
    } else {
      const ack = parseAck(data);
      if (ack === null) return; // no ack of a server's; that one may still come
      const window = this.#leave(number, append);
      this.#settle(window, append, ack);
      this.#next(window);
    }
  }

  #settle(window: AppendWindow, append: Append, { seq, isDuplicate, error }: PubAck): void {
    if (error === null) append.onAck(seq, isDuplicate);
    else if (fullCodes.includes(error.code)) {
      this.#events.onFull(append.shard, `${error.code} ${error.description}`);
      const detail = "the shard is full, or its disk is; nothing was stored";
      append.onFail(new CodedError("STORE_FULL", detail));
    } else if (error.code === inProcessCode) {
      const deadlineMs = performance.now() + ACK_MS_MAX;
      this.#count(append, 1);
      setTimeout(() => {
        window.pushFirst({ append, deadlineMs });
        this.#next(window);
      }, IN_PROCESS_WAIT_MS);
    } else {
      const detail = `the shard refused: ${error.code} ${error.description}`;
      append.onFail(new CodedError("UNAVAILABLE", detail));
    }
  }

  #failLate(): void {
    const nowMs = performance.now();
    for (const [number, append] of this.#inFlight) {
      if (append.deadlineMs > nowMs) break; // in the order they were sent
      this.#leave(number, append);
      this.#events.onSilent(append.shard);
      append.onFail(new CodedError("UNCONFIRMED", `no ack within ${ACK_MS_MAX} ms`));
    }
    const reason = this.#events.holdReason();
    for (const window of this.#windows.values()) {
      this.#next(window);
      if (reason !== null) this.#refuseHeld(window, reason, nowMs);
    }
  }

  /**
   * Held for as long as an ack may take: their lanes hear of it. All with the first: were the
   * others sent when the hold ends, they would overtake those of their producers that were refused
   * (R3).
   */
  #refuseHeld(window: AppendWindow, reason: CodedError, nowMs: number): void {
    let first = window.first();
    if (first === undefined || first.deadlineMs >= nowMs) return;
    while (first !== undefined) {
      this.#shift(window, first.append);
      first.append.onFail(reason);
      first = window.first();
    }
  }

  #next(window: AppendWindow): void {
    let first = window.first();
    while (first !== undefined && window.hasRoom && this.#events.holdReason() === null) {
      const { append } = first;
      this.#shift(window, append);
      if (Date.now() <= append.writeByMs) this.#publish(window, append);
      else append.onFail(new CodedError("OUTCOME_UNKNOWN", "it waited until it was void (R2)"));
      first = window.first();
    }
    if (this.#onIdle !== null && this.#isIdle()) this.#onIdle();
  }

  #leave(number: number, append: Append): AppendWindow {
    this.#inFlight.delete(number);
    const window = this.#windowOf(append.shard);
    window.leave(append);
    return window;
  }

  #shift(window: AppendWindow, append: Append): void {
    window.shift();
    this.#count(append, -1);
  }

  #count(append: Append, sign: 1 | -1): void {
    this.#waitingCount += sign;
    this.#waitingBytes += sign * append.envelope.length;
  }

  #isIdle(): boolean {
    return this.#inFlight.size === 0 && this.#waitingCount === 0;
  }

  #windowOf(shard: number): AppendWindow {
    let window = this.#windows.get(shard);
    if (window === undefined) {
      window = new AppendWindow(this.#inFlightMax);
      this.#windows.set(shard, window);
    }
    return window;
  }
}

function failSoon(append: Append, error: CodedError): void {
  setImmediate(() => append.onFail(error));
}
