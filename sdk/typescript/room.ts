/**
 * A room that this client has joined: the stream of its events, and publishing into it.
 *
 * Three parties meet here and never call into one another: the read loop puts events into a bounded
 * queue, the application's loop takes them out, and membership.ts says what goes over the wire. The
 * room outlives connections; only a gap event tells that something could not be recovered.
 */
import type { CancelTimer } from "./clock.ts";
import { ERRORS, isRetryable, TidegateError } from "./error.ts";
import {
  type GapReason,
  gapEvent,
  gapReason,
  messageEvent,
  type RoomEvent,
  type RoomGap,
  type RoomPolicy,
  type RoomPolicyChange,
  roomPolicy,
} from "./event.ts";
import { EventQueue } from "./event-queue.ts";
import type { Gap, Message } from "./gen/tidegate/client/v1/message.ts";
import type { Joined, JoinRoom, RoomPolicyChanged } from "./gen/tidegate/client/v1/room.ts";
import type { HistoryOptions, HistoryPage } from "./history.ts";
import type { Membership, MembershipState } from "./membership.ts";
import { formatPosition, type Position } from "./position.ts";
import type { PublishResult } from "./publish-queue.ts";
import type { RoomEnd, RoomLink, RoomSetup } from "./room-link.ts";
import { publishValue, readPage } from "./value.ts";

/** Joins refused as retryable, in a row, before the room gives up: about two minutes. */
const JOIN_TRIES_MAX = 10;
/** What a gap or policy event counts for in the queue, bytes. */
const NOTE_BYTES = 64;

/** How to publish. */
export interface PublishOptions {
  /** False, in ephemeral rooms only: done once written, without an answer. Default true. */
  readonly ack?: boolean;
}

/** A joined room: loop over it with `for await`. */
export interface Room<T> extends AsyncIterable<RoomEvent<T>> {
  /** Full name, "class:name". */
  readonly name: string;
  /** What is allowed now. */
  readonly policy: RoomPolicy;
  /** Of the last message handed out by the loop; null before. Save it to resume from here. */
  readonly position: Position | null;
  /** Whether messages arrive now: not while reconnecting, nor while the loop is far behind. */
  readonly isLive: boolean;
  /** Events that wait for the loop; bounded by `roomQueueCountMax`. */
  readonly queuedCount: number;
  /**
   * Publishes into this room. Publishes of one client to one room are stored in the order of calls.
   *
   * @throws {TidegateError} e.g. `PERMISSION_DENIED`, `PAYLOAD_TOO_LARGE`, `QUEUE_FULL`,
   *   `UNAVAILABLE` (nothing was sent), `OUTCOME_UNKNOWN` (it may appear once, later, or never).
   */
  publish(value: T, options?: PublishOptions): Promise<PublishResult>;
  /** Reads a page of what is stored. */
  history(options?: HistoryOptions): Promise<HistoryPage<T>>;
  /** Leaves; the loop ends at once. */
  leave(): Promise<void>;
}

/** The room behind both: {@link Room} for users, {@link RoomEnd} for frames. */
export class JoinedRoom<T> implements Room<T>, RoomEnd {
  readonly #link: RoomLink;
  readonly #setup: RoomSetup<T>;
  readonly #membership: Membership;
  readonly #queue: EventQueue<Message | RoomGap | RoomPolicyChange>;
  #policy: RoomPolicy = roomPolicy(undefined);
  #position: Position | null = null;
  #isAfterGap = false;
  #isIterated = false;
  #isLeft = false;
  #isOver = false;
  #error: TidegateError | null = null;
  #failedJoinCount = 0;
  #wasIn = false;
  #cancelJoin: CancelTimer = () => {};
  #wakers: (() => void)[] = [];
  #leavers: (() => void)[] = [];

  constructor(link: RoomLink, setup: RoomSetup<T>) {
    this.#link = link;
    this.#setup = setup;
    this.#membership = setup.membership;
    this.#queue = new EventQueue(setup.queueCountMax, setup.queueBytesMax);
  }

  get name(): string {
    return this.#setup.name;
  }

  get policy(): RoomPolicy {
    return this.#policy;
  }

  get position(): Position | null {
    return this.#position;
  }

  get isLive(): boolean {
    return this.#membership.state.is === "in";
  }

