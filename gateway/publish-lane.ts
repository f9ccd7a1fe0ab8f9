/**
 * R3, order: the lane of one producer in one durable room.
 *
 * Publishes go to the bus in the order they came. After a failure nothing more is sent, everything
 * in flight is settled, and then the failed are sent again one by one in order (free retries put 5
 * 281 of 269 614 in the wrong order, this none). Pure: what it wants done goes through LaneEffects,
 * and the time is an argument.
 *
 * What is given up is answered in order too, and the lane then refuses later ones until the first
 * refused comes again, or its budget ends and the next refused is the first: else a client's retry
 * of n would be stored after n + 1, which it sent before it heard. A failed publish that a later
 * one has overtaken can not be stored in order any more; it ends as OUTCOME_UNKNOWN. So does one
 * that may be stored (UNCONFIRMED) when its budget ends.
 */
import type { AppendAck } from "../bus/bus.ts";
import { comparePositions } from "../bus/position.ts";
import type { PublishLimits } from "../bus/void.ts";
import { CodedError } from "../proto/coded-error.ts";

/**
 * A retryable failure is tried again for this part of the budget of R2 before the client hears of
 * it: 15 of 20 s, longer than a shard is without a leader (4 to 9 s).
 */
const retryShare = 3 / 4;
/** A full store stays full: the client hears of it after this, microseconds. */
const RETRY_FULL_US = 2_000_000;

/**
 * Refused publishes remembered; more than any client has unanswered. Beyond it: refused all the
 * same.
 */
export const REFUSED_COUNT_MAX = 1024;

/** One publish on its way. */
export interface LaneEntry {
  /** The producer's count in the room. */
  readonly producerSeq: number;
  readonly firstSentUs: number;
  /** When the gateway first tried it, microseconds. */
  readonly startedUs: number;
}

/** What a lane asks for. None of these may call back into the lane before it returns. */
export interface LaneEffects<Entry extends LaneEntry> {
  /** Append to the bus, then call {@link PublishLane.settle}. */
  append(entry: Entry): void;
  /** Tell the client; the entry is done. */
  answer(entry: Entry, error: CodedError | null, ack: AppendAck | null): void;
  /** Call {@link PublishLane.retry} in a while (100 ms). */
  retryLater(): void;
}

interface Failed<Entry> {
  readonly entry: Entry;
  readonly error: CodedError;
}

export class PublishLane<Entry extends LaneEntry> {
  readonly #effects: LaneEffects<Entry>;
  readonly #budgetUs: number;
  #inFlightCount = 0;
  /** Publishes that came while the lane holds. Bounded by the connection's in-flight limit. */
  readonly #waiting: Entry[] = [];
  readonly #failed: Failed<Entry>[] = [];
  #isHolding = false;
  /** Unanswered entries of which a try ended without the bus's word: they may be stored. */
  readonly #uncertain = new Set<Entry>();
  /** Stored, and not told yet, because a later publish is uncertain. */
  readonly #unsure: { entry: Entry; ack: AppendAck; isOvertaken: boolean }[] = [];
  /** Highest producer seq stored while the lane lives. */
  #storedSeq = 0;
  /** Refused publishes, and when their budgets end: none is taken before the first of them. */
  readonly #refused = new Map<number, number>();

  constructor(effects: LaneEffects<Entry>, { budgetUs }: PublishLimits) {
    this.#effects = effects;
    this.#budgetUs = budgetUs;
  }

  /** Whether nothing is under way and nothing has to be remembered. */
  isIdle(nowUs: number): boolean {
    const isSettled = this.#inFlightCount === 0 && this.#failed.length === 0;
    return (
      isSettled &&
      this.#unsure.length === 0 &&
      this.#waiting.length === 0 &&
      this.#firstRefused(nowUs) === 0
    );
  }

