/**
 * Durable publishes on the hot path: own reply subjects and one subscription for all acks.
 *
 * `js.publish` costs 33 µs a message because each makes a request; this costs 4 to 6. The window of
 * unacknowledged publishes is bounded; what comes beyond it waits here, bounded too, and is then
 * refused.
 */
import { headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { AppendDone } from "../bus.ts";

/**
 * An ack that does not come within this is an unknown outcome of this try, ms; a publish that the
 * lease holds back so long is refused. Its producer's lane tries again.
 */
const ACK_MS_MAX = 2000;
/** How often late acks are looked for, ms. */
const SWEEP_MS = 250;
/** Publishes that wait for room in the window; more are refused. */
const WAITING_COUNT_MAX = 65_536;

/** JetStream error codes. */
const ErrorCode = { FULL: 10077, IN_PROCESS: 10158 } as const;
/** A publish whose name is being stored right now is asked again after this, ms. */
const IN_PROCESS_WAIT_MS = 10;

/** One publish. */
export interface Append {
  readonly subject: string;
  /** Nats-Msg-Id (R1). */
  readonly messageId: string;
  readonly envelope: Uint8Array;
  /** R2: after this it must not be written, ms since 1970-01-01 UTC. */
  readonly writeByMs: number;
  /** What the ack means to the bus: sequence, and whether it is an earlier one's. */
  onAck(seq: number, isDuplicate: boolean): void;
  /** Nobody answers for the subject: no leader now, or another shard owns it by now. */
  onNobody(): void;
  readonly done: AppendDone;
}

/** A publish on its way, or waiting for it. */
interface Timed {
  readonly append: Append;
  readonly deadlineMs: number;
}

/** A pub-ack as JSON (NATS ADR-1). */
interface PubAck {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

export class AppendMux {
  readonly #connection: NatsConnection;
  readonly #inbox: string;
  readonly #inFlightMax: number;
  readonly #mayPublish: () => boolean;
  readonly #inFlight = new Map<number, Timed>();
  /** In the order they came; the deadline is that of a hold. */
  #waiting: Timed[] = [];
  readonly #sweep: NodeJS.Timeout;
  #number = 0;
  #end: CodedError | null = null;
  #onIdle: (() => void) | null = null;

  /**
   * @param name of the process and its incarnation: part of the reply subjects, so that no late ack
   *   reaches a successor of the same id.
   * @param mayPublish whether the lease is held (R12); while it is not, publishes wait here. Call
   *   {@link AppendMux.release} when it is again.
   */
  constructor(
    connection: NatsConnection,
    name: string,
    inFlightMax: number,
    mayPublish: () => boolean,
  ) {
    this.#connection = connection;
    this.#mayPublish = mayPublish;
    this.#inbox = `_INBOX.${name}.ack.`;
    this.#inFlightMax = inFlightMax;
    connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
    this.#sweep = setInterval(() => this.#failLate(), SWEEP_MS).unref();
  }

  /** Publishes now, or when the window has room. */
  append(append: Append): void {
    if (this.#end !== null) {
      setImmediate(append.done, this.#end, null);
    } else if (this.#waiting.length === 0 && this.#hasRoom()) {
      this.#publish(append);
    } else if (this.#waiting.length < WAITING_COUNT_MAX) {
      this.#waiting.push({ append, deadlineMs: performance.now() + ACK_MS_MAX });
    } else {
      const detail = `${WAITING_COUNT_MAX} publishes wait for NATS`;
      setImmediate(append.done, new CodedError("UNAVAILABLE", detail), null);
    }
  }

  /** The lease is held again: what waited goes on, in order. */
  release(): void {
    this.#next();
  }

  /** Refuses from now on, and resolves when everything under way is answered. */
  async close(error: CodedError): Promise<void> {
    this.#end ??= error;
    if (this.#inFlight.size > 0 || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    clearInterval(this.#sweep);
  }

  #publish(append: Append): void {
    this.#number += 1;
    const number = this.#number;
    this.#inFlight.set(number, { append, deadlineMs: performance.now() + ACK_MS_MAX });
    const header = headers();
    header.set("Nats-Msg-Id", append.messageId);
    const reply = this.#inbox + number;
    this.#connection.publish(append.subject, append.envelope, { reply, headers: header });
  }

  #take(message: Msg): void {
    const number = Number(message.subject.slice(this.#inbox.length));
    const inFlight = this.#inFlight.get(number);
    if (inFlight === undefined) return; // its time was up; the retry has its own answer
    this.#inFlight.delete(number);
    const { append } = inFlight;
    if (message.headers?.code === 503) {
      append.onNobody();
      append.done(new CodedError("UNAVAILABLE", "the shard has no leader now"), null);
    } else {
      this.#settle(append, message.json<PubAck>());
    }
    this.#next();
  }

  #settle(append: Append, ack: PubAck): void {
    const { error, seq = 0, duplicate = false } = ack;
    if (error === undefined) append.onAck(seq, duplicate);
    else if (error.err_code === ErrorCode.FULL) {
      const detail = "the shard holds its bytes; nothing was stored";
      append.done(new CodedError("STORE_FULL", detail), null);
    } else if (error.err_code === ErrorCode.IN_PROCESS) {
      const deadlineMs = performance.now() + ACK_MS_MAX;
      setTimeout(() => {
        this.#waiting.unshift({ append, deadlineMs });
        this.#next();
      }, IN_PROCESS_WAIT_MS);
    } else {
      const detail = `the shard refused: ${error.err_code} ${error.description}`;
      append.done(new CodedError("UNAVAILABLE", detail), null);
    }
  }

  #failLate(): void {
    const nowMs = performance.now();
    for (const [number, { append, deadlineMs }] of this.#inFlight) {
      if (deadlineMs > nowMs) break; // in the order they were sent
      this.#inFlight.delete(number);
      append.done(new CodedError("UNAVAILABLE", `no ack within ${ACK_MS_MAX} ms`), null);
    }
    this.#next();
    if (this.#mayPublish()) return;
    while ((this.#waiting[0]?.deadlineMs ?? nowMs) < nowMs) this.#refuseHeld();
  }

  #hasRoom(): boolean {
    return this.#inFlight.size < this.#inFlightMax && this.#mayPublish();
  }

  #refuseHeld(): void {
    const held = this.#waiting.shift();
    held?.append.done(new CodedError("UNAVAILABLE", "the lease of this process is not held"), null);
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      const append = this.#waiting.shift()?.append;
      if (append === undefined) break;
      if (Date.now() <= append.writeByMs) this.#publish(append);
      else append.done(new CodedError("OUTCOME_UNKNOWN", "it waited until it was void (R2)"), null);
    }
    if (this.#inFlight.size === 0 && this.#waiting.length === 0) this.#onIdle?.();
  }
}
