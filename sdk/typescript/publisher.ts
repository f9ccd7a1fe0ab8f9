/**
 * Publishing over one connection after another: every room's queue, one window, one timer.
 *
 * The rules of order and retry are publish-queue.ts; here are the promises, the clock and the
 * socket. Rooms take turns, so a busy room does not hold up the others.
 */
import type { CancelTimer } from "./clock.ts";
import { TidegateError } from "./error.ts";
import { frameError } from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { Publish, PublishAck } from "./gen/tidegate/client/v1/publish.ts";
import type { HistoryRequests } from "./history.ts";
import type { Link } from "./link.ts";
import type { ClientLimits } from "./options.ts";
import { formatPosition } from "./position.ts";
import {
  type PublishItem,
  PublishQueue,
  type PublishResult,
  publishError,
} from "./publish-queue.ts";
import type { Rooms } from "./rooms.ts";
import { UnsureAcks } from "./unsure-acks.ts";

/** How often deadlines are looked at while anything is pending, milliseconds. */
const TICK_MS = 250;
/** A timer later than this means that the process stood still: first read what has arrived. */
export const LATE_TIMER_MS = 1000;
/** Bytes in the socket's own buffer beyond which publishes wait: more only adds delay. */
const SOCKET_BUFFER_BYTES_MAX = 1024 * 1024;
/** How soon to look again at a full socket, milliseconds; browsers do not tell when it drains. */
const DRAIN_MS = 10;
/**
 * Rooms whose queue is kept when idle; a queue's count may start again once names are forgotten.
 */
const IDLE_ROOM_COUNT_MAX = 1024;
/** A name may be used again after this long: twice the 30 s for which gateways remember names. */
const IDLE_ROOM_KEPT_MS = 60_000;

/** What the publisher needs of the client. */
export interface PublishLink extends Link {
  readonly rooms: Pick<Rooms, "aliasOf" | "modeOf" | "isJoining">;
  readonly history: Pick<HistoryRequests, "ask">;
  /** Bytes handed to the socket and not yet to the network. */
  readonly bufferedBytes: number;
  /** Server time now, microseconds. */
  serverNowUs(): number;
}

interface Item extends PublishItem {
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: TidegateError) => void;
}

interface RoomLane {
  readonly room: string;
  readonly queue: PublishQueue<Item>;
  /** Acknowledged, and not told yet. */
  readonly acks: UnsureAcks<Item, PublishResult>;
  usedAtMs: number;
  /** Nothing is written until the room's mode is known. */
  isHeld: boolean;
}

export class Publisher {
  readonly #link: PublishLink;
  readonly #limits: ClientLimits;
  readonly #lanes = new Map<string, RoomLane>();
  /** Lanes with anything pending. */
  readonly #busy = new Set<RoomLane>();
  /** Those with anything to write, in the order of their turns. */
  readonly #ready = new Set<RoomLane>();
  readonly #laneOfRequest = new Map<number, RoomLane>();
  #window = 0;
  #isHeld = false;
  #budgetUs = 20_000_000;
  #waitingCount = 0;
  #waitingBytes = 0;
  #cancelTimer: CancelTimer | null = null;
  #wakeAtMs = 0;
  #closedWith: TidegateError | null = null;

  constructor(link: PublishLink, limits: ClientLimits) {
    this.#link = link;
    this.#limits = limits;
  }

  /** Whether an answer is being waited for. */
  get isWaiting(): boolean {
    return this.#laneOfRequest.size > 0;
  }

  /** Whether publishes wait for an answer or to be sent, but for rooms known to be ephemeral. */
  get isPublishing(): boolean {
    for (const { room, queue } of this.#busy) {
      if ((queue.isDurable ?? this.#link.rooms.modeOf(room)) !== false) return true;
    }
    return false;
  }

  /**
   * Publishes. Resolves with the gateway's answer, or, without `needsAck`, once it is written.
   *
   * @throws {TidegateError} any code; docs/errors.md says which are worth repeating.
   */
  publish(
    room: string,
    payload: Uint8Array,
    needsAck: boolean,
    traceparent: string,
  ): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      if (this.#closedWith !== null) throw this.#closedWith;
      const { publishQueueCountMax, publishQueueBytesMax } = this.#limits;
      const bytes = this.#waitingBytes + payload.length;
      const isFull = this.#waitingCount >= publishQueueCountMax || bytes > publishQueueBytesMax;
      if (isFull && this.#waitingCount > 0) {
        const text = `${this.#waitingCount} publishes of ${this.#waitingBytes} bytes wait already`;
        throw new TidegateError("QUEUE_FULL", text);
      }
      if (!needsAck && this.#window === 0) {
        throw new TidegateError("UNAVAILABLE", "not connected; nothing was sent");
      }
      const lane = this.#lane(room);
      const addedAtMs = this.#link.clock.nowMs();
      const fresh = { seq: 0, firstSentUs: 0, isUncertain: false, error: null };
      lane.queue.add({ payload, traceparent, needsAck, addedAtMs, ...fresh, resolve, reject });
      lane.usedAtMs = addedAtMs;
      this.#waitingCount += 1;
      this.#waitingBytes = bytes;
      this.#busy.add(lane);
      this.#ready.add(lane);
      this.#pump();
    });
  }

