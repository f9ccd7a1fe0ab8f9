/**
 * Reading a durable room's stored messages over the epochs of its slot, oldest to newest (R9).
 *
 * A move copies nothing: what was stored before it is read where it is. Most slots never moved and
 * have one epoch; then each call here is one or two reads of it.
 */
import type { DurableMessage, ReadAfter, ReadBefore } from "../bus.ts";
import type { Position } from "../position.ts";
import type { EpochPlace } from "../route.ts";
import type { RoomAddress } from "../subjects.ts";
import type { StoredMessage } from "./direct-get.ts";
import { EpochReader, type EpochReaderParts, toChain, toPosition } from "./epoch-reader.ts";

/** What histories need to know. */
export interface HistoryParts extends EpochReaderParts {
  /**
   * Readable epochs of a room's slot, oldest first, at least one; the last is the open one. Throws
   * `UNAVAILABLE` for a slot without a route.
   */
  epochsOf(room: RoomAddress): readonly EpochPlace[];
  /** Reads a slot's record again. Throws `UNAVAILABLE`. */
  refreshRoute(slot: number): Promise<unknown>;
  /** Newest messages a shard keeps of each room. */
  roomMessageCountMax(shard: number): number;
  /**
   * When an epoch of a shard must have opened to have lost nothing to age or to other limits since,
   * microseconds since 1970-01-01 UTC.
   */
  wholeFromUs(shard: number): number;
}

/** The newest message of a room and the epoch it is in. */
interface Head {
  readonly index: number;
  readonly message: StoredMessage;
}

/** Messages being gathered over epochs. */
interface Gathered {
  readonly messages: DurableMessage[];
  /** Index of the epoch to go on with. */
  index: number;
}

