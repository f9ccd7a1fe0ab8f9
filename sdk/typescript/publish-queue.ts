/**
 * R3, order: the publishes of one room, from the call to the answer.
 *
 * Pure: publisher.ts writes what it says and hands it what arrives. New publishes flow in order,
 * many unanswered at once. After a failure nothing new is sent, everything in flight is settled,
 * then the failed are sent again one by one, in order, under their old names; then the rest goes
 * on. Sending the failed ones together instead put 2 % of them in the wrong order in a trial. A
 * failed one is not sent again once a later one was acknowledged: it would be stored behind it.
 */
import { TidegateError } from "./error.ts";
import { Fifo } from "./fifo.ts";
import type { Position } from "./position.ts";

/** The answer to a publish. */
export interface PublishResult {
  /** Where it is stored; null in ephemeral rooms and when no answer was asked for. */
  readonly position: Position | null;
  /** True when an earlier try of this same publish had been stored already. */
  readonly isDuplicate: boolean;
  /** The trace of this message, 32 hex digits: quote it to operators. Empty: not sampled. */
  readonly traceId: string;
}

/** One publish. `seq` and `firstSentUs` are fixed when it is first written (R1, R2). */
export interface PublishItem {
  readonly payload: Uint8Array;
  /** Of the span it is published in; empty: none. */
  readonly traceparent: string;
  /** False: done once written (ephemeral rooms). */
  readonly needsAck: boolean;
  readonly addedAtMs: number;
  /** The producer's count in this room, 1 or more; 0 while never written. */
  seq: number;
  /** Server time of the first write, microseconds; 0 while never written. */
  firstSentUs: number;
  /** Whether a try of it ended without an answer, so that it may be stored. */
  isUncertain: boolean;
  /** How the last try that was answered was refused. */
  error: TidegateError | null;
}

/**
 * How a publish ends that was not acknowledged: with its error when every try was answered, else as
 * `OUTCOME_UNKNOWN`, with that error as its cause.
 */
export function publishError(item: PublishItem, detail: string): TidegateError {
  const { error } = item;
  if (error !== null && (!item.isUncertain || error.code === "OUTCOME_UNKNOWN")) return error;
  return new TidegateError("OUTCOME_UNKNOWN", detail, { cause: error });
}

export class PublishQueue<I extends PublishItem> {
  /** True or false once an answer told; null before. */
  isDurable: boolean | null = null;
  readonly #waiting = new Fifo<I>();
  #inFlight = new Map<number, I>();
  #failed: I[] = [];
  #isRetryInFlight = false;
  #nextSeq = 1;
  /** The highest name that was acknowledged. */
  #ackedSeq = 0;
  #failedCount = 0;
  #notBeforeMs = 0;

