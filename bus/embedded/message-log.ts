/**
 * Appending durable messages: de-duplicates, finds the owner, stores. Runs in the worker, inside
 * transactions that the worker begins and ends.
 *
 * `seq` is one count for the whole store, never used twice, whatever the shard. Names are one set
 * for the whole store too, so that a retry after a move is recognised (R4). Time is an argument, so
 * tests can choose it.
 */
import type { DatabaseSync } from "node:sqlite";
import { DEDUPE_WINDOW_US, PUBLISH_LIMITS } from "../void.ts";
import { type RecordView, Refusal } from "./append-batch.ts";
import { DedupeWindow, type FirstCopy } from "./dedupe-window.ts";
import { NameRecall } from "./name-recall.ts";
import { type RoomState, Rooms } from "./rooms.ts";
import { messageBytes, type ShardLog } from "./shard-log.ts";
import type { ShardLogs } from "./shard-logs.ts";
import type { SlotOwner, SlotRoutes } from "./slot-routes.ts";

/** What one transaction's appends came to. */
export interface AppendSummary {
  storedCount: number;
  /** Records refused in a way that asks for a retry. */
  refusedCount: number;
  /** The first log that refused one which had been sent since it last did; null for none. */
  refusing: ShardLog | null;
}

/** A room that is due for a look by retention.ts, and the log that it was appended to. */
export interface DueRoom {
  readonly room: RoomState;
  readonly log: ShardLog;
}

export class MessageLog {
  readonly rooms: Rooms;
  readonly #routes: SlotRoutes;
  readonly #dedupe: DedupeWindow;
  readonly #dueRooms: DueRoom[] = [];
  readonly #copy: FirstCopy = { seq: 0, timeUs: 0, epoch: 0 };
  #lastSeq: number;
  #lastTimeUs: number;
  /** What is left to be remembered of the rows stored before the start; null when done. */
  #recall: NameRecall | null;
  /** Counts transactions; what the present one has touched. */
  #transaction = 0;
  #touchedRoomCount = 0;
  #touchedBytes = 0;
  #markSeq = 0;
  #markNames = 0;

  /**
   * @param nowUs wall clock, to recall the names of the last 30 s from the logs' tails.
   * @param uptimeUs a clock that never steps.
   * @param seed see {@link DedupeWindow}.
   */
  constructor(
    database: DatabaseSync,
    logs: ShardLogs,
    routes: SlotRoutes,
    nowUs: number,
    uptimeUs: number,
    seed: number,
  ) {
    this.rooms = new Rooms(database, logs);
    this.#routes = routes;
    this.#dedupe = new DedupeWindow(DEDUPE_WINDOW_US, seed);
    this.#lastSeq = logs.lastSeq;
    this.#lastTimeUs = Math.max(0, ...logs.all.map(({ newestUs }) => newestUs));
    this.#recall = new NameRecall(database, logs.all, this.#dedupe, nowUs, uptimeUs);
  }

