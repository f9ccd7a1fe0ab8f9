/**
 * Reading a durable room's stored messages, with R6: an answer counts only when it proves its
 * freshness.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { DurableMessage, ReadAfter, ReadBefore } from "../bus.ts";
import type { Position } from "../position.ts";
import type { RoomAddress } from "../subjects.ts";
import {
  type DirectAnswer,
  type DirectQuery,
  directGet,
  type StoredMessage,
} from "./direct-get.ts";
import { anchorSubject, inSubject, shardStream } from "./wire.ts";

/** A replica that lags is asked again after these, ms, then every last one. */
const LAG_WAITS_MS = [5, 10, 25, 50, 100, 250] as const;
/** A read that no replica answers freshly is given up after this, ms. */
const READ_MS_MAX = 8000;
/** Bytes of one answer; a page ends there. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Where a room is stored now. */
export interface RoomPlace {
  readonly epoch: number;
  readonly shard: number;
}

export class RoomHistory {
  readonly #connection: NatsConnection;
  readonly #placeOf: (room: RoomAddress) => RoomPlace;
  /** Highest sequence seen of each shard, by acks and live messages: what a fresh answer knows. */
  readonly #seenSeq: (shard: number) => number;

  constructor(
    connection: NatsConnection,
    placeOf: (room: RoomAddress) => RoomPlace,
    seenSeq: (shard: number) => number,
  ) {
    this.#connection = connection;
    this.#placeOf = placeOf;
    this.#seenSeq = seenSeq;
  }

  /** The newest message, proven. */
  async head(room: RoomAddress): Promise<Position | null> {
    const place = this.#placeOf(room);
    const subject = inSubject(room, place.epoch);
    const query = { multi_last: [subject, anchorSubject(place.shard)], batch: 2 };
    const wanted = this.#seenSeq(place.shard);
    const answer = await this.#ask(place.shard, query, (each) => each.upToSeq >= wanted);
    const last = answer.messages.find((message) => message.subject === subject);
    return last === undefined ? null : toPosition(place.epoch, last);
  }

  async readAfter(room: RoomAddress, after: Position | null, limit: number): Promise<ReadAfter> {
    const place = this.#placeOf(room);
    const head = await this.head(room);
    if (head === null) return { isContinuous: after === null, messages: [], isEnd: true };
    if (after === null) return this.#readFrom(room, place, 1, 0, limit, head);
    const isPossible = after.epoch === place.epoch && after.seq >= 1 && after.seq <= head.seq;
    if (isPossible) {
      const read = await this.#readFrom(room, place, after.seq, 0, limit + 1, head);
      const [first, ...messages] = read.messages;
      // R9: the read is inclusive; the first result must be exactly that message.
      if (first?.seq === after.seq && first.timeUs === after.timeUs) {
        return { isContinuous: true, messages, isEnd: read.isEnd };
      }
    }
    return { ...(await this.#readFrom(room, place, 1, 0, limit, head)), isContinuous: false };
  }

  async readBefore(room: RoomAddress, before: Position | null, limit: number): Promise<ReadBefore> {
    const place = this.#placeOf(room);
    const found: StoredMessage[] = [];
    const head = await this.head(room);
    if (head === null) return { messages: [], hasMore: false };
    let upTo = head.seq;
    if (before !== null) {
      if (before.epoch < place.epoch) return { messages: [], hasMore: false };
      if (before.epoch === place.epoch) upTo = Math.min(head.seq, before.seq - 1);
    }
    while (found.length <= limit && upTo > 0) {
      const message = await this.#lastUpTo(room, place, upTo);
      if (message === null) break;
      found.push(message);
      upTo = message.seq - 1;
    }
    const hasMore = found.length > limit;
    const prevSeq = hasMore ? (found[limit]?.seq ?? 0) : 0;
    return { messages: toChain(place.epoch, found.slice(0, limit).reverse(), prevSeq), hasMore };
  }

  /** The count-th newest: bisects the sequence by how many messages follow. */
  async floor(room: RoomAddress, count: number): Promise<Position | null> {
    const place = this.#placeOf(room);
    const head = await this.head(room);
    if (head === null) return null;
    let first = await this.#nextFrom(room, place, 1);
    if (first === null || first.pendingCount + 1 < count) return null;
    let high = head.seq;
    // Invariant: `first` has count - 1 or more messages after it; none from `high` + 1 on has.
    while (first.pendingCount > count - 1) {
      const middle = Math.floor((first.seq + 1 + high) / 2);
      const next = await this.#nextFrom(room, place, middle);
      if (next !== null && next.pendingCount >= count - 1) first = next;
      else high = middle - 1;
      if (high <= first.seq) break;
    }
    return toPosition(place.epoch, first);
  }

  async #readFrom(
    room: RoomAddress,
    place: RoomPlace,
    seq: number,
    prevSeq: number,
    limit: number,
    head: Position,
  ): Promise<ReadAfter> {
    const query = {
      seq,
      next_by_subj: inSubject(room, place.epoch),
      batch: limit,
      max_bytes: PAGE_BYTES_MAX,
    };
    const isFresh = ({ messages }: DirectAnswer) => {
      const last = messages.at(-1);
      return (
        last !== undefined && (messages.length === limit || last.seq >= head.seq || isCut(messages))
      );
    };
    const { messages } = await this.#ask(place.shard, query, isFresh);
    const isEnd = (messages.at(-1)?.seq ?? 0) >= head.seq;
    return { isContinuous: true, messages: toChain(place.epoch, messages, prevSeq), isEnd };
  }

  async #nextFrom(room: RoomAddress, place: RoomPlace, seq: number): Promise<StoredMessage | null> {
    const query = { seq, next_by_subj: inSubject(room, place.epoch), batch: 1 };
    const { messages } = await this.#ask(place.shard, query, () => true);
    return messages[0] ?? null;
  }

  async #lastUpTo(
    room: RoomAddress,
    place: RoomPlace,
    upTo: number,
  ): Promise<StoredMessage | null> {
    const subject = inSubject(room, place.epoch);
    const query = { multi_last: [subject], up_to_seq: upTo, batch: 1 };
    const { messages } = await this.#ask(place.shard, query, () => true);
    return messages.find((message) => message.subject === subject) ?? null;
  }

  async #ask(
    shard: number,
    query: DirectQuery,
    isFresh: (answer: DirectAnswer) => boolean,
  ): Promise<DirectAnswer> {
    const endMs = performance.now() + READ_MS_MAX;
    let failure: unknown = null;
    for (let turn = 0; performance.now() < endMs; turn += 1) {
      try {
        const answer = await directGet(this.#connection, shardStream(shard), query);
        if (isFresh(answer)) return answer;
        failure = null;
      } catch (error) {
        failure = error;
      }
      await sleep(LAG_WAITS_MS[Math.min(turn, LAG_WAITS_MS.length - 1)]);
    }
    const reason = failure === null ? "every answer was stale" : CodedError.from(failure).detail;
    throw new CodedError("UNAVAILABLE", `no fresh read of shard ${shard}: ${reason}`, failure);
  }
}

/** Whether an answer ended for its bytes. */
function isCut(messages: readonly StoredMessage[]): boolean {
  return messages.reduce((sum, { data }) => sum + data.length, 0) >= PAGE_BYTES_MAX / 2;
}

function toPosition(epoch: number, { seq, timeUs }: StoredMessage): Position {
  return { epoch, seq, timeUs };
}

function toChain(
  epoch: number,
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
