/**
 * What is published through this gateway, counted by slot: the load that placement spreads.
 *
 * Durable messages alone count for slots: shards store nothing else. Hot path: two additions.
 */
import { SLOT_COUNT } from "../bus/subjects.ts";

/** What came for a slot since the counts were taken. */
export interface SlotTraffic {
  readonly slot: number;
  readonly messageCount: number;
  /** Of envelopes. */
  readonly byteCount: number;
}

/** Slots there may be: 16 placement groups. */
const SLOT_COUNT_MAX = 16 * SLOT_COUNT;

export class Traffic {
  /** Messages that were published here, durable or not, since the start. */
  publishCount = 0;
  readonly #messageCounts = new Uint32Array(SLOT_COUNT_MAX);
  readonly #byteCounts = new Float64Array(SLOT_COUNT_MAX);
  /** Slots with a count above 0. */
  readonly #touched: number[] = [];

  /** A message of a durable room. */
  countDurable(slot: number, byteCount: number): void {
    this.publishCount += 1;
    const before = this.#messageCounts[slot];
    if (before === undefined) return;
    if (before === 0) this.#touched.push(slot);
    this.#messageCounts[slot] = before + 1;
    this.#byteCounts[slot] = (this.#byteCounts[slot] ?? 0) + byteCount;
  }

  /** A message of an ephemeral room. */
  countEphemeral(): void {
    this.publishCount += 1;
  }

  /** The counts since the last call, of slots with any; they begin anew. */
  take(): SlotTraffic[] {
    return this.#touched.splice(0).map((slot) => {
      const messageCount = this.#messageCounts[slot] ?? 0;
      const byteCount = this.#byteCounts[slot] ?? 0;
      this.#messageCounts[slot] = 0;
      this.#byteCounts[slot] = 0;
      return { slot, messageCount, byteCount };
    });
  }
}
