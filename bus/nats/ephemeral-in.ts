/**
 * Ephemeral messages on their way in: counted per (room, origin), so that what is missing is said.
 *
 * A gap shows in the next message, a missing tail in the origin's announcement (R7), a dead origin
 * by its silence (origins.ts). Listeners are told in the order of messages.
 */
import type { RoomListener } from "../bus.ts";
import { EphemeralReader, FrameKind, PREFIX_BYTES } from "./ephemeral-frame.ts";
import {
  IS_OLD,
  judgeFirstTail,
  LOSS_UNKNOWN,
  type OriginCount,
  takeMessage,
  takeTail,
} from "./origin-count.ts";
import { type Origin, TRAFFIC_TICKS } from "./origin-watch.ts";
import type { Origins } from "./origins.ts";
import { TICK_MS, type Tick } from "./tick.ts";

/** What is heard of a room's origins; part of a HeardRoom. */
export interface EphemeralRoom {
  readonly token: string;
  readonly listeners: readonly RoomListener[];
  /** Tick since which the room is listened to. */
  sinceTick: number;
  /** By origin; null before the first message, as in every durable room. */
  counts: Map<number, OriginCount> | null;
}

/**
 * Counts kept at once, about 150 bytes each. Beyond it messages of further origins are delivered,
 * and their loss is not seen; they are counted as untracked.
 */
export const COUNT_MAX = 262_144;
/** What a message may take to arrive, and a subscription to take effect in a cluster, ms. */
const ARRIVAL_MS = 2 * TICK_MS;
/** An origin that was not heard in a room for this long starts anew there, ticks. */
const IDLE_TICKS = 600_000 / TICK_MS;
/** Idle counts are looked for at this interval, ticks. */
const IDLE_SWEEP_TICKS = 60_000 / TICK_MS;

export class EphemeralIn {
  readonly #tick: Tick;
  readonly #origins: Origins;
  readonly #rooms: () => Iterable<EphemeralRoom>;
  readonly #reader = new EphemeralReader();
  #countCount = 0;
  /** Messages known to be missing, by number. */
  lostCount = 0;
  /** Times something was missing, and how much is not known. */
  unknownLossCount = 0;
  /** Messages that came again, or too late, and were dropped. */
  oldCount = 0;
  /** Messages whose loss would not be seen, since too many origins are counted. */
  untrackedCount = 0;

  /** @param rooms the rooms listened to. */
  constructor(tick: Tick, origins: Origins, rooms: () => Iterable<EphemeralRoom>) {
    this.#tick = tick;
    this.#origins = origins;
    this.#rooms = rooms;
  }

  /** Counts in progress. */
  get count(): number {
    return this.#countCount;
  }

  /**
   * Takes what came on a room's subject, and hands it to the room's listeners. Hot path, once per
   * message; allocates a view, and a count for the first message of an origin.
   *
   * @returns false for bytes that no Tidegate process wrote.
   */
  take(room: EphemeralRoom, bytes: Uint8Array): boolean {
    const reader = this.#reader;
    if (!reader.read(bytes)) return false;
    const count = room.counts?.get(reader.origin);
    if (reader.kind !== FrameKind.MESSAGE) {
      this.#takeTail(room, count);
      return true;
    }
    const { generation, seq } = reader;
    if (count === undefined) {
      this.#open(room, true);
    } else {
      const missed = takeMessage(count, generation, seq);
      if (missed === IS_OLD) {
        this.oldCount += 1;
        return true;
      }
      this.#mark(count, true);
      if (missed > 0) this.#tell(room, missed);
    }
    const envelope = bytes.subarray(PREFIX_BYTES);
    for (const listener of room.listeners) listener.onEphemeral(room.token, envelope);
    return true;
  }

  /** The envelope of a message, uncounted; null for a tail or garbage. */
  open(bytes: Uint8Array): Uint8Array | null {
    if (!this.#reader.read(bytes) || this.#reader.kind !== FrameKind.MESSAGE) return null;
    return bytes.subarray(PREFIX_BYTES);
  }

  /** Forgets idle counts; call once per tick. */
  onTick(): void {
    if (this.#tick.now % IDLE_SWEEP_TICKS !== 0) return;
    const since = this.#tick.now - IDLE_TICKS;
    for (const room of this.#rooms()) {
      if (room.counts === null) continue;
      for (const [id, count] of room.counts) {
        if (count.trafficTick < since) this.#drop(room.counts, id);
      }
    }
  }

  /** An origin died: what it published last may be missing where it was heard lately. */
  onDead(origin: Origin): void {
    const since = origin.signTick - TRAFFIC_TICKS;
    for (const room of this.#rooms()) {
      const count = room.counts?.get(origin.id);
      if (count !== undefined && count.trafficTick > since) this.#tell(room, LOSS_UNKNOWN);
    }
  }

  /** Our own link was down for so long that tails may be lost too: anything may be missing. */
  onOutage(): void {
    for (const room of this.#rooms()) {
      this.close(room);
      room.sinceTick = this.#tick.now;
      for (const listener of room.listeners) listener.onLoss(room.token, 0);
    }
  }

  /** A room is listened to no longer. */
  close(room: EphemeralRoom): void {
    this.#countCount -= room.counts?.size ?? 0;
    room.counts = null;
  }

  #takeTail(room: EphemeralRoom, known: OriginCount | undefined): void {
    const { kind, generation, seq, ageMs } = this.#reader;
    let missed = 0;
    let count: OriginCount | null = null;
    if (known !== undefined) {
      count = known;
      missed = takeTail(known, generation, seq, this.#tick.now);
      this.#mark(known, false);
    } else {
      const listenedMs = (this.#tick.now - room.sinceTick) * TICK_MS;
      missed = judgeFirstTail(seq, listenedMs, ageMs, ARRIVAL_MS);
      count = this.#open(room, false);
    }
    if (kind === FrameKind.END && count !== null) count.origin.isSilent = true;
    if (missed !== 0) this.#tell(room, missed);
  }

  /** The first of an origin in this room: its count starts here. */
  #open(room: EphemeralRoom, isTraffic: boolean): OriginCount | null {
    const { origin: id, generation, seq } = this.#reader;
    const origin = this.#countCount < COUNT_MAX ? this.#origins.find(id) : null;
    if (origin === null) {
      this.untrackedCount += 1;
      return null;
    }
    const trafficTick = this.#tick.now - TRAFFIC_TICKS;
    const count = { origin, generation, seq, trafficTick, lowTick: 0 };
    room.counts ??= new Map();
    room.counts.set(id, count);
    this.#countCount += 1;
    this.#mark(count, isTraffic);
    return count;
  }

  #mark(count: OriginCount, isTraffic: boolean): void {
    const { now } = this.#tick;
    const { origin } = count;
    origin.signTick = now;
    origin.isSilent = false;
    if (!isTraffic) return;
    origin.trafficTick = now;
    count.trafficTick = now;
  }

  #drop(counts: Map<number, OriginCount>, id: number): void {
    counts.delete(id);
    this.#countCount -= 1;
  }

  #tell(room: EphemeralRoom, missed: number): void {
    if (missed > 0) this.lostCount += missed;
    else this.unknownLossCount += 1;
    for (const listener of room.listeners) listener.onLoss(room.token, Math.max(0, missed));
  }
}
