/**
 * R8, sweeps: finds what RePublish lost, for every room that is listened to.
 *
 * RePublish is fast but not complete: a leader kill left acknowledged messages that were never
 * republished, a frozen server's clients miss some, and a quiet room's tail shows in nothing. A
 * sweep asks for the newest message of many rooms at once, with `seq` = the last proven sequence +
 * 1, so that only rooms that changed since answer. Due on reconnect, on a new stream leader,
 * shortly after a room is listened to, when its slot got a new epoch, and as a backstop that visits
 * every room within `sweepMs`.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { EpochPlace, Route } from "../route.ts";
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
  /** Option of the same name. */
  readonly sweepMs: number;
  routeOf(slot: number): Route;
  /** Epochs of a slot that may hold messages, oldest first, the open one last; none: no route. */
  placesOf(slot: number): readonly EpochPlace[];
  /** Highest sequence seen of a shard: what a fresh answer knows (R6). */
  seenSeq(shard: number): number;
  onSeen(shard: number, seq: number): void;
  /** Rewrites the shard's anchor; resolves with its sequence. */
  writeAnchor(shard: number): Promise<number>;
  /** The shard gives sequences from `fromSeq` on anew: its history went backwards (R9). */
  onBackwards(shard: number, fromSeq: number): void;
}

/** A room to look at in one epoch of its slot. */
interface Look {
  readonly heard: HeardRoom;
  readonly place: EpochPlace;
}

export class Sweep {
  readonly #parts: SweepParts;
  /** By shard: everything up to here was proven to be heard by the rooms swept then. */
  readonly #provenSeq = new Map<number, number>();
  /** By shard: how often the proof was forgotten. */
  readonly #turn = new Map<number, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #backstop: NodeJS.Timeout;
  /** Rooms that were not swept since they are listened to: asked for from the start. */
  readonly #fresh = new Set<HeardRoom>();
  /** The first epoch of each room that was not proven to be heard; absent: the open one. */
  readonly #firstEpoch = new WeakMap<HeardRoom, number>();
  readonly #running = new Set<Promise<void>>();
  /** Rooms whose sweep failed or was stale, and stale answers in a row: swept again together. */
  readonly #due = new Map<HeardRoom, number>();
  /** Sweeps under way of each room. */
  readonly #sweepCount = new Map<HeardRoom, number>();
  #isSettling = false;
  #isClosed = false;
  /** Messages found that were not heard. */
  foundCount = 0;
  /** Answers that were stale. */
  staleCount = 0;

  constructor(parts: SweepParts) {
    this.#parts = parts;
    this.#backstop = setInterval(() => this.sweepAll(), parts.sweepMs).unref();
    void this.#followReconnects();
    parts.connection.subscribe("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.>", {
      callback: () => this.sweepAll(),
    });
  }

