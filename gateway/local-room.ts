/**
 * A room as this gateway serves it: one interest on the bus, one alias, one topic for its members.
 *
 * For durable rooms it keeps the chain (R5): it hands out messages in order, each once, and fills
 * from the store what the live messages show to be missing. Nothing here is done per member.
 */
import type { Bus, DurableMessage, ReadAfter, RoomListener, Unsubscribe } from "../bus/bus.ts";
import { judgeChain } from "../bus/chain.ts";
import { comparePositions, isBeyond, type Position } from "../bus/position.ts";
import type { RoomAddress } from "../bus/subjects.ts";
import { isVoid } from "../bus/void.ts";
import { CodedError } from "../proto/coded-error.ts";
import { GapReason } from "../proto/gen/tidegate/client/v1/message.ts";
import type { ClassPolicy } from "../proto/room-class.ts";
import { ClassMeter } from "./metrics/message-meter.ts";
import { RecentMessages } from "./recent.ts";
import type { ReadTrace } from "./tracing/read-traces.ts";

/** Messages of one fill read. */
const FILL_PAGE = 256;
/** Live messages kept while a fill runs; beyond it they are dropped, and the fill finds them. */
const PENDING_COUNT_MAX = 1024;
/** A failed fill is tried again after this, ms. */
const FILL_RETRY_MS = 100;

/** What a local room hands out; set by the gateway. */
export interface RoomOutput {
  /**
   * A durable message to every live member.
   *
   * @param before the room's place before this message.
   * @param prevSeq the message before it as members know it (void ones are skipped).
   */
  durable(room: LocalRoom, message: DurableMessage, before: Position | null, prevSeq: number): void;
  /** An ephemeral message to every live member; `room.ephemeralCount` already counts it. */
  ephemeral(room: LocalRoom, envelope: Uint8Array): void;
  /**
   * Ephemeral messages were lost between gateways; every live member is told.
   *
   * @param missedCount 0 when it is not known; `room.ephemeralCount` already counts them.
   */
  loss(room: LocalRoom, missedCount: number): void;
  /** Messages after `after` are gone for good; every live member is told. */
  gap(room: LocalRoom, after: Position | null, reason: GapReason): void;
  /** A durable message came, and waits for those before it. */
  held(room: LocalRoom, message: DurableMessage): void;
  /**
   * It reads what it has missed.
   *
   * @param showing the message that shows it, if one does.
   * @returns told what it hands out, and its end; null: not traced.
   */
  beginFill(room: LocalRoom, showing: DurableMessage | undefined): ReadTrace | null;
  /** Reading failed and is tried again. @param trace of {@link beginFill}. */
  warn(room: LocalRoom, error: unknown, trace: ReadTrace | null): void;
}

export class LocalRoom implements RoomListener {
  readonly address: RoomAddress;
  /** Stands for the room on every connection of this gateway; never re-used. */
  readonly alias: number;
  /** Name of the uWebSockets.js topic of live members. */
  readonly topic: string;
  /** Replaced when the class changes. */
  policy: ClassPolicy;
  /** Members and joiners. */
  memberCount = 0;
  /** What is counted of its class. */
  readonly meter: ClassMeter;
  /** Messages handed out since it was opened. */
  messageCount = 0;
  /** Of these, a second, over the last 10 s; kept by rooms.ts. */
  messageRate = 0;
  /** `messageCount` when the rate was taken. */
  ratedCount = 0;
  /** Ephemeral messages handed out, and those known to be lost on the way here. */
  ephemeralCount = 0;
  /** Durable: the last message handed out (or skipped as void); null in an empty room. */
  place: Position | null = null;
  /** Times that live members were told of lost messages: places from before may be gone (R9). */
  lossCount = 0;
  /** Kept while members catch up; null otherwise. */
  recent: RecentMessages | null = null;
  /** Resolves once `place` is known. */
  readonly ready: Promise<void>;

  readonly #bus: Bus;
  readonly #output: RoomOutput;
  readonly #unsubscribe: Unsubscribe;
  #catchUpCount = 0;
  /** The last message members have seen; differs from `place` by void ones. */
  #shownSeq = 0;
  #isReady = false;
  #isClosed = false;
  #isFilling = false;
  /** Of the fill under way, if it is traced. */
  #fillTrace: ReadTrace | null = null;
  #pending: DurableMessage[] = [];
  /** Live messages were dropped from `#pending`; the store has them. */
  #isPendingCut = false;
  /** Members that have read further than the room has handed out. */
  #reachWaiters: { position: Position; resolve: () => void }[] = [];

