/**
 * R8, sweeps: finds what RePublish lost, for every room that is listened to.
 *
 * RePublish is fast but not complete: a leader kill left acknowledged messages that were never
 * republished, a frozen server's clients miss some, and a quiet room's tail shows in nothing. A
 * sweep asks for the newest message of many rooms at once, with `seq` = the last proven sequence +
 * 1, so that only rooms that changed since answer. Due on reconnect, on a new stream leader,
 * shortly after a room is listened to, and as a backstop that visits every room within `sweepMs`.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { directGet } from "./direct-get.ts";
import { type HeardRoom, isNewer, type NatsInterest } from "./interest.ts";
import { anchorSubject, inSubject, shardStream } from "./wire.ts";

/** Rooms asked for at once; the server refuses more than 1024 subjects (413). */
const ROOMS_AT_ONCE = 1000;
/** A new room is looked at after this, ms: subscribe and flush is no barrier in a cluster. */
const SETTLE_MS = 300;
/** A failed or stale sweep is tried again after this, ms. */
const RETRY_MS = 250;
/** Stale answers in a row before a sweep waits for its next turn. */
const STALE_MAX = 8;

/** What a sweep needs of the bus. */
export interface SweepParts {
  readonly connection: NatsConnection;
  readonly interest: NatsInterest;
  readonly shardCount: number;
  /** Option of the same name. */
  readonly sweepMs: number;
  placeOf(room: HeardRoom["room"]): { epoch: number; shard: number };
  /** Highest sequence seen of a shard: what a fresh answer knows (R6). */
  seenSeq(shard: number): number;
  onSeen(shard: number, seq: number): void;
  /** Rewrites the shard's anchor; resolves with its sequence. */
  writeAnchor(shard: number): Promise<number>;
}

export class Sweep {
  readonly #parts: SweepParts;
  /** Per shard: everything up to here was proven to be heard by the rooms swept then. */
  readonly #provenSeq: number[];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #backstop: NodeJS.Timeout;
  /** Rooms that were not swept since they are listened to: asked for from the start. */
  readonly #fresh = new Set<HeardRoom>();
  readonly #running = new Set<Promise<void>>();
  #isSettling = false;
  #isClosed = false;
  /** Messages found that were not heard. */
  foundCount = 0;
  /** Answers that were stale. */
  staleCount = 0;

  constructor(parts: SweepParts) {
    this.#parts = parts;
    this.#provenSeq = Array.from({ length: parts.shardCount }, () => 0);
    this.#backstop = setInterval(() => this.sweepAll(), parts.sweepMs).unref();
    void this.#followReconnects();
    parts.connection.subscribe("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.>", {
      callback: () => this.sweepAll(),
    });
  }

  /** A room is listened to from now on. */
  settle(heard: HeardRoom): void {
    this.#fresh.add(heard);
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#later(SETTLE_MS, () => {
      this.#isSettling = false;
      this.#start([...this.#fresh], 0);
    });
  }

  /** R7: a gateway published (epoch, seq) in this room, and it was not heard. */
  look(heard: HeardRoom): void {
    this.#start([heard], 0);
  }

  /** Looks at every room. */
  sweepAll(): void {
    this.#start([...this.#parts.interest.rooms()], 0);
  }

  /** Starts no more, and resolves when those under way have ended: they write to the connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#backstop);
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.allSettled(this.#running);
  }

  #start(rooms: readonly HeardRoom[], staleCount: number): void {
    if (this.#isClosed) return;
    const byShard = Map.groupBy(rooms, ({ room }) => this.#parts.placeOf(room).shard);
    for (const [shard, ofShard] of byShard) {
      const running = this.#sweepShard(shard, ofShard).then(
        (isProven) => {
          if (!isProven && staleCount < STALE_MAX) this.#again(ofShard, staleCount);
        },
        () => this.#again(ofShard, staleCount), // not now; the store is asked until it answers
      );
      this.#running.add(running);
      void running.finally(() => this.#running.delete(running));
    }
  }

  #again(rooms: readonly HeardRoom[], staleCount: number): void {
    if (this.#isClosed) return;
    this.#later(RETRY_MS, () => this.#start(rooms, staleCount + 1));
  }

  /**
   * R6: an answer with `seq` beyond every match is a 404, which proves nothing. So an anchor is
   * written first: a fresh answer holds it.
   *
   * @returns whether every answer proved its freshness.
   */
  async #sweepShard(shard: number, rooms: readonly HeardRoom[]): Promise<boolean> {
    const isAnyFresh = rooms.some((heard) => this.#fresh.has(heard));
    const from = isAnyFresh || rooms.length === 1 ? 1 : (this.#provenSeq[shard] ?? 0) + 1;
    if (from > 1) this.#parts.onSeen(shard, await this.#parts.writeAnchor(shard));
    const wanted = this.#parts.seenSeq(shard);
    let provenSeq = Number.POSITIVE_INFINITY;
    for (let at = 0; at < rooms.length; at += ROOMS_AT_ONCE) {
      const upToSeq = await this.#sweepSome(shard, rooms.slice(at, at + ROOMS_AT_ONCE), from);
      provenSeq = Math.min(provenSeq, upToSeq);
    }
    const isProven = provenSeq >= wanted;
    if (!isProven) {
      this.staleCount += 1;
      return false;
    }
    for (const heard of rooms) this.#fresh.delete(heard);
    // Only a turn over all rooms lets the next one start later.
    if (this.#isAllOf(shard, rooms)) this.#provenSeq[shard] = provenSeq;
    return true;
  }

  /** @returns the sequence up to which the answer was complete. */
  async #sweepSome(shard: number, rooms: readonly HeardRoom[], from: number): Promise<number> {
    const { connection, interest } = this.#parts;
    const subjects = new Map<string, HeardRoom>();
    for (const heard of rooms) {
      const { epoch } = this.#parts.placeOf(heard.room);
      subjects.set(inSubject(heard.room, epoch), heard);
    }
    const answer = await directGet(connection, shardStream(shard), {
      multi_last: [...subjects.keys(), anchorSubject(shard)],
      seq: from,
      batch: ROOMS_AT_ONCE + 1,
    });
    for (const { subject, seq, timeUs, data } of answer.messages) {
      const heard = subjects.get(subject);
      const epoch = Number(subject.split(".")[3]);
      if (heard === undefined || !isNewer(heard, epoch, seq)) continue;
      this.foundCount += 1;
      this.#parts.onSeen(shard, seq);
      // Nothing is known of what is between: the chain takes it as a gap and fills.
      interest.deliver(heard, { epoch, seq, timeUs, prevSeq: seq - 1, envelope: data });
    }
    return answer.upToSeq;
  }

  #isAllOf(shard: number, rooms: readonly HeardRoom[]): boolean {
    let count = 0;
    for (const { room } of this.#parts.interest.rooms()) {
      if (this.#parts.placeOf(room).shard === shard) count += 1;
    }
    return rooms.length >= count;
  }

  #later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms).unref();
    this.#timers.add(timer);
  }

  async #followReconnects(): Promise<void> {
    for await (const status of this.#parts.connection.status()) {
      if (status.type === "reconnect") this.sweepAll();
    }
  }
}