  get queuedCount(): number {
    return this.#queue.count;
  }

  get state(): MembershipState {
    return this.#membership.state;
  }

  get isBehind(): boolean {
    return this.#queue.isHigh;
  }

  publish(value: T, options: PublishOptions = {}): Promise<PublishResult> {
    const ack = options.ack ?? true;
    if (!ack && this.#policy.isDurable) {
      const text = `${this.name} is durable: its publishes are always acknowledged`;
      return Promise.reject(new TidegateError("REQUEST_INVALID", text));
    }
    return publishValue(this.#link, this.name, value, this.#setup.codec, ack);
  }

  history(options: HistoryOptions = {}): Promise<HistoryPage<T>> {
    return readPage(this.#link, this.name, this.#setup.codec, options);
  }

  leave(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#isLeft = true;
    this.#queue.clear();
    this.#wake();
    const state = this.#membership.state;
    if (state.is === "in") this.#leave("end");
    else if (state.is === "leaving") this.#membership.leave("end");
    else if (state.is !== "joining") {
      this.end(null);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#leavers.push(resolve);
    });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent<T>> {
    if (this.#isIterated) {
      const text = `${this.name} has a loop already; share its events there`;
      throw new TidegateError("REQUEST_INVALID", text);
    }
    this.#isIterated = true;
    let isClosed = false;
    const close = () => {
      if (!isClosed) this.#isIterated = false;
      isClosed = true;
    };
    const iterator: AsyncIterableIterator<RoomEvent<T>> = {
      [Symbol.asyncIterator]: () => iterator,
      next: () => this.#next(() => isClosed, close),
      return: async () => {
        close();
        this.#wake();
        return { done: true, value: undefined };
      },
    };
    return iterator;
  }

  join(): JoinRoom {
    return this.#membership.join(this.name);
  }

  onJoined(joined: Joined): void {
    // Unasked (request id 0) only to one who is in: not to one who is leaving, or has left.
    if (this.#membership.state.is !== (joined.requestId === 0 ? "in" : "joining")) return;
    const verdict = this.#membership.onJoined(joined);
    this.#failedJoinCount = 0;
    this.#wasIn = true;
    const policy = roomPolicy(joined.policy);
    if (verdict.isFirst) this.#policy = policy;
    if (this.#isLeft) {
      this.#leave("end");
      return;
    }
    if (verdict.isFirst) this.#setup.onOpen(null);
    else this.#setPolicy(policy);
    if (verdict.isLoss) this.#noteGap(policy.isDurable ? gapReason(joined.loss) : "EPHEMERAL", 0);
  }

  onJoinError(error: TidegateError): void {
    if (this.#isLeft) this.end(null);
    else if (!error.retryable || this.#failedJoinCount >= JOIN_TRIES_MAX) this.end(error);
    else if (error.limit && error.code !== "RATE_LIMITED" && !this.#wasIn)
      this.end(error); // who asks decides whether to wait
    else {
      this.#membership.onBreak();
      this.#failedJoinCount += 1;
      this.#joinLater(error.retryAfterMs);
    }
  }

  /** Hot path: once per message. */
  onMessage(message: Message, bytes: number): void {
    const verdict = this.#membership.judge(message);
    if (verdict === "old") return;
    if (verdict === "missing") {
      this.#membership.onBreach();
      this.#sendLeave();
      return;
    }
    if (verdict === "lost") {
      const missedCount = this.#membership.lostCount(message);
      this.#noteGap(missedCount > 0 ? "EPHEMERAL" : "RETENTION", missedCount);
      this.#membership.onGap();
    }
    if (!this.#queue.offer(message, bytes)) {
      this.#overflow();
      return;
    }
    this.#membership.onTaken(message);
    this.#link.tracing?.onArrival(message);
    this.#isAfterGap = false;
    if (this.#queue.isHigh) this.#link.pause?.onFill(this.#link.rooms);
    this.#wake();
  }

  onGap(gap: Gap): void {
    this.#membership.onGap();
    this.#note(gapEvent(gap, this.name));
    this.#isAfterGap = true;
  }

  onPolicy(change: RoomPolicyChanged): void {
    this.#setPolicy(roomPolicy(change.policy));
  }

  onLeft(code: string): void {
    const wasLeaving = this.#membership.state.is === "leaving";
    this.#membership.onLeft();
    if (this.#membership.state.is === "ended") this.end(null);
    else if (!wasLeaving && code !== "" && !isRetryable(code)) {
      this.end(new TidegateError(code, `the gateway ended the membership of ${this.name}`));
    } else if (wasLeaving) this.#requestJoin();
    else this.#joinLater(ERRORS.get(code)?.retryAfterMs ?? 0);
  }

  onBreak(): void {
    this.#membership.onBreak();
    if (this.#isLeft || this.#membership.state.is === "ended") this.end(null);
  }

  end(error: TidegateError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#cancelJoin();
    this.#membership.end();
    if (error === null) this.#queue.clear();
    this.#wake();
    this.#setup.onOpen(error ?? new TidegateError("CLOSED", `${this.name} was left`));
    for (const resolve of this.#leavers) resolve();
    this.#leavers = [];
    this.#link.rooms.remove(this);
  }

  /** The next event: runs in the application's turn, so its codec does too. */
  async #next(isClosed: () => boolean, close: () => void): Promise<IteratorResult<RoomEvent<T>>> {
    for (;;) {
      if (isClosed() || this.#isLeft) break;
      const item = this.#queue.take();
      if (item !== undefined) {
        // A gap that was read says nothing of what an ephemeral room loses from now on.
        if ("missedCount" in item && !this.#policy.isDurable) this.#isAfterGap = false;
        this.#onTaken();
        return { done: false, value: this.#toEvent(item) };
      }
      if (this.#isOver) {
        close();
        if (this.#error !== null) throw this.#error;
        break;
      }
      await new Promise<void>((resolve) => {
        this.#wakers.push(resolve);
      });
    }
    close();
    return { done: true, value: undefined };
  }

  #toEvent(item: Message | RoomGap | RoomPolicyChange): RoomEvent<T> {
    if ("type" in item) return item;
    if (item.position !== undefined) this.#position = formatPosition(item.position);
    const event = messageEvent(item, this.name, this.#link.ownProducer, this.#setup.codec);
    this.#link.tracing?.onTaken(item, event);
    return event;
  }

  #onTaken(): void {
    if (!this.#queue.isLow) return;
    if (this.#membership.unpark()) this.#requestJoin();
    this.#link.pause?.onFill(this.#link.rooms);
  }

  #setPolicy(policy: RoomPolicy): void {
    if (JSON.stringify(policy) === JSON.stringify(this.#policy)) return;
    this.#policy = policy;
    this.#note({ type: "policy", room: this.name, policy });
  }

  /**
   * Puts a gap in its place, whatever the bounds: it must not be lost, and there is at most one
   * between two messages.
   */
  #noteGap(reason: GapReason, missedCount: number): void {
    if (this.#isAfterGap) return;
    this.#isAfterGap = true;
    this.#queue.force({ type: "gap", room: this.name, reason, missedCount }, NOTE_BYTES);
    this.#wake();
  }

  #note(note: RoomGap | RoomPolicyChange): void {
    if (this.#queue.offer(note, NOTE_BYTES)) this.#wake();
    else this.#overflow();
  }

  /**
   * The queue is full: leave, and join again after its last message when the loop has caught up. In
   * an ephemeral room what passes meanwhile is lost, which a gap says.
   */
  #overflow(): void {
    if (this.#membership.state.is !== "in") return;
    if (!this.#policy.isDurable) this.#noteGap("SLOW_MEMBER", 0);
    this.#leave("park");
  }

  #leave(next: "park" | "end"): void {
    this.#membership.leave(next);
    this.#sendLeave();
  }

  #sendLeave(): void {
    const state = this.#membership.state;
    if (state.is === "leaving") this.#link.rooms.sendLeave(this, state.alias);
  }

  #requestJoin(): void {
    if (this.#membership.state.is === "out") this.#link.rooms.requestJoin(this);
  }

  #joinLater(leastMs: number): void {
    const delayMs = this.#link.backoffMs(this.#failedJoinCount, leastMs);
    this.#cancelJoin();
    this.#cancelJoin = this.#link.clock.setTimer(delayMs, () => this.#requestJoin());
  }

  #wake(): void {
    if (this.#wakers.length === 0) return;
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}
