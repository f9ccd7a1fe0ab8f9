/**
 * The last messages handed to uWebSockets.js's topics, in order: what a dropped frame means for
 * every room of the socket that dropped it.
 *
 * uWS gathers published messages per socket and sends them at the end of the loop turn; a socket
 * over its limit drops one frame, tells us that frame, and silently skips the rest of its batch,
 * frames of other rooms too. The first entry of a room at or after the dropped frame is the first
 * one lost there.
 */
import type { Position } from "../bus/position.ts";

/** Entries kept; a loop turn with more publishes makes a slow socket reconnect instead. */
export const PUBLISH_LOG_ENTRIES = 16_384;

/** The place of a room just before a lost message. */
export interface PlaceBefore {
  /** Durable rooms: the last position handed out before; null for none. */
  readonly position: Position | null;
  /** Ephemeral rooms: messages handed out before. */
  readonly count: number;
}

export class PublishLog {
  // Parallel arrays of numbers: nothing to collect, nothing to allocate per message.
  readonly #alias = new Float64Array(PUBLISH_LOG_ENTRIES);
  readonly #seq = new Float64Array(PUBLISH_LOG_ENTRIES);
  readonly #beforeEpoch = new Float64Array(PUBLISH_LOG_ENTRIES);
  readonly #beforeSeq = new Float64Array(PUBLISH_LOG_ENTRIES);
  readonly #beforeTimeUs = new Float64Array(PUBLISH_LOG_ENTRIES);
  /** Entries ever written; the newest is at (#count - 1) % size. */
  #count = 0;

  /**
   * Notes a message. Hot path: five number writes.
   *
   * @param seq the seq (durable) or ephemeral_seq that the frame carries.
   * @param before the room's place before it; epoch 0 for ephemeral rooms.
   */
  push(
    alias: number,
    seq: number,
    beforeEpoch: number,
    beforeSeq: number,
    beforeTimeUs: number,
  ): void {
    const at = this.#count % PUBLISH_LOG_ENTRIES;
    this.#alias[at] = alias;
    this.#seq[at] = seq;
    this.#beforeEpoch[at] = beforeEpoch;
    this.#beforeSeq[at] = beforeSeq;
    this.#beforeTimeUs[at] = beforeTimeUs;
    this.#count += 1;
  }

  /**
   * For a dropped frame: the place before the first lost message, by room alias. Rooms that are not
   * in the answer lost nothing.
   *
   * @returns null when the frame is no longer in the log.
   */
  placesBeforeLoss(alias: number, seq: number): Map<number, PlaceBefore> | null {
    const oldest = Math.max(0, this.#count - PUBLISH_LOG_ENTRIES);
    let found = this.#count - 1;
    while (found >= oldest && !this.#isAt(found, alias, seq)) found -= 1;
    if (found < oldest) return null;
    const places = new Map<number, PlaceBefore>();
    for (let i = found; i < this.#count; i += 1) {
      const at = i % PUBLISH_LOG_ENTRIES;
      const roomAlias = this.#alias[at] ?? 0;
      if (!places.has(roomAlias)) places.set(roomAlias, this.#placeAt(at));
    }
    return places;
  }

  #isAt(index: number, alias: number, seq: number): boolean {
    const at = index % PUBLISH_LOG_ENTRIES;
    return this.#alias[at] === alias && this.#seq[at] === seq;
  }

  #placeAt(at: number): PlaceBefore {
    const epoch = this.#beforeEpoch[at] ?? 0;
    const seq = this.#beforeSeq[at] ?? 0;
    const timeUs = this.#beforeTimeUs[at] ?? 0;
    if (epoch === 0) return { position: null, count: seq };
    return { position: seq === 0 ? null : { epoch, seq, timeUs }, count: 0 };
  }
}