export class RoomHistory {
  readonly #parts: HistoryParts;
  readonly #reader: EpochReader;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
    this.#reader = new EpochReader(parts);
  }

  /** The newest message, proven. */
  async head(room: RoomAddress): Promise<Position | null> {
    const epochs = this.#parts.epochsOf(room);
    const head = await this.#head(room, epochs);
    const place = head === null ? undefined : epochs[head.index];
    return head === null || place === undefined ? null : toPosition(place, head.message);
  }

  async readAfter(room: RoomAddress, after: Position | null, limit: number): Promise<ReadAfter> {
    let epochs = this.#parts.epochsOf(room);
    if (after !== null && after.epoch > (epochs.at(-1)?.epoch ?? 0)) {
      await this.#parts.refreshRoute(room.slot); // another gateway may know the epoch already (R10)
      epochs = this.#parts.epochsOf(room);
    }
    const head = await this.#head(room, epochs, after);
    if (head === null) return { isContinuous: after === null, messages: [], isEnd: true };
    if (after !== null) {
      const read = await this.#readOn(room, epochs, head, after, limit);
      if (read !== null) return { isContinuous: true, ...read };
    }
    const gathered: Gathered = { messages: [], index: 0 };
    const isEnd = await this.#gather(room, epochs, head, gathered, limit);
    return { isContinuous: after === null, messages: gathered.messages, isEnd };
  }

  async readBefore(room: RoomAddress, before: Position | null, limit: number): Promise<ReadBefore> {
    const found: DurableMessage[] = [];
    const epochs = this.#parts.epochsOf(room);
    for (const place of epochs.toReversed()) {
      if (before !== null && place.epoch > before.epoch) continue;
      const head = await this.#reader.head(room, place);
      if (head === null) continue;
      if (found.length === limit) return { messages: found, hasMore: true };
      const isIn = before !== null && place.epoch === before.epoch;
      const upTo = isIn ? Math.min(head.seq, before.seq - 1) : head.seq;
      const rest = limit - found.length;
      const back = await this.#reader.readBack(room, place, upTo, rest + 1, head.seq);
      const older = back.length > rest ? back[0] : undefined;
      found.unshift(...toChain(place, older ? back.slice(1) : back, older?.seq ?? 0));
      if (older !== undefined) return { messages: found, hasMore: true };
    }
    return { messages: found, hasMore: false };
  }

  /** The count-th newest, epoch by epoch. */
  async floor(room: RoomAddress, count: number): Promise<Position | null> {
    let wanted = count;
    for (const place of this.#parts.epochsOf(room).toReversed()) {
      const head = await this.#reader.head(room, place);
      const first = head === null ? null : await this.#reader.nextFrom(room, place, 1);
      if (head === null || first === null) continue;
      const storedCount = first.pendingCount + 1;
      if (storedCount >= wanted) {
        const found = await this.#reader.countBack(room, place, first, head.seq, wanted);
        return toPosition(place, found);
      }
      wanted -= storedCount;
    }
    return null;
  }

  /** @param known a position that the asker has seen: a fresh answer knows it too (R6). */
  async #head(
    room: RoomAddress,
    epochs: readonly EpochPlace[],
    known: Position | null = null,
  ): Promise<Head | null> {
    for (const [index, place] of [...epochs.entries()].reverse()) {
      const knownSeq = known?.epoch === place.epoch ? known.seq : 0;
      const message = await this.#reader.head(room, place, knownSeq);
      if (message !== null) return { index, message };
    }
    return null;
  }

  /**
   * What comes after a position, or null when it is not in this history, or something between may
   * be gone.
   */
  async #readOn(
    room: RoomAddress,
    epochs: readonly EpochPlace[],
    head: Head,
    after: Position,
    limit: number,
  ): Promise<Omit<ReadAfter, "isContinuous"> | null> {
    const index = epochs.findIndex(({ epoch }) => epoch === after.epoch);
    const place = epochs[index];
    if (place === undefined || index > head.index || after.seq < 1) return null;
    const ownHead = index === head.index ? head.message : await this.#reader.head(room, place);
    const headSeq = ownHead?.seq ?? 0;
    if (after.seq > headSeq) return null;
    const page = await this.#reader.readFrom(room, place, after.seq, limit + 1, headSeq);
    const [first, ...rest] = page.messages;
    // R9: the read is inclusive; the first result must be exactly that message.
    if (first?.seq !== after.seq || first.timeUs !== after.timeUs) return null;
    const messages = toChain(place, rest, first.seq);
    if (!page.isEnd) return { messages, isEnd: false };
    // Also those that are empty: what was in them may have been deleted.
    if (!(await this.#isWhole(room, place.epoch, epochs.slice(index + 1)))) return null;
    if (index === head.index) return { messages, isEnd: true };
    const gathered: Gathered = { messages, index: index + 1 };
    const isEnd = await this.#gather(room, epochs, head, gathered, limit);
    return { messages: gathered.messages, isEnd };
  }

  /** Reads whole epochs on, until `limit` or the head. @returns whether it was reached. */
  async #gather(
    room: RoomAddress,
    epochs: readonly EpochPlace[],
    head: Head,
    gathered: Gathered,
    limit: number,
  ): Promise<boolean> {
    while (gathered.index <= head.index && gathered.messages.length < limit) {
      const { index, messages } = gathered;
      const place = epochs[index];
      if (place === undefined) break;
      const isLast = index === head.index;
      const newest = isLast ? head.message : await this.#reader.head(room, place);
      const rest = limit - messages.length;
      const page = await this.#reader.readFrom(room, place, 1, rest, newest?.seq ?? 0);
      messages.push(...toChain(place, page.messages, 0));
      if (!page.isEnd) return false;
      if (isLast) return true;
      gathered.index += 1;
    }
    return false;
  }

  /**
   * R9: a later epoch is whole only if its shard can not have deleted any of it: it opened less
   * than the retention ago, and holds fewer messages of the room than are kept; half as many, since
   * the replica that counts may lag. One that is missing went with its shard.
   *
   * @param epochs those after `lastEpoch`.
   */
  async #isWhole(
    room: RoomAddress,
    lastEpoch: number,
    epochs: readonly EpochPlace[],
  ): Promise<boolean> {
    for (const [i, place] of epochs.entries()) {
      const { epoch, shard, openedUs } = place;
      if (epoch !== lastEpoch + 1 + i || openedUs <= this.#parts.wholeFromUs(shard)) return false;
      const first = await this.#reader.nextFrom(room, place, 1);
      const storedCount = first === null ? 0 : first.pendingCount + 1;
      if (storedCount > this.#parts.roomMessageCountMax(shard) / 2) return false;
    }
    return true;
  }
}