  constructor(
    bus: Bus,
    address: RoomAddress,
    alias: number,
    policy: ClassPolicy,
    output: RoomOutput,
    meter = new ClassMeter(),
  ) {
    this.#bus = bus;
    this.#output = output;
    this.meter = meter;
    this.address = address;
    this.alias = alias;
    this.topic = `r${alias}`;
    this.policy = policy;
    this.#unsubscribe = bus.subscribeRoom(address, this);
    this.ready = policy.isDurable ? this.#findHead() : Promise.resolve();
    // Joins await it and see the error; without a joiner left nobody has to.
    this.ready.catch(() => {});
  }

  /** Ends the interest; waiting members are let go. */
  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#pending = [];
    for (const waiter of this.#reachWaiters.splice(0)) waiter.resolve();
  }

  onEphemeral(_token: string, envelope: Uint8Array): void {
    // A foreign publisher's: members of durable rooms get stored messages only.
    if (this.policy.isDurable) return;
    this.ephemeralCount += 1;
    this.meter.takeReceived(envelope.length);
    this.#output.ephemeral(this, envelope);
  }

  onLoss(_token: string, missedCount: number): void {
    if (this.policy.isDurable || this.#isClosed) return;
    // At least one, so that a member off the fast lane is told as well when it has drained.
    this.ephemeralCount += Math.max(1, missedCount);
    this.#output.loss(this, missedCount);
  }

  onDurable(_token: string, message: DurableMessage): void {
    if (this.#isClosed || !this.policy.isDurable) return;
    if (!this.#isReady || this.#isFilling) {
      this.#output.held(this, message);
      if (this.#pending.length < PENDING_COUNT_MAX) this.#pending.push(message);
      else this.#isPendingCut = true;
      return;
    }
    this.#take(message);
  }

  onHistoryChanged(_token: string, isLost: boolean): void {
    if (!this.policy.isDurable || !this.#isReady) return;
    if (isLost) this.#tellLoss(GapReason.POSITION_UNKNOWN);
    this.#fill();
  }

  /** A member starts to catch up: keep recent messages until {@link endCatchUp}. */
  beginCatchUp(): void {
    this.#catchUpCount += 1;
    this.recent ??= new RecentMessages();
  }

  endCatchUp(): void {
    this.#catchUpCount -= 1;
    if (this.#catchUpCount === 0) this.recent = null;
  }

  /**
   * Resolves when the room has handed out everything up to `position`, which a reader found in the
   * store: so a live message was missed, and is filled. Also when the room loses messages.
   */
  reach(position: Position): Promise<void> {
    if (this.hasReached(position) || this.#isClosed) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reachWaiters.push({ position, resolve });
    this.#fill();
    return promise;
  }

  /** Whether everything up to `position` has been handed out. */
  hasReached(position: Position): boolean {
    return this.place !== null && comparePositions(this.place, position) >= 0;
  }

  async #findHead(): Promise<void> {
    this.place = await this.#bus.head(this.address);
    this.#shownSeq = this.place?.seq ?? 0;
    this.#isReady = true;
    this.#takePending();
  }

  #take(message: DurableMessage): void {
    const verdict = judgeChain(
      { epoch: this.place?.epoch ?? 1, seq: this.place?.seq ?? 0 },
      message,
    );
    if (verdict === "next") this.#handOut(message);
    else if (verdict === "gap") {
      this.#output.held(this, message);
      this.#pending.push(message);
      this.#fill();
    } else if (this.#isRegression(message)) {
      // Not kept: it is found if the history is another, and had before if it is not. Kept, it
      // would be asked for again and again, since clocks of leaders differ.
      this.#fill();
    }
  }

  /** R5: a message that is not beyond the place, but later: is the place still in the history? */
  #isRegression({ epoch, timeUs }: DurableMessage): boolean {
    return this.place !== null && epoch === this.place.epoch && timeUs > this.place.timeUs;
  }

  #handOut(message: DurableMessage): void {
    const before = this.place;
    const { epoch, seq, timeUs } = message;
    this.place = { epoch, seq, timeUs };
    this.meter.takeReceived(message.envelope.length);
    this.recent?.push(message);
    if (this.#fillTrace !== null) this.#fillTrace.count(message.envelope.length);
    if (!isVoid(message, this.#bus.publishLimits)) {
      const isSameEpoch = before === null || before.epoch === epoch;
      const prevSeq = isSameEpoch ? Math.min(message.prevSeq, this.#shownSeq) : 0;
      this.#shownSeq = seq;
      this.#output.durable(this, message, before, prevSeq);
    } else {
      this.meter.voidCount += 1;
    }
    if (this.#reachWaiters.length > 0) this.#wakeReached();
  }

  #takePending(): void {
    const pending = this.#pending;
    this.#pending = [];
    const isCut = this.#isPendingCut;
    this.#isPendingCut = false;
    for (const message of pending) this.onDurable("", message);
    if (isCut) this.#fill();
  }

  #fill(): void {
    if (this.#isFilling || this.#isClosed) return;
    this.#isFilling = true;
    this.meter.fillCount += 1;
    const before = this.place;
    const trace = this.#output.beginFill(this, this.#pending[0]);
    this.#fillTrace = trace;
    this.#readMissing().then(
      () => {
        if (trace !== null) this.#endFillTrace(trace);
        if (this.place === before && this.#isMissing()) this.#goOnLater();
        else this.#endFill();
      },
      (error: unknown) => {
        this.#isFilling = false;
        this.#fillTrace = null;
        this.#output.warn(this, error, trace);
        this.#fillLater();
      },
    );
  }

  #endFillTrace(trace: ReadTrace): void {
    this.#fillTrace = null;
    trace.end(this.place, "read");
  }

  #endFill(): void {
    this.#isFilling = false;
    this.#takePending();
    if (this.#reachWaiters.length > 0) this.#fillLater();
  }

  /** Whether the first message that is not old shows that some before it are missing. */
  #isMissing(): boolean {
    const reached = { epoch: this.place?.epoch ?? 1, seq: this.place?.seq ?? 0 };
    const verdicts = this.#pending.map((message) => judgeChain(reached, message));
    return verdicts.find((verdict) => verdict !== "old") === "gap";
  }

  /** The fill found nothing: the store, or what is known of the slot's epochs, is behind. */
  #goOnLater(): void {
    setTimeout(() => this.#endFill(), FILL_RETRY_MS).unref();
  }

  #fillLater(): void {
    if (!this.#isClosed) setTimeout(() => this.#fill(), FILL_RETRY_MS).unref();
  }

  async #readMissing(): Promise<void> {
    for (;;) {
      const read = await this.#bus.readAfter(this.address, this.place, FILL_PAGE);
      if (this.#isClosed) return;
      if (!read.isContinuous) {
        await this.#readAnew(read);
        return;
      }
      for (const message of read.messages) if (!this.hasReached(message)) this.#handOut(message);
      if (read.isEnd || read.messages.length === 0) return;
    }
  }

  /** The place is not in the history any more: members are told, then get what is new to them. */
  async #readAnew(first: ReadAfter): Promise<void> {
    const lost = this.place;
    this.#tellLoss(lossReason(lost, first));
    let after: Position | null = null;
    for (let read = first; ; read = await this.#bus.readAfter(this.address, after, FILL_PAGE)) {
      if (this.#isClosed) return;
      for (const message of read.messages) {
        if (lost === null || isBeyond(message, lost)) this.#handOut(message);
      }
      after = read.messages.at(-1) ?? after;
      if (read.isEnd || read.messages.length === 0) break;
    }
    // Nothing was new: what comes next follows the end of what is left.
    if (this.place === lost) this.place = after;
  }

  #tellLoss(reason: GapReason): void {
    this.#output.gap(this, this.place, reason);
    this.#shownSeq = 0;
    this.lossCount += 1;
    if (this.recent !== null) this.recent = new RecentMessages();
    for (const waiter of this.#reachWaiters.splice(0)) waiter.resolve(); // they read again
  }

  #wakeReached(): void {
    const woken = this.#reachWaiters.filter((waiter) => this.hasReached(waiter.position));
    if (woken.length === 0) return;
    this.#reachWaiters = this.#reachWaiters.filter((waiter) => !woken.includes(waiter));
    for (const waiter of woken) waiter.resolve();
  }
}

/**
 * Why messages after a place can not be read.
 *
 * @param read from the oldest message kept.
 */
export function lossReason(lost: Position | null, read: ReadAfter): GapReason {
  const [oldest] = read.messages;
  const isDeleted = oldest !== undefined && lost !== null && comparePositions(oldest, lost) > 0;
  return isDeleted ? GapReason.RETENTION : GapReason.POSITION_UNKNOWN;
}

/** The policy of a room's class, or the error that says there is none. */
export function requirePolicy(policy: ClassPolicy | null, roomClass: string): ClassPolicy {
  if (policy !== null) return policy;
  throw new CodedError("ROOM_CLASS_UNKNOWN", `there is no room class "${roomClass}" here`);
}
