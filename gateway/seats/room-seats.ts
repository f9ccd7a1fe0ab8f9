/**
 * Seats of rooms: one key for a room of up to 256 members, several for a larger one.
 *
 * A session tries the chunk that its id names, so that joiners of a large room write different
 * keys; only when that one is full all are looked at.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import { capacityMark, excessOf, loweredShare, roomPhase } from "../../bus/seats/room-capacity.ts";
import { chunkCapacity, chunkCount, homeChunk } from "../../bus/seats/seat-keys.ts";
import {
  decodeSeats,
  type SeatClaim,
  type SeatTable,
  type SeatVerdict,
} from "../../bus/seats/seat-set.ts";
import type { SeatKeeper } from "./seat-keeper.ts";

/** A look at all chunks of a room serves all that ask within this, ms. */
const LOOK_MS = 200;
/** Looks kept; beyond it all are forgotten. */
const LOOK_COUNT_MAX = 1000;
/** Members from before a limit that are counted in one key: some 160 kB. */
const FORCED_COUNT_MAX = 4096;

/** A seat of a room: the verdict, and in which key. */
export interface RoomSeat {
  readonly verdict: SeatVerdict;
  readonly key: string;
}

interface Look {
  readonly untilMs: number;
  /** By chunk. */
  readonly tables: Promise<ReadonlyMap<number, SeatTable>>;
}

export class RoomSeats {
  readonly #keeper: SeatKeeper;
  readonly #open: () => Promise<KeyValue>;
  readonly #looks = new Map<string, Look>();

  constructor(keeper: SeatKeeper, open: () => Promise<KeyValue>) {
    this.#keeper = keeper;
    this.#open = open;
  }

  /**
   * Claims a seat in a room.
   *
   * @param prefix of the room's keys.
   * @param capacity members the room may have, 1 or more.
   * @param isReturning the session may have a seat already.
   */
  async claim(
    prefix: string,
    claim: SeatClaim,
    capacity: number,
    isReturning: boolean,
    waitMs: number,
  ): Promise<RoomSeat> {
    const first = `${prefix}0`;
    const count = chunkCount(capacity);
    let excess = 0;
    let filledFor = 0;
    if (count === 1) {
      const share = (table: SeatTable) => {
        filledFor = table.capacity;
        return roomPhase(capacity, filledFor).is === "level" ? capacity : 0;
      };
      const verdict = await this.#keeper.claim(first, claim, share, waitMs);
      const isLowered = roomPhase(capacity, filledFor).is === "lowered";
      if (verdict.is !== "full" || !isLowered) return { verdict, key: first };
      excess = await this.#level(prefix, capacity, waitMs);
    } else {
      excess = await this.#level(prefix, capacity, waitMs);
    }
    const shareOf = (chunk: number) =>
      excess > 0 ? loweredShare(capacity, chunk, excess) : chunkCapacity(capacity, chunk);
    const home = homeChunk(claim.session, count);
    const own = isReturning ? await this.#find(prefix, claim.session, home) : null;
    const key = `${prefix}${own ?? home}`;
    const verdict = await this.#keeper.claim(key, claim, shareOf(own ?? home), waitMs);
    if (verdict.is !== "full") return { verdict, key };
    return this.#claimElsewhere(prefix, claim, shareOf, count, waitMs);
  }

  /**
   * Counts a member that was there before the room had a limit; beyond 4096 of one key they are not
   * counted.
   */
  async force(prefix: string, claim: SeatClaim, capacity: number, waitMs: number) {
    const count = chunkCount(capacity);
    if (count > 1) await this.#markLowered(prefix, capacity, waitMs);
    const key = `${prefix}${homeChunk(claim.session, count)}`;
    const share = (table: SeatTable) => (table.seats.size < FORCED_COUNT_MAX ? Infinity : 0);
    const verdict = await this.#keeper.claim(key, claim, share, waitMs);
    return { verdict, key };
  }