  /** A room is listened to from now on. */
  settle(heard: HeardRoom): void {
    this.#fresh.add(heard);
    this.#firstEpoch.set(heard, this.#parts.routeOf(heard.room.slot).record.epoch);
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

  /** The slot has a new epoch: its rooms are looked at through the end of the one before. */
  lookAtSlot(slot: number): void {
    this.#start(
      [...this.#parts.interest.rooms()].filter(({ room }) => room.slot === slot),
      0,
    );
  }

  /** Looks at every room. */
  sweepAll(): void {
    this.#start([...this.#parts.interest.rooms()], 0);
  }

  /** What was proven of a shard does not hold any more, also not by sweeps under way. */
  forget(shard: number): void {
    this.#provenSeq.delete(shard);
    this.#turn.set(shard, (this.#turn.get(shard) ?? 0) + 1);
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
    const open = new Map<number, Look[]>();
    const sealed = new Map<number, Look[]>();
    for (const heard of rooms) {
      const places = this.#parts.placesOf(heard.room.slot);
      const first = this.#firstEpochOf(heard, places);
      for (const place of places) {
        if (place.lastSeq === null) push(open, place.shard, { heard, place });
        else if (place.epoch >= first) push(sealed, place.shard, { heard, place });
      }
    }
    for (const [shard, looks] of open) {
      this.#run(looks, staleCount, () => this.#sweepOpen(shard, looks));
    }
    for (const [shard, looks] of sealed) {
      this.#run(looks, staleCount, () => this.#sweepSealed(shard, looks));
    }
  }

  #run(looks: readonly Look[], staleCount: number, sweep: () => Promise<boolean>): void {
    this.#count(looks, 1);
    const running = sweep()
      .finally(() => this.#count(looks, -1))
      .then(
        (isProven) => {
          if (!isProven && staleCount < STALE_MAX) this.#again(looks, staleCount + 1);
        },
        () => this.#again(looks, staleCount), // not now; the store is asked until it answers
      );
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  #count(looks: readonly Look[], sign: 1 | -1): void {
    for (const { heard } of looks) {
      const count = (this.#sweepCount.get(heard) ?? 0) + sign;
      if (count > 0) this.#sweepCount.set(heard, count);
      else this.#sweepCount.delete(heard);
    }
  }

  #again(looks: readonly Look[], staleCount: number): void {
    const isPlanned = this.#due.size > 0;
    for (const { heard } of looks) {
      this.#due.set(heard, Math.max(staleCount, this.#due.get(heard) ?? 0));
    }
    if (!isPlanned) this.#later(RETRY_MS, () => this.#startDue());
  }

  /**
   * Each room once, when no sweep of it is under way: else every turn, and every epoch of a room,
   * would begin a line of retries of its own, and an outage would make them without number.
   */
  #startDue(): void {
    const rooms: HeardRoom[] = [];
    let staleMax = 0;
    for (const [heard, staleCount] of this.#due) {
      if (this.#sweepCount.has(heard)) continue;
      this.#due.delete(heard);
      if (this.#parts.interest.find(heard.token) !== heard) continue; // nobody listens any more
      rooms.push(heard);
      staleMax = Math.max(staleMax, staleCount);
    }
    if (this.#due.size > 0) this.#later(RETRY_MS, () => this.#startDue());
    this.#start(rooms, staleMax);
  }

  /**
   * R6: an answer with `seq` beyond every match is a 404, which proves nothing. So an anchor is
   * written first: a fresh answer holds it.
   *
   * @returns whether every answer proved its freshness.
   */
  async #sweepOpen(shard: number, looks: readonly Look[]): Promise<boolean> {
    const isAnyFresh = looks.some(({ heard }) => this.#fresh.has(heard));
    const from = isAnyFresh || looks.length === 1 ? 1 : (this.#provenSeq.get(shard) ?? 0) + 1;
    const turn = this.#turn.get(shard);
    if (from > 1 && !(await this.#renewAnchor(shard))) return true;
    const provenSeq = await this.#sweepFrom(shard, looks, from, this.#parts.seenSeq(shard));
    if (provenSeq === null) return false;
    for (const { heard } of looks) this.#fresh.delete(heard);
    // Only a turn over all rooms lets the next one start later.
    const isWhole = this.#isAllOf(shard, looks) && this.#turn.get(shard) === turn;
    if (isWhole) this.#provenSeq.set(shard, provenSeq);
    return true;
  }

  /** @returns whether the shard went on from what was seen of it. */
  async #renewAnchor(shard: number): Promise<boolean> {
    const seenSeq = this.#parts.seenSeq(shard);
    const anchorSeq = await this.#parts.writeAnchor(shard);
    if (anchorSeq <= seenSeq) {
      this.#parts.onBackwards(shard, anchorSeq);
      return false;
    }
    this.#parts.onSeen(shard, anchorSeq);
    return true;
  }

  /** Through the end of epochs that take no more messages. */
  async #sweepSealed(shard: number, looks: readonly Look[]): Promise<boolean> {
    const wanted = Math.max(...looks.map(({ place }) => place.lastSeq ?? 0));
    if ((await this.#sweepFrom(shard, looks, 1, wanted)) === null) return false;
    for (const { heard, place } of looks) {
      if (this.#firstEpoch.get(heard) === place.epoch) this.#firstEpoch.set(heard, place.epoch + 1);
    }
    return true;
  }

  /** @returns the sequence up to which every answer was complete, or null when one was stale. */
  async #sweepFrom(
    shard: number,
    looks: readonly Look[],
    from: number,
    wanted: number,
  ): Promise<number | null> {
    let provenSeq = Number.POSITIVE_INFINITY;
    for (let at = 0; at < looks.length; at += ROOMS_AT_ONCE) {
      const upToSeq = await this.#sweepSome(shard, looks.slice(at, at + ROOMS_AT_ONCE), from);
      provenSeq = Math.min(provenSeq, upToSeq);
    }
    if (provenSeq >= wanted) return provenSeq;
    this.staleCount += 1;
    if (provenSeq < 0) await this.#parts.writeAnchor(shard); // retention may have deleted it
    return null;
  }

  /** @returns the sequence up to which the answer was complete. */
  async #sweepSome(shard: number, looks: readonly Look[], from: number): Promise<number> {
    const { connection, interest } = this.#parts;
    const subjects = new Map<string, Look>();
    for (const look of looks) subjects.set(inSubject(look.heard.room, look.place.epoch), look);
    const answer = await directGet(connection, shardStream(shard), {
      multi_last: [...subjects.keys(), anchorSubject(shard)],
      seq: from,
      batch: ROOMS_AT_ONCE + 1,
    });
    for (const { subject, seq, timeUs, data } of answer.messages) {
      const look = subjects.get(subject);
      if (look === undefined || !isNewer(look.heard, look.place.epoch, seq)) continue;
      this.foundCount += 1;
      this.#parts.onSeen(shard, seq);
      // Nothing is known of what is between: the chain takes it as a gap and fills.
      const { epoch } = look.place;
      interest.deliver(look.heard, { epoch, seq, timeUs, prevSeq: seq - 1, envelope: data });
    }
    return answer.upToSeq;
  }

  #isAllOf(shard: number, looks: readonly Look[]): boolean {
    let count = 0;
    for (const { room } of this.#parts.interest.rooms()) {
      if (this.#parts.routeOf(room.slot).record.shard === shard) count += 1;
    }
    return looks.length >= count;
  }

  /** The first of these that was not proven to be heard; what is not there needs no proof. */
  #firstEpochOf(heard: HeardRoom, places: readonly EpochPlace[]): number {
    const last = places.at(-1)?.epoch ?? 0;
    const known = this.#firstEpoch.get(heard) ?? last;
    const first = places.find(({ epoch }) => epoch >= known)?.epoch ?? last;
    if (first !== known) this.#firstEpoch.set(heard, first);
    return first;
  }

  #later(ms: number, action: () => void): void {
    if (this.#isClosed) return;
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

function push(byShard: Map<number, Look[]>, shard: number, look: Look): void {
  const looks = byShard.get(shard);
  if (looks === undefined) byShard.set(shard, [look]);
  else looks.push(look);
}
