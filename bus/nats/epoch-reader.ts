/**
 * Reading a room's messages in one epoch, with R6: an answer counts only when it proves its
 * freshness.
 *
 * In a sealed epoch an answer is fresh when it knows the shard through the epoch's end; in the open
 * one, when it knows the highest sequence that this process has seen of the shard.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { DurableMessage } from "../bus.ts";
import type { Position } from "../position.ts";
import type { EpochPlace } from "../route.ts";
import type { RoomAddress } from "../subjects.ts";
import {
  ANSWER_MS_MAX,
  type DirectAnswer,
  type DirectQuery,
  directGet,
  type StoredMessage,
} from "./direct-get.ts";
import { HeadBatch } from "./head-batch.ts";
import { anchorSubject, inSubject, shardStream } from "./wire.ts";

/** A replica that lags is asked again after these, ms, then every last one. */
const LAG_WAITS_MS = [5, 10, 25, 50, 100, 250] as const;
/** A read that no replica answers freshly is given up after this, ms. */
const READ_MS_MAX = 8000;
/** The first tries wait less, ms: a frozen replica is asked as often as the others. */
const QUICK_ANSWER_MS = 500;
const QUICK_COUNT = 6;
/** After so many stale answers (90 ms) a new anchor says how far the shard goes. */
const STALE_MAX = 4;
/** Up to so many messages back are found by single steps; bisecting costs some 20 reads. */
const STEP_COUNT_MAX = 16;
/** Messages of one read. */
const PAGE_COUNT_MAX = 501;
/** Bytes of one answer; a page ends there. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Some messages of an epoch. */
export interface EpochPage {
  /** Oldest first. */
  readonly messages: readonly StoredMessage[];
  /** Whether the last of them is the newest of the epoch. */
  readonly isEnd: boolean;
}

/** What reading works with. */
export interface EpochReaderParts {
  readonly connection: NatsConnection;
  /** Highest sequence seen of a shard, by acks and live messages. */
  seenSeq(shard: number): number;
  /** Rewrites the shard's anchor. */
  writeAnchor(shard: number): Promise<number>;
  /** The shard's leader has nothing from `fromSeq` on, though it was seen: data were lost (R9). */
  onBackwards(shard: number, fromSeq: number): void;
}

export class EpochReader {
  readonly #parts: EpochReaderParts;
  readonly #heads = new HeadBatch((...asked) => this.#ask(...asked));

  constructor(parts: EpochReaderParts) {
    this.#parts = parts;
  }

  /**
   * The room's newest message in the epoch, proven; null when it has none.
   *
   * @param knownSeq what the asker says he has seen of the shard. When even its leader does not go
   *   so far, he has seen another history.
   */
  async head(room: RoomAddress, place: EpochPlace, knownSeq = 0): Promise<StoredMessage | null> {
    const subject = inSubject(room, place.epoch);
    const wantedSeq = this.#wantedSeq(place);
    // What only the asker knows may be made up: nobody else waits until it is proven.
    if (knownSeq <= wantedSeq) return this.#heads.head(place.shard, subject, wantedSeq);
    const query = { multi_last: [subject, anchorSubject(place.shard)], batch: 2 };
    const isFresh = ({ upToSeq }: DirectAnswer, leaderSeq: number) =>
      upToSeq >= Math.min(leaderSeq, knownSeq);
    const answer = await this.#ask(place.shard, query, isFresh);
    return answer.messages.find((message) => message.subject === subject) ?? null;
  }

  /**
   * Reads on from a sequence, inclusive.
   *
   * @param headSeq of the room's newest message in the epoch, proven; 0 when it has none.
   */
  async readFrom(
    room: RoomAddress,
    place: EpochPlace,
    seq: number,
    limit: number,
    headSeq: number,
  ): Promise<EpochPage> {
    if (headSeq < seq) return { messages: [], isEnd: true };
    const query = {
      seq,
      next_by_subj: inSubject(room, place.epoch),
      batch: limit,
      max_bytes: PAGE_BYTES_MAX,
    };
    const isFresh = ({ messages }: DirectAnswer) => {
      const last = messages.at(-1);
      if (last === undefined) return false;
      return messages.length === limit || last.seq >= headSeq || isCut(messages);
    };
    const { messages } = await this.#ask(place.shard, query, isFresh);
    return { messages, isEnd: (messages.at(-1)?.seq ?? 0) >= headSeq };
  }

  /** The first message from a sequence on; null when there is none. */
  async nextFrom(room: RoomAddress, place: EpochPlace, seq: number): Promise<StoredMessage | null> {
    const query = { seq, next_by_subj: inSubject(room, place.epoch), batch: 1 };
    const { messages } = await this.#ask(place.shard, query, () => true);
    return messages[0] ?? null;
  }

  /**
   * Reads back from a sequence, inclusive: the newest `count` messages up to it, oldest first.
   *
   * A step back costs the same at any depth, but an answer with `up_to_seq` proves nothing. So the
   * steps only find where to begin; what is returned is read forward from there, past the end.
   */
  async readBack(
    room: RoomAddress,
    place: EpochPlace,
    upTo: number,
    count: number,
    headSeq: number,
  ): Promise<readonly StoredMessage[]> {
    for (let reach = count; ; reach *= 2) {
      const start = await this.#findBack(room, place, upTo, reach, headSeq);
      const messages = await this.#readThrough(room, place, start, upTo, reach, headSeq);
      // A replica that lags may begin too late, and never says so.
      if (messages.length >= count || start === 1) return messages.slice(-count);
    }
  }