  /**
   * Sees to what the first chunk says about the capacity.
   *
   * @returns seats that chunks have beyond their share.
   */
  async #level(prefix: string, capacity: number, waitMs: number): Promise<number> {
    const mark = capacityMark(capacity);
    const phase = await this.#keeper.queue.change(
      `${prefix}0`,
      (table) => {
        const result = roomPhase(capacity, table.capacity);
        if (result.is === "raised") table.capacity = mark;
        return { result, isChanged: result.is === "raised" };
      },
      waitMs,
    );
    if (phase.is !== "lowered") return 0;
    const tables = await this.#read(prefix);
    const counts: number[] = [];
    for (let chunk = 0; chunk < chunkCount(phase.filledFor); chunk += 1) {
      counts.push(tables.get(chunk)?.seats.size ?? 0);
    }
    const excess = excessOf(capacity, counts);
    if (excess > 0) return excess;
    await this.#keeper.queue.change(
      `${prefix}0`,
      (table) => {
        const isChanged = table.capacity === phase.filledFor;
        if (isChanged) table.capacity = mark;
        return { result: undefined, isChanged };
      },
      waitMs,
    );
    return 0;
  }

  /** Some chunk may get more than its share: all are to be looked at. */
  async #markLowered(prefix: string, capacity: number, waitMs: number): Promise<void> {
    await this.#keeper.queue.change(
      `${prefix}0`,
      (table) => {
        const isChanged = table.capacity <= capacity;
        if (isChanged) table.capacity = capacity + 1;
        return { result: undefined, isChanged };
      },
      waitMs,
    );
  }

  /** The chunk in which a session has its seat; null: in none. */
  async #find(prefix: string, session: string, home: number): Promise<number | null> {
    const keys = await this.#open();
    const entry = await keys.get(`${prefix}${home}`);
    if (decodeSeats(entry?.value ?? null).seats.has(session)) return home;
    for (const [chunk, { seats }] of await this.#look(prefix)) if (seats.has(session)) return chunk;
    return null;
  }

  /** The home chunk is full: one with room, or with seats of a gateway that is gone. */
  async #claimElsewhere(
    prefix: string,
    claim: SeatClaim,
    shareOf: (chunk: number) => number,
    count: number,
    waitMs: number,
  ): Promise<RoomSeat> {
    let full: RoomSeat | null = null;
    const tables = await this.#look(prefix);
    const sizeOf = (chunk: number) => tables.get(chunk)?.seats.size ?? 0;
    const chunks = Array.from({ length: count }, (_, chunk) => chunk);
    const open = chunks.filter((chunk) => sizeOf(chunk) < shareOf(chunk));
    // None is open: the seats of the dead are looked for in each, several at once.
    for (const chunk of open.length > 0 ? open : chunks) {
      const key = `${prefix}${chunk}`;
      const verdict = await this.#keeper.claim(key, claim, shareOf(chunk), waitMs);
      full = { verdict, key };
      if (verdict.is !== "full") return full;
    }
    if (full === null) throw new RangeError("a room without chunks");
    return full;
  }

  #look(prefix: string): Promise<ReadonlyMap<number, SeatTable>> {
    const nowMs = performance.now();
    const known = this.#looks.get(prefix);
    if (known !== undefined && known.untilMs > nowMs) return known.tables;
    if (this.#looks.size >= LOOK_COUNT_MAX) this.#looks.clear();
    const tables = this.#read(prefix);
    this.#looks.set(prefix, { untilMs: nowMs + LOOK_MS, tables });
    tables.catch(() => this.#looks.delete(prefix));
    return tables;
  }

  async #read(prefix: string): Promise<ReadonlyMap<number, SeatTable>> {
    const keys = await this.#open();
    const entries = await keys.list(prefix);
    return new Map(
      entries.map(({ key, value }) => [Number(key.slice(prefix.length)), decodeSeats(value)]),
    );
  }
}
