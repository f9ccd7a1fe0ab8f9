/**
 * R9: a history that went backwards is sealed, and the next epoch opens on the same shard.
 *
 * A shard restored from an older copy, or that lost its disk's end, gives sequences again that
 * members have seen before. Three signs show it: the shard's leader gives a marker a sequence that
 * was seen already; a message comes whose sequence is not beyond the last one of its room, but
 * whose time is later; after a break, the leader has something else where a message was heard.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CodedError } from "../../proto/coded-error.ts";
import type { DurableMessage } from "../bus.ts";
import { advanceEpoch, type MoveParts } from "./advance-epoch.ts";
import { directGet } from "./direct-get.ts";
import type { HeardRoom } from "./interest.ts";
import { storedAt, streamFacts, writeAnchor } from "./stream-api.ts";
import { inSubject, shardStream, timeStampUs } from "./wire.ts";

/** Several processes see it at once; each waits up to this before it tries (again), ms. */
const JITTER_MS = 500;

/** A thawed leader of before knows by then that it does not lead, ms. */
const THAW_MS = 1000;

/** What healing works with. */
export interface HealParts {
  readonly move: MoveParts;
  /** Rooms that are listened to. */
  rooms(): Iterable<HeardRoom>;
  /** From now on the shard is known up to `lastSeq` and no further. */
  onShardReset(shard: number, lastSeq: number): void;
}

/** The newest message heard of a room, at some time. */
interface HeardPlace {
  readonly heard: HeardRoom;
  readonly epoch: number;
  readonly seq: number;
  readonly timeUs: number;
}

/** Looks for histories that went backwards, and gives their slots the next epoch. */
export class Healing {
  readonly #parts: HealParts;
  /** Slots being healed. */
  readonly #busy = new Set<number>();
  /** Slots of which one room is being looked at; another of them may be found meanwhile. */
  readonly #checking = new Set<number>();
  /** Rooms whose newest message is gone, until their epoch is. */
  readonly #lost = new WeakSet<HeardRoom>();
  #beforeBreak: HeardPlace[] = [];
  #isComparing = false;
  #isClosed = false;
  /** Epochs that this process found to have gone backwards. */
  foundCount = 0;

  constructor(parts: HealParts) {
    this.#parts = parts;
  }

  /** Whether messages that were heard of the room are gone, and others may have their sequences. */
  isLost(heard: HeardRoom): boolean {
    return this.#lost.has(heard);
  }