  /** The message with `count` - 1 after it in its epoch: bisects by how many follow. */
  async countBack(
    room: RoomAddress,
    place: EpochPlace,
    oldest: StoredMessage,
    headSeq: number,
    count: number,
  ): Promise<StoredMessage> {
    let first = oldest;
    let high = headSeq;
    // Invariant: `first` has count - 1 or more messages after it; none from `high` + 1 on has.
    while (first.pendingCount > count - 1) {
      const middle = Math.floor((first.seq + 1 + high) / 2);
      const next = await this.nextFrom(room, place, middle);
      if (next !== null && next.pendingCount >= count - 1) first = next;
      else high = middle - 1;
      if (high <= first.seq) break;
    }
    return first;
  }

  /** Sequence of the count-th newest message up to a sequence, as one replica says; 1: of all. */
  async #findBack(
    room: RoomAddress,
    place: EpochPlace,
    upTo: number,
    count: number,
    headSeq: number,
  ): Promise<number> {
    if (count <= STEP_COUNT_MAX) return this.#stepBack(room, place, upTo, count);
    const oldest = await this.nextFrom(room, place, 1);
    const after = await this.nextFrom(room, place, upTo + 1);
    const newerCount = after === null ? 0 : after.pendingCount + 1;
    if (oldest === null || oldest.pendingCount + 1 <= newerCount + count) return 1;
    return (await this.countBack(room, place, oldest, headSeq, newerCount + count)).seq;
  }

  async #stepBack(
    room: RoomAddress,
    place: EpochPlace,
    from: number,
    count: number,
  ): Promise<number> {
    const subject = inSubject(room, place.epoch);
    let upTo = from;
    for (let found = 0; found < count; found += 1) {
      if (upTo < 1) return 1;
      const query = { multi_last: [subject], up_to_seq: upTo, batch: 1 };
      const { messages } = await this.#ask(place.shard, query, () => true);
      const message = messages.find((each) => each.subject === subject);
      if (message === undefined) return 1;
      upTo = message.seq - 1;
    }
    return upTo + 1;
  }

  /** Every message from `start` through `upTo`, read past the end, which proves that it is all. */
  async #readThrough(
    room: RoomAddress,
    place: EpochPlace,
    start: number,
    upTo: number,
    count: number,
    headSeq: number,
  ): Promise<StoredMessage[]> {
    const messages: StoredMessage[] = [];
    let next = start;
    for (let isPast = false; !isPast && next <= upTo; ) {
      const limit = Math.min(count + 1, PAGE_COUNT_MAX);
      const page = await this.readFrom(room, place, next, limit, headSeq);
      messages.push(...page.messages.filter(({ seq }) => seq <= upTo));
      const lastSeq = page.messages.at(-1)?.seq ?? headSeq;
      isPast = page.isEnd || lastSeq > upTo;
      next = lastSeq + 1;
    }
    return messages;
  }

  /** What a fresh answer knows. */
  #wantedSeq({ shard, lastSeq }: EpochPlace): number {
    return lastSeq ?? this.#parts.seenSeq(shard);
  }

  /**
   * Every replica is stale: they lag, or the shard does not go as far as is wanted. A new anchor
   * says: it needs a quorum, while a leader of before that thaws answers INFO with what it knew.
   */
  async #askQuorum(shard: number): Promise<number> {
    // From before the question: what is heard while the answer comes may be newer than it.
    const seenSeq = this.#parts.seenSeq(shard);
    const anchorSeq = await this.#parts.writeAnchor(shard);
    if (anchorSeq <= seenSeq) this.#parts.onBackwards(shard, anchorSeq);
    return anchorSeq;
  }

  async #ask(
    shard: number,
    query: DirectQuery,
    isFresh: (answer: DirectAnswer, leaderSeq: number) => boolean,
  ): Promise<DirectAnswer> {
    const endMs = performance.now() + READ_MS_MAX;
    let failure: unknown = null;
    let leaderSeq = Number.POSITIVE_INFINITY;
    for (let turn = 0; performance.now() < endMs; turn += 1) {
      try {
        const answerMs = turn < QUICK_COUNT ? QUICK_ANSWER_MS : ANSWER_MS_MAX;
        const { connection } = this.#parts;
        const answer = await directGet(connection, shardStream(shard), query, answerMs);
        if (isFresh(answer, leaderSeq)) return answer;
        failure = null;
        const isAsked = leaderSeq < Number.POSITIVE_INFINITY;
        if (turn >= STALE_MAX && !isAsked) leaderSeq = await this.#askQuorum(shard);
      } catch (error) {
        failure = error;
      }
      await sleep(LAG_WAITS_MS[Math.min(turn, LAG_WAITS_MS.length - 1)]);
    }
    const reason = failure === null ? "every answer was stale" : CodedError.from(failure).detail;
    throw new CodedError("UNAVAILABLE", `no fresh read of shard ${shard}: ${reason}`, failure);
  }
}

/** The position of a message stored in an epoch. */
export function toPosition({ epoch }: EpochPlace, { seq, timeUs }: StoredMessage): Position {
  return { epoch, seq, timeUs };
}

/** Messages of one epoch as the chain wants them (R5). */
export function toChain(
  { epoch }: EpochPlace,
  messages: readonly StoredMessage[],
  firstPrevSeq: number,
): DurableMessage[] {
  let prevSeq = firstPrevSeq;
  return messages.map(({ seq, timeUs, data }) => {
    const message = { epoch, seq, timeUs, prevSeq, envelope: data };
    prevSeq = seq;
    return message;
  });
}

/** Whether an answer ended for its bytes. */
function isCut(messages: readonly StoredMessage[]): boolean {
  return messages.reduce((sum, { data }) => sum + data.length, 0) >= PAGE_BYTES_MAX / 2;
}