  get waitingCount(): number {
    return this.#waiting.count;
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** Whether anything is to be written, now or later. */
  get hasMore(): boolean {
    return this.#waiting.count + this.#failed.length > 0;
  }

  get isEmpty(): boolean {
    return this.#waiting.count + this.#inFlight.size + this.#failed.length === 0;
  }

  /** Whether a failed publish may be stored already, and it is not known if that matters. */
  get needsMode(): boolean {
    return this.isDurable === null && this.#failed.some((item) => item.isUncertain);
  }

  /** Name of the latest publish of which a try ended without an answer, 0 if none is left. */
  get uncertainSeqMax(): number {
    if (this.#failed.length === 0 && !this.#isRetryInFlight) return 0;
    const items = [...this.#inFlight.values(), ...this.#failed];
    return Math.max(0, ...items.filter((item) => item.isUncertain).map((item) => item.seq));
  }

  /** Failures in a row, for the back-off. */
  get failedCount(): number {
    return this.#failedCount;
  }

  /** When the next retry is due, or 0. */
  get notBeforeMs(): number {
    return this.#failed.length > 0 ? this.#notBeforeMs : 0;
  }

  /** Whether this request is still unanswered here. */
  isWaitingFor(requestId: number): boolean {
    return this.#inFlight.has(requestId);
  }

  /** Puts a publish last. */
  add(item: I): void {
    this.#waiting.put(item);
  }

  /** The publish to write now, or null: none, or not yet. {@link onSent} must follow. */
  next(nowMs: number): I | null {
    const failed = this.#failed[0];
    if (failed !== undefined) {
      return this.#inFlight.size === 0 && nowMs >= this.#notBeforeMs ? failed : null;
    }
    return this.#isRetryInFlight ? null : (this.#waiting.first ?? null);
  }

  /** The publish that {@link next} gave is being written under this request id (0: no answer). */
  onSent(requestId: number, nowUs: number): void {
    const retried = this.#failed.shift();
    const item = retried ?? this.#waiting.take();
    if (item === undefined) return;
    this.#isRetryInFlight = retried !== undefined;
    if (item.seq === 0) {
      item.seq = this.#nextSeq;
      item.firstSentUs = nowUs;
      this.#nextSeq += 1;
    }
    if (item.needsAck) this.#inFlight.set(requestId, item);
  }

  /** The publish that {@link next} gave can never be written: takes it out. */
  discardNext(): void {
    if (this.#failed.shift() === undefined) this.#waiting.take();
  }

  /** A final answer came, good or bad. Returns its publish, or undefined for one that had ended. */
  onAnswer(requestId: number, isAck: boolean): I | undefined {
    const item = this.#take(requestId);
    if (isAck) this.#failedCount = 0;
    if (isAck && item !== undefined) this.#ackedSeq = Math.max(this.#ackedSeq, item.seq);
    return item;
  }

  /** The gateway did nothing and says: again, not before `retryAtMs`. {@link takeOver} follows. */
  onRetryable(requestId: number, retryAtMs: number, error: TidegateError): void {
    const item = this.#take(requestId);
    if (item === undefined) return;
    item.error = error;
    this.#failedCount += 1;
    this.#notBeforeMs = retryAtMs;
    this.#insertFailed(item);
  }

  /** The connection broke: everything in flight is unanswered. {@link takeOver} follows. */
  onBreak(): void {
    for (const item of this.#inFlight.values()) {
      item.isUncertain = true;
      this.#insertFailed(item);
    }
    this.#inFlight.clear();
    this.#isRetryInFlight = false;
    this.#notBeforeMs = 0;
  }

  /**
   * Takes out what failed and must not be written again: what was overtaken, and in a room that is
   * not durable (`isKept` false) what may have been delivered, since nothing drops a second copy.
   */
  takeOver(isKept = this.isDurable !== false): I[] {
    const isOver = (item: I) => item.seq < this.#ackedSeq || (item.isUncertain && !isKept);
    const over = this.#failed.filter(isOver);
    if (over.length > 0) this.#failed = this.#failed.filter((item) => !isOver(item));
    return over;
  }

  /**
   * Takes out what has run out of time. What has no name (`seq` 0) never left this process.
   *
   * @param sentBeforeUs publishes first written before this are out of budget (R2).
   * @param addedBeforeMs publishes never written that were added before this have waited too long.
   */
  expire(sentBeforeUs: number, addedBeforeMs: number): I[] {
    const ended: I[] = [];
    for (const [requestId, item] of this.#inFlight) {
      if (item.firstSentUs >= sentBeforeUs) break; // the map is in the order of first writing
      this.#take(requestId);
      item.isUncertain = true;
      ended.push(item);
    }
    while (this.#failed[0] !== undefined && this.#failed[0].firstSentUs < sentBeforeUs) {
      ended.push(this.#failed[0]);
      this.#failed.shift();
    }
    for (let item = this.#waiting.first; item !== undefined; item = this.#waiting.first) {
      if (item.addedAtMs >= addedBeforeMs) break;
      ended.push(item);
      this.#waiting.take();
    }
    return ended;
  }

  /** Takes out everything: the client ends. */
  drain(): I[] {
    this.onBreak();
    return [...this.#failed.splice(0), ...this.#waiting.takeAll()];
  }

  #take(requestId: number): I | undefined {
    const item = this.#inFlight.get(requestId);
    if (item === undefined) return undefined;
    this.#inFlight.delete(requestId);
    if (this.#inFlight.size === 0) this.#isRetryInFlight = false;
    return item;
  }

  /** Keeps the failed in the order of their names, whatever order their answers came in. */
  #insertFailed(item: I): void {
    const at = this.#failed.findIndex((other) => other.seq > item.seq);
    if (at < 0) this.#failed.push(item);
    else this.#failed.splice(at, 0, item);
  }
}