  /** The shard gives sequences from `fromSeq` on anew, though they were seen before. */
  onBackwards(shard: number, fromSeq: number): void {
    this.#parts.onShardReset(shard, fromSeq - 1);
    for (const place of this.#placesIn(shard)) if (place.seq >= fromSeq) this.#heal(place);
  }

  /** A message of a room is not beyond the last one heard, but later. */
  onLater(heard: HeardRoom, message: DurableMessage): void {
    const { slot } = heard.room;
    const place = placeOf(heard);
    if (message.epoch !== this.#epochOf(slot) || this.#checking.has(slot)) return;
    this.#checking.add(slot);
    this.#isGone(place).then(
      (isGone) => {
        this.#checking.delete(slot);
        if (isGone) this.#heal(place);
      },
      () => this.#checking.delete(slot), // the leader does not answer; the next message asks again
    );
  }

  /** The connection broke: what was heard until now is compared when it is back. */
  onDisconnect(): void {
    if (this.#beforeBreak.length > 0) return; // broke again before it was compared
    this.#beforeBreak = [...this.#parts.rooms()].map(placeOf);
  }

  /** Compares what was heard before the break with what is stored, as soon as leaders answer. */
  onReconnect(): void {
    if (this.#isComparing) return;
    this.#isComparing = true;
    void this.#compare().finally(() => {
      this.#isComparing = false;
    });
  }

  close(): void {
    this.#isClosed = true;
  }

  async #compare(): Promise<void> {
    const places = this.#beforeBreak;
    this.#beforeBreak = [];
    await this.#compareAll(places);
    // Broke again meanwhile: what was heard until then was put aside, and is compared as well.
    if (this.#beforeBreak.length > 0 && !this.#isClosed) await this.#compare();
  }

  async #compareAll(heardPlaces: readonly HeardPlace[]): Promise<void> {
    const byShard = Map.groupBy(heardPlaces, ({ heard }) => this.#shardOf(heard));
    for (const places of byShard.values()) {
      let gone: HeardPlace[] | null = null;
      while (gone === null && !this.#isClosed) {
        gone = await this.#findGone(places).catch(() => null);
        if (gone === null) await sleep(JITTER_MS, null, { ref: false });
      }
      for (const place of gone ?? []) {
        this.#lost.add(place.heard);
        this.#heal(place);
      }
    }
  }

  /** A shard that lost its end has everything up to some sequence: bisects for it. */
  async #findGone(places: HeardPlace[]): Promise<HeardPlace[]> {
    const present = places.filter(({ heard, epoch }) => epoch === this.#epochOf(heard.room.slot));
    present.sort((a, b) => a.seq - b.seq);
    const last = present.at(-1);
    if (last === undefined || !(await this.#isGone(last))) return [];
    let [low, high] = [0, present.length - 1]; // the one at `high` is gone
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const place = present[middle];
      if (place !== undefined && (await this.#looksGone(place))) high = middle;
      else low = middle + 1;
    }
    return present.slice(high);
  }

  /**
   * Whether a message that was heard is gone for certain. A leader of before that thaws answers as
   * if it led, and has not what came since; it hears of its successor within a second.
   */
  async #isGone(place: HeardPlace): Promise<boolean> {
    if (!(await this.#looksGone(place))) return false;
    const { connection } = this.#parts.move;
    // Only who leads now stores it; who led before does not know it, whatever else he says.
    const knownSeq = await writeAnchor(connection, this.#shardOf(place.heard));
    await sleep(THAW_MS, null, { ref: false });
    return this.#looksGone(place, knownSeq);
  }

  /**
   * Whether the leader's history has something else where a message of the room was heard.
   *
   * @param knownSeq what it must know to be believed.
   */
  async #looksGone({ heard, epoch, seq, timeUs }: HeardPlace, knownSeq = 0): Promise<boolean> {
    const { connection } = this.#parts.move;
    const stream = shardStream(this.#shardOf(heard));
    const subject = inSubject(heard.room, epoch);
    const { firstSeq, lastSeq } = await streamFacts(connection, stream);
    if (lastSeq < knownSeq) throw new CodedError("UNAVAILABLE", `${stream} answers of before`);
    const stored = await storedAt(connection, stream, seq);
    if (stored !== null) {
      return stored.subject !== subject || timeStampUs(stored.time) !== timeUs;
    }
    if (seq < firstSeq || seq > lastSeq) return seq > lastSeq;
    // Limits delete a room's oldest: then everything that is left of it is newer.
    const query = { seq: 1, next_by_subj: subject, batch: 1 };
    const [oldest] = (await directGet(connection, stream, query)).messages;
    return oldest === undefined || oldest.seq <= seq;
  }

  #heal({ heard, epoch }: HeardPlace): void {
    const { slot } = heard.room;
    if (this.#busy.has(slot) || this.#epochOf(slot) !== epoch) return;
    this.#busy.add(slot);
    this.foundCount += 1;
    void this.#advance(slot, epoch).finally(() => this.#busy.delete(slot));
  }

  async #advance(slot: number, epoch: number): Promise<void> {
    const { move } = this.#parts;
    while (!this.#isClosed && this.#epochOf(slot) === epoch) {
      await sleep(Math.random() * JITTER_MS, null, { ref: false });
      const { record } = await move.routes.refresh(slot).catch(() => move.routes.of(slot));
      if (record.epoch !== epoch) break;
      // Whoever else tries, or dies while trying: the record says when it is done.
      await advanceEpoch(move, slot, record.shard, { wentBackwards: true }).catch(() => null);
    }
  }

  *#placesIn(shard: number): Generator<HeardPlace> {
    for (const heard of this.#parts.rooms()) {
      const isPresent = heard.epoch === this.#epochOf(heard.room.slot);
      if (isPresent && this.#shardOf(heard) === shard) yield placeOf(heard);
    }
  }

  #epochOf(slot: number): number {
    return this.#parts.move.routes.of(slot).record.epoch;
  }

  #shardOf({ room }: HeardRoom): number {
    return this.#parts.move.routes.of(room.slot).record.shard;
  }
}

function placeOf(heard: HeardRoom): HeardPlace {
  const { epoch, seq, timeUs } = heard;
  return { heard, epoch, seq, timeUs };
}