  /** Takes a publish from a client. */
  submit(entry: Entry, nowUs: number): void {
    const first = this.#firstRefused(nowUs);
    if (first > 0 && entry.producerSeq > first) {
      this.#remember(entry);
      const detail = `publish ${first} of this room failed; send it again first`;
      this.#effects.answer(entry, new CodedError("UNAVAILABLE", detail), null);
      return;
    }
    this.#refused.delete(entry.producerSeq);
    if (this.#isHolding) this.#waiting.push(entry);
    else this.#send(entry, nowUs);
  }

  /**
   * Takes a publish only to refuse it: later ones are refused too until it comes again.
   *
   * @param error with retry advice "same".
   */
  refuse(entry: Entry, error: CodedError): void {
    this.#remember(entry);
    this.#effects.answer(entry, error, null);
  }

  /** The bus has answered an append. */
  settle(entry: Entry, error: CodedError | null, ack: AppendAck | null, nowUs: number): void {
    this.#inFlightCount -= 1;
    if (error === null && ack !== null) {
      this.#storedSeq = Math.max(this.#storedSeq, entry.producerSeq);
      this.#onStored(entry, ack);
    } else if (error === null) {
      this.#answer(entry, null, null);
    } else if (error.info.retry === "same") {
      this.#isHolding = true;
      if (error.code === "UNCONFIRMED") this.#uncertain.add(entry);
      this.#failed.push({ entry, error });
    } else {
      this.#answer(entry, error, null);
    }
    if (this.#isHolding && this.#inFlightCount === 0) this.#afterSettled(error !== null, nowUs);
  }

  /** Time has passed since retryLater. */
  retry(nowUs: number): void {
    const first = this.#failed.shift();
    if (first !== undefined) this.#send(first.entry, nowUs);
  }

  /** Everything in flight is answered: go on with the failed ones, after a wait, or give up. */
  #afterSettled(isWaitNeeded: boolean, nowUs: number): void {
    this.#failed.sort((a, b) => a.entry.producerSeq - b.entry.producerSeq);
    while (this.#failed.length > 0) {
      const [first] = this.#failed;
      if (first === undefined) break;
      if (first.entry.producerSeq < this.#storedSeq) {
        this.#failed.shift();
        const detail = `publish ${first.entry.producerSeq} was overtaken by ${this.#storedSeq}`;
        this.#answer(first.entry, new CodedError("OUTCOME_UNKNOWN", detail), null);
      } else if (nowUs - first.entry.startedUs >= this.#retryUs(first)) {
        this.#giveUp();
        return;
      } else {
        if (isWaitNeeded) this.#effects.retryLater();
        else this.retry(nowUs);
        return;
      }
    }
    this.#isHolding = false;
    for (const entry of this.#waiting.splice(0)) this.submit(entry, nowUs);
  }

  /** Refuses the failed and the waiting, in order, and remembers them. */
  #giveUp(): void {
    const failed = this.#failed.splice(0);
    const [first] = failed;
    if (first === undefined) return;
    for (const { entry, error } of failed) {
      if (this.#uncertain.has(entry)) {
        const detail = `publish ${entry.producerSeq} was sent, and not confirmed`;
        this.#answer(entry, new CodedError("OUTCOME_UNKNOWN", detail), null);
      } else {
        this.#remember(entry);
        this.#answer(entry, error, null);
      }
    }
    for (const entry of this.#waiting.splice(0)) {
      this.#remember(entry);
      this.#answer(entry, first.error, null);
    }
    this.#isHolding = false;
  }

  #remember({ producerSeq, firstSentUs }: Entry): void {
    if (this.#refused.size >= REFUSED_COUNT_MAX) return;
    this.#refused.set(producerSeq, firstSentUs + this.#budgetUs);
  }

  /** The lowest refused publish that may still come again, 0 if none. */
  #firstRefused(nowUs: number): number {
    if (this.#refused.size === 0) return 0;
    let first = 0;
    for (const [seq, untilUs] of this.#refused) {
      if (untilUs < nowUs) this.#refused.delete(seq);
      else if (first === 0 || seq < first) first = seq;
    }
    return first;
  }

  #send(entry: Entry, nowUs: number): void {
    // R2: checked at the moment of writing to the bus.
    if (nowUs - entry.firstSentUs > this.#budgetUs) {
      const detail = `the publish is older than its budget of ${this.#budgetUs / 1e6} s`;
      this.#answer(entry, new CodedError("OUTCOME_UNKNOWN", detail), null);
      if (this.#isHolding && this.#inFlightCount === 0) this.#afterSettled(false, nowUs);
      return;
    }
    this.#inFlightCount += 1;
    this.#effects.append(entry);
  }

  /**
   * A publish sent again may come behind a later one that was stored without the bus's word: its
   * ack waits until every later one has its word, and is not given when one of them stands before
   * it.
   */
  #onStored(entry: Entry, ack: AppendAck): void {
    this.#uncertain.delete(entry);
    for (const earlier of this.#unsure) {
      const isBehind = comparePositions(ack, earlier.ack) < 0;
      if (isBehind && earlier.entry.producerSeq < entry.producerSeq) earlier.isOvertaken = true;
    }
    this.#unsure.push({ entry, ack, isOvertaken: false });
    this.#tellSure();
  }

  #tellSure(): void {
    let first = this.#unsure[0];
    while (first !== undefined && !this.#isUncertainAfter(first.entry)) {
      this.#unsure.shift();
      const { entry, ack, isOvertaken } = first;
      if (isOvertaken) {
        const detail = `publish ${entry.producerSeq} is stored behind a later one`;
        this.#effects.answer(entry, new CodedError("OUTCOME_UNKNOWN", detail), null);
      } else {
        this.#effects.answer(entry, null, ack);
      }
      first = this.#unsure[0];
    }
  }

  #isUncertainAfter({ producerSeq }: Entry): boolean {
    for (const each of this.#uncertain) if (each.producerSeq > producerSeq) return true;
    return false;
  }

  #answer(entry: Entry, error: CodedError | null, ack: AppendAck | null): void {
    if (this.#uncertain.delete(entry)) this.#tellSure();
    this.#effects.answer(entry, error, ack);
  }

  /** How long after its start a failed publish is given up. */
  #retryUs({ entry, error }: Failed<Entry>): number {
    // One that may be stored can not be refused as if it were not: it is tried until its budget
    // ends, which then says OUTCOME_UNKNOWN.
    if (this.#uncertain.has(entry)) return Number.POSITIVE_INFINITY;
    const retryUs = this.#budgetUs * retryShare;
    return error.code === "STORE_FULL" ? Math.min(RETRY_FULL_US, retryUs) : retryUs;
  }
}