  /** A connection is open. */
  onWelcome(publishInFlightMax: number, publishBudgetMs: number): void {
    this.#window = Math.min(this.#limits.publishWindowMax, publishInFlightMax || Infinity);
    this.#isHeld = false;
    if (publishBudgetMs > 0) this.#budgetUs = publishBudgetMs * 1000;
    for (const lane of this.#ready) this.#askMode(lane);
    this.#pump();
  }

  /** The connection broke. */
  onBreak(): void {
    this.#window = 0;
    this.#laneOfRequest.clear();
    for (const lane of this.#busy) {
      lane.queue.onBreak();
      this.#rest(lane);
    }
  }

  /** Writes nothing new, until {@link release} or the next Welcome. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#pump();
  }

  /** A room was joined. */
  onJoined(): void {
    this.#pump();
  }

  onAck(ack: PublishAck): void {
    const lane = this.#settle(ack.requestId);
    if (lane === undefined) return;
    const { position, duplicate: isDuplicate, traceId } = ack;
    lane.queue.isDurable = position !== undefined;
    const item = lane.queue.onAnswer(ack.requestId, true);
    if (position === undefined) item?.resolve({ position: null, isDuplicate, traceId });
    else if (item !== undefined) {
      const at = formatPosition(position);
      lane.acks.add(item, position, { position: at, isDuplicate, traceId });
    }
    this.#rest(lane);
    this.#pump();
  }

  /** Returns whether the error was the answer to a publish. */
  onError(frame: ErrorFrame): boolean {
    const lane = this.#settle(frame.requestId);
    if (lane === undefined) return false;
    const { clock } = this.#link;
    const error = frameError(frame);
    if (frame.retryable) {
      const delayMs = this.#link.backoffMs(lane.queue.failedCount, frame.retryAfterMs);
      lane.queue.onRetryable(frame.requestId, clock.nowMs() + delayMs, error);
    } else {
      const item = lane.queue.onAnswer(frame.requestId, false);
      if (item !== undefined) this.#fail(item, error);
    }
    this.#rest(lane);
    this.#pump();
    return true;
  }

  /** Ends everything: what is unanswered is unknown, the rest fails with `error`. */
  close(error: TidegateError): void {
    this.#closedWith = error;
    this.#window = 0;
    this.#cancelTimer?.();
    for (const lane of this.#busy) {
      const left = lane.queue.drain();
      this.#tellSure(lane); // what is unanswered will not be acknowledged, so it overtakes nothing
      for (const item of left) this.#fail(item, error);
    }
    this.#busy.clear();
    this.#ready.clear();
    this.#laneOfRequest.clear();
  }

  /** Writes what may be written; then sets the timer. */
  #pump(): void {
    let isMore = this.#window > 0 && !this.#isHeld;
    while (isMore) {
      isMore = false;
      for (const lane of this.#ready) {
        if (this.#laneOfRequest.size >= this.#window || this.#isSocketFull()) break;
        if (this.#sendNext(lane)) isMore = true;
        this.#rest(lane);
      }
    }
    this.#schedule();
  }

  #isSocketFull(): boolean {
    return this.#link.bufferedBytes > SOCKET_BUFFER_BYTES_MAX;
  }

  /** Writes one publish of a lane, if one may be written. */
  #sendNext(lane: RoomLane): boolean {
    const { queue, room } = lane;
    const isHeld = lane.isHeld || this.#link.rooms.isJoining(room);
    const item = isHeld ? null : queue.next(this.#link.clock.nowMs());
    if (item === null) return false;
    queue.isDurable ??= this.#link.rooms.modeOf(room);
    const nowUs = this.#link.serverNowUs();
    if (item.seq === 0) {
      this.#waitingCount -= 1;
      this.#waitingBytes -= item.payload.length;
    } else if (nowUs - item.firstSentUs > this.#budgetUs) {
      queue.discardNext(); // the timer is late, or the clock jumped: too old to repeat (R2)
      this.#fail(item);
      return true;
    }
    const requestId = item.needsAck ? this.#link.nextRequestId() : 0;
    const alias = this.#link.rooms.aliasOf(room);
    queue.onSent(requestId, nowUs);
    const value: Publish = {
      requestId,
      target: alias > 0 ? { $case: "roomAlias", value: alias } : { $case: "room", value: room },
      producerSeq: item.seq,
      firstSentUs: item.firstSentUs,
      traceparent: item.traceparent,
      payload: item.payload,
    };
    if (!this.#link.send({ $case: "publish", value })) {
      queue.onAnswer(requestId, false);
      const text = `a payload of ${item.payload.length} bytes does not fit one frame`;
      this.#fail(item, new TidegateError("PAYLOAD_TOO_LARGE", text));
    } else if (item.needsAck) this.#laneOfRequest.set(requestId, lane);
    else item.resolve({ position: null, isDuplicate: false, traceId: "" });
    return true;
  }

  /**
   * Publishes to a room of unknown mode were unanswered when the connection broke: if it is durable
   * they are repeated; if it is not, or that can not be found out, a second try could double them.
   */
  #askMode(lane: RoomLane): void {
    const { queue, room } = lane;
    if (lane.isHeld || !queue.needsMode) return;
    lane.isHeld = true;
    const learn = (isDurable: boolean | null) => {
      lane.isHeld = false;
      queue.isDurable ??= isDurable ?? this.#link.rooms.modeOf(room);
      this.#rest(lane, queue.isDurable === true);
      this.#pump();
    };
    const isEphemeral = ({ code }: TidegateError) => code === "NOT_DURABLE";
    this.#link.history.ask(room, { limit: 1 }).then(
      () => learn(true),
      (error) => learn(isEphemeral(error) ? false : null),
    );
  }

  #settle(requestId: number): RoomLane | undefined {
    const lane = this.#laneOfRequest.get(requestId);
    this.#laneOfRequest.delete(requestId);
    return lane;
  }

  /** @param isKept as {@link PublishQueue.takeOver} has it. */
  #rest(lane: RoomLane, isKept?: boolean): void {
    for (const item of lane.queue.takeOver(isKept)) this.#fail(item);
    this.#tellSure(lane);
    if (lane.queue.isEmpty) this.#busy.delete(lane);
    if (lane.queue.hasMore) this.#ready.add(lane);
    else this.#ready.delete(lane);
  }

  #tellSure({ acks, queue }: RoomLane): void {
    for (let sure = acks.takeSure(queue.uncertainSeqMax); sure; ) {
      const { item, result } = sure;
      item.isUncertain ||= result === null;
      if (result === null) this.#fail(item);
      else item.resolve(result);
      sure = acks.takeSure(queue.uncertainSeqMax);
    }
  }

  #lane(room: string): RoomLane {
    let lane = this.#lanes.get(room);
    if (lane === undefined) {
      if (this.#lanes.size >= IDLE_ROOM_COUNT_MAX) this.#forgetIdle();
      const acks = new UnsureAcks<Item, PublishResult>();
      lane = { room, queue: new PublishQueue(), acks, usedAtMs: 0, isHeld: false };
      this.#lanes.set(room, lane);
    }
    return lane;
  }

  #forgetIdle(): void {
    const beforeMs = this.#link.clock.nowMs() - IDLE_ROOM_KEPT_MS;
    for (const lane of this.#lanes.values()) {
      if (lane.queue.isEmpty && lane.usedAtMs < beforeMs) this.#lanes.delete(lane.room);
    }
  }

  /** One timer: for the next retry if it is near, else for the next look at the deadlines. */
  #schedule(): void {
    if (this.#busy.size === 0) {
      this.#cancelTimer?.();
      this.#cancelTimer = null;
      return;
    }
    const nowMs = this.#link.clock.nowMs();
    let wakeAtMs = nowMs + (this.#ready.size > 0 && this.#isSocketFull() ? DRAIN_MS : TICK_MS);
    if (this.#window > 0) {
      for (const { queue } of this.#ready) {
        const atMs = queue.notBeforeMs;
        if (atMs > nowMs && atMs < wakeAtMs) wakeAtMs = atMs;
      }
    }
    if (this.#cancelTimer !== null && this.#wakeAtMs <= wakeAtMs) return;
    this.#wake(wakeAtMs, nowMs);
  }

  #wake(atMs: number, nowMs: number): void {
    this.#cancelTimer?.();
    this.#wakeAtMs = atMs;
    this.#cancelTimer = this.#link.clock.setTimer(Math.max(1, atMs - nowMs), () => this.#onTimer());
  }

  #onTimer(): void {
    this.#cancelTimer = null;
    const nowMs = this.#link.clock.nowMs();
    if (nowMs - this.#wakeAtMs > LATE_TIMER_MS) {
      this.#wake(nowMs, nowMs); // the process stood still: answers may wait in the socket
      return;
    }
    const sentBeforeUs = this.#link.serverNowUs() - this.#budgetUs;
    const addedBeforeMs = nowMs - this.#limits.publishWaitMaxMs;
    for (const lane of this.#busy) {
      for (const item of lane.queue.expire(sentBeforeUs, addedBeforeMs)) this.#expireItem(item);
      this.#rest(lane);
    }
    for (const [requestId, lane] of this.#laneOfRequest) {
      if (!lane.queue.isWaitingFor(requestId)) this.#laneOfRequest.delete(requestId);
    }
    this.#pump();
  }

  #expireItem(item: Item): void {
    if (item.seq > 0) {
      this.#fail(item);
      return;
    }
    this.#waitingCount -= 1;
    this.#waitingBytes -= item.payload.length;
    const text = `never written within ${this.#limits.publishWaitMaxMs} ms; nothing was sent`;
    this.#fail(item, new TidegateError("UNAVAILABLE", text));
  }

  /** Ends a publish with what is known of its tries; `error` is the last word. */
  #fail(item: Item, error = item.error): void {
    item.error = error;
    item.reject(publishError(item, "it was written, and no answer confirmed it"));
  }
}