  /**
   * Remembers the names of the logs' tails, some rows a call: at most some 10 ms each, so that
   * reads and keys need not wait after a crash under load.
   *
   * @returns true when all are remembered; {@link append} must wait until then.
   */
  recall(): boolean {
    if (this.#recall?.step() !== false) this.#recall = null;
    return this.#recall === null;
  }

  /** Newest seq given out. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /**
   * About how many pages the present transaction changes: rows at the end, an index leaf a room.
   */
  get touchedPages(): number {
    return this.#touchedRoomCount + Math.ceil(this.#touchedBytes / 4096);
  }

  /** Rooms that came due since the last call: after an eighth of what they keep, or just loaded. */
  takeDueRooms(): DueRoom[] {
    return this.#dueRooms.splice(0);
  }

  /**
   * Time of a commit: the wall clock, but rising in small steps when the clock was set back by less
   * than a second, so that the times of a room rise in practice.
   */
  commitTime(nowUs: number): number {
    const isSmallStep = nowUs <= this.#lastTimeUs && this.#lastTimeUs - nowUs < 1_000_000;
    return isSmallStep ? this.#lastTimeUs + 1 : nowUs;
  }

  /** Starts a transaction's worth of appends; {@link rollBack} returns to here. */
  begin(uptimeUs: number): void {
    this.#dedupe.expire(uptimeUs);
    this.#transaction += 1;
    this.#touchedRoomCount = 0;
    this.#touchedBytes = 0;
    this.#markSeq = this.#lastSeq;
    this.#markNames = this.#dedupe.mark;
  }

  /** Forgets what was appended since {@link begin}: the transaction was rolled back. */
  rollBack(): void {
    this.#dedupe.undo(this.#markNames);
    this.#lastSeq = this.#markSeq;
    this.rooms.clear();
    this.#dueRooms.length = 0;
  }

  /**
   * Stores the records of a batch and writes each one's result over it.
   *
   * @param count records in the batch.
   * @param fence that the batch was sent with.
   * @param timeUs from {@link commitTime}.
   * @param refusal when not null, new records are refused so; copies are still recognised.
   */
  append(
    view: RecordView,
    count: number,
    fence: number,
    timeUs: number,
    uptimeUs: number,
    refusal: Refusal | null,
    summary: AppendSummary,
  ): void {
    let at = 0;
    for (let i = 0; i < count; i += 1) {
      const next = view.next(at);
      if (!view.isPreRefused(at)) {
        this.#appendRecord(view, at, fence, timeUs, uptimeUs, refusal, summary);
      }
      at = next;
    }
    this.#lastTimeUs = timeUs;
  }

  #appendRecord(
    view: RecordView,
    at: number,
    fence: number,
    timeUs: number,
    uptimeUs: number,
    storeRefusal: Refusal | null,
    summary: AppendSummary,
  ): void {
    const token = view.token(at);
    const slot = view.slot(at);
    const room = this.rooms.find(token, slot);
    const first = room && this.#dedupe.find(room.id, view.producer(at), view.number(at, 0));
    if (first !== null) {
      view.settle(at, -first.seq, first.timeUs, 0, first.epoch);
      return;
    }
    if (timeUs - view.number(at, 1) > PUBLISH_LIMITS.voidAfterUs) {
      view.refuse(at, Refusal.VOID);
      return;
    }
    const owner = this.#routes.ownerOf(slot);
    if (owner === undefined) {
      view.refuse(at, Refusal.NO_GROUP);
      return;
    }
    const refusal = this.#judge(owner.log, fence, view.envelopeLength(at), storeRefusal, summary);
    if (refusal !== null) view.refuse(at, refusal);
    else {
      this.#store(room ?? this.rooms.add(token, slot), owner, view, at, timeUs, uptimeUs);
      summary.storedCount += 1;
    }
  }

  /**
   * Why a shard refuses a new message. After one refusal all later ones of the transaction are
   * refused by it too, and those of batches sent before it was heard, so that the retries of a
   * producer come in its order (R3). Other shards go on.
   */
  #judge(
    log: ShardLog,
    fence: number,
    envelopeLength: number,
    storeRefusal: Refusal | null,
    summary: AppendSummary,
  ): Refusal | null {
    if (fence < log.fence || log.isRefusing) {
      summary.refusedCount += 1;
      return log.refusal;
    }
    let refusal = storeRefusal;
    if (!this.#dedupe.hasSpace) refusal ??= Refusal.UNAVAILABLE;
    if (log.bytes + messageBytes(envelopeLength) > log.limits.bytesMax) refusal ??= Refusal.FULL;
    if (refusal === null) return null;
    log.isRefusing = true;
    log.refusal = refusal;
    summary.refusedCount += 1;
    summary.refusing ??= log;
    return refusal;
  }

  #store(
    room: RoomState,
    owner: SlotOwner,
    view: RecordView,
    at: number,
    timeUs: number,
    uptimeUs: number,
  ): void {
    const { log, epoch } = owner;
    if (room.epoch !== epoch) enterEpoch(room, owner);
    const producer = view.producer(at);
    const producerSeq = view.number(at, 0);
    const seq = this.#lastSeq + 1;
    const prevSeq = room.lastSeq;
    const envelope = view.envelope(at);
    log.touch();
    log.insert(seq, room.id, prevSeq, timeUs, producer, producerSeq, epoch, envelope);
    this.#copy.seq = seq;
    this.#copy.timeUs = timeUs;
    this.#copy.epoch = epoch;
    this.#dedupe.add(room.id, producer, producerSeq, this.#copy, uptimeUs);
    this.#lastSeq = seq;
    room.lastSeq = seq;
    room.appendedCount += 1;
    room.appendTotal += 1;
    this.#touchedBytes += envelope.length + 48;
    if (room.touchedBy !== this.#transaction) {
      room.touchedBy = this.#transaction;
      this.#touchedRoomCount += 1;
    }
    if (room.appendedCount === log.dueCount) this.#dueRooms.push({ room, log });
    view.settle(at, seq, timeUs, prevSeq, epoch);
  }
}

/** Looks up where a room stands in an epoch that it was not yet appended to since it was loaded. */
function enterEpoch(room: RoomState, { epoch, log }: SlotOwner): void {
  const newest = log.newestOf(room.id, 0, Number.MAX_SAFE_INTEGER);
  room.lastSeq = newest?.[2] === epoch ? newest[0] : 0;
  room.epoch = epoch;
  // Due at its next append: nobody knows how many there were before.
  room.appendedCount = log.dueCount - 1;
}
