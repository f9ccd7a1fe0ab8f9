/**
 * A room's newest messages, kept only while a member catches up, so that its last step from the
 * store to the live messages happens within one loop turn.
 */
import type { DurableMessage } from "../bus/bus.ts";

/** Messages kept; a member further behind reads another page first. */
export const RECENT_COUNT_MAX = 512;
/** Bytes of envelopes kept, for rooms of large messages. */
export const RECENT_BYTES_MAX = 1024 * 1024;

/** The newest messages of one room, within count and bytes. */
export class RecentMessages {
  readonly #messages: DurableMessage[] = [];
  #byteCount = 0;

  /** Adds the newest message, dropping the oldest over the bounds. */
  push(message: DurableMessage): void {
    this.#messages.push(message);
    this.#byteCount += message.envelope.length;
    while (this.#messages.length > RECENT_COUNT_MAX || this.#byteCount > RECENT_BYTES_MAX) {
      this.#byteCount -= this.#messages.shift()?.envelope.length ?? 0;
    }
  }

  /**
   * The messages after (epoch, seq), or null when they may not all be here.
   */
  after(epoch: number, seq: number): readonly DurableMessage[] | null {
    const index = this.#messages.findIndex((m) => m.epoch === epoch && m.seq > seq);
    const first = this.#messages[index];
    if (first === undefined || first.prevSeq > seq) return null;
    return this.#messages.slice(index);
  }
}
