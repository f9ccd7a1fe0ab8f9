/**
 * Ephemeral messages on their way out: numbered per room, and their tails announced (R7).
 *
 * A tail follows 0.25 to 0.5 s after a room's last message, since a quiet room's missing last
 * message shows in nothing, and once more 1.25 to 1.5 s after it, so that an outage of less than a
 * second can not take a message and all its tails. After a reconnect every room published to
 * lately is announced again: what the dead connection took with it shows in that.
 */

import { isTraced, traceparentOf } from "../envelope.ts";
import { FIRST_EPOCH } from "../route.ts";
import type { RoomAddress } from "../subjects.ts";
import {
  encodeMessage,
  encodeTail,
  FrameKind,
  GENERATION_MAX,
  SEQ_MAX,
} from "./ephemeral-frame.ts";
import type { Outbox } from "./outbox.ts";
import { tracedHeaders } from "./raw-headers.ts";
import { TICK_MS, type Tick } from "./tick.ts";
import { outSubject } from "./wire.ts";

/** Ticks after a room's last message at which its tail is announced. */
const TAIL_TICKS = [2, 6] as const;
/** A room that is never quiet has a tail this often all the same, ticks: forged numbers end. */
const BUSY_TAIL_TICKS = 16;
/** Ticks after a reconnect at which recent tails are announced again. */
const AGAIN_TICKS = [1, 5] as const;
/** What was published in this time before a reconnect may have been lost with the connection. */
const AGAIN_MS = 10_000;
/** Slots of the wheel of rooms by their last tick: above the longest wait for a tail. */
const WHEEL_SIZE = 8;
/** A room not published to for this long is counted anew when it is, ms. */
const IDLE_MS = 300_000;
/** Idle rooms are looked for at this interval, ticks. */
const IDLE_SWEEP_TICKS = 60_000 / TICK_MS;
/**
 * Rooms counted at once, about 300 bytes each. Beyond it idle ones are forgotten, then the oldest,
 * whose last messages then have no tail.
 */
export const OUT_ROOM_COUNT_MAX = 100_000;
/** The share forgotten at the limit, so that finding them costs little per room. */
const FORGET_SHARE = 0.1;

interface OutRoom {
  readonly subject: string;
  readonly generation: number;
  seq: number;
  /** Of the last message; time, ms, of the first one in that tick. */
  tick: number;
  atMs: number;
  /** Of the last tail. */
  tailTick: number;
}

export class EphemeralOut {
  readonly #outbox: Outbox;
  readonly #origin: number;
  readonly #tick: Tick;
  readonly #rooms = new Map<string, OutRoom>();
  /** Rooms published to in each of the last ticks; those published to since are skipped. */
  readonly #wheel: OutRoom[][] = Array.from({ length: WHEEL_SIZE }, () => []);
  #generation = 0;
  /** Ticks at which recent tails are announced again. */
  #again: number[] = [];
  /** Tails announced. */
  tailCount = 0;

  constructor(outbox: Outbox, origin: number, tick: Tick) {
    this.#outbox = outbox;
    this.#origin = origin;
    this.#tick = tick;
  }

  /** Hot path, once per publish. Budget: one buffer beside what the client needs. */
  publish(room: RoomAddress, envelope: Uint8Array): void {
    let out = this.#rooms.get(room.token);
    if (out === undefined || out.seq === SEQ_MAX) out = this.#open(room);
    out.seq += 1;
    if (out.tick !== this.#tick.now) {
      out.tick = this.#tick.now;
      out.atMs = performance.now();
      this.#wheel[out.tick % WHEEL_SIZE]?.push(out);
    }
    const bytes = encodeMessage(this.#origin, out.generation, out.seq, envelope);
    if (!isTraced(envelope)) this.#outbox.publish(out.subject, bytes);
    else {
      const headers = tracedHeaders(traceparentOf(envelope));
      this.#outbox.publish(out.subject, bytes, { headers });
    }
  }

  /** Announces what is due; call once per tick. */
  onTick(): void {
    const { now } = this.#tick;
    for (const wait of TAIL_TICKS) {
      const tick = now - wait;
      for (const out of this.#wheel[(tick + WHEEL_SIZE) % WHEEL_SIZE] ?? []) {
        const isDue = out.tick === tick || now - out.tailTick >= BUSY_TAIL_TICKS;
        if (isDue) this.#announce(out, FrameKind.TAIL);
      }
    }
    // The slot that this tick fills next; its rooms had their last tail.
    this.#wheel[now % WHEEL_SIZE] = [];
    if (this.#again.includes(now)) this.#announceRecent(FrameKind.TAIL);
    if (now % IDLE_SWEEP_TICKS === 0) this.#forget(IDLE_MS);
  }

  /** The connection was lost, and is back. */
  onReconnect(): void {
    this.#again = AGAIN_TICKS.map((wait) => this.#tick.now + wait);
  }

  /** Says that nothing more will come, to all who may wonder. */
  close(): void {
    this.#announceRecent(FrameKind.END);
    this.#outbox.flush();
  }

  #announceRecent(kind: typeof FrameKind.TAIL | typeof FrameKind.END): void {
    const sinceMs = performance.now() - AGAIN_MS;
    for (const out of this.#rooms.values()) if (out.atMs >= sinceMs) this.#announce(out, kind);
  }

  #announce(out: OutRoom, kind: typeof FrameKind.TAIL | typeof FrameKind.END): void {
    out.tailTick = this.#tick.now;
    const ageMs = performance.now() - out.atMs;
    const tail = encodeTail(kind, this.#origin, out.generation, out.seq, ageMs);
    this.#outbox.publish(out.subject, tail);
    this.tailCount += 1;
  }

  #open(room: RoomAddress): OutRoom {
    if (this.#rooms.delete(room.token)) this.#nextGeneration();
    if (this.#rooms.size >= OUT_ROOM_COUNT_MAX) this.#makeRoom();
    const subject = outSubject(room, FIRST_EPOCH);
    const generation = this.#generation;
    const out = { subject, generation, seq: 0, tick: -1, atMs: 0, tailTick: this.#tick.now };
    this.#rooms.set(room.token, out);
    return out;
  }

  #makeRoom(): void {
    this.#forget(WHEEL_SIZE * TICK_MS);
    if (this.#rooms.size < OUT_ROOM_COUNT_MAX) return;
    let count = OUT_ROOM_COUNT_MAX * FORGET_SHARE;
    for (const token of this.#rooms.keys()) {
      if (count <= 0) break;
      this.#rooms.delete(token);
      count -= 1;
    }
    this.#nextGeneration();
  }

  /** Forgets rooms idle for this long. A room forgotten is counted anew in a new generation. */
  #forget(idleMs: number): void {
    const sinceMs = performance.now() - idleMs;
    const sizeBefore = this.#rooms.size;
    for (const [token, out] of this.#rooms) if (out.atMs < sinceMs) this.#rooms.delete(token);
    if (this.#rooms.size < sizeBefore) this.#nextGeneration();
  }

  #nextGeneration(): void {
    this.#generation = (this.#generation + 1) & GENERATION_MAX;
  }
}
