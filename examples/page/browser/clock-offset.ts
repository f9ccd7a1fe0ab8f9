/**
 * How far this computer's clock is from the gateway's: a message can not arrive before it was sent,
 * so the least difference ever seen is the best guess. Good enough to draw with; nothing else uses
 * it.
 *
 * Pure.
 */
export class ClockOffset {
  #leastMs: number | null = null;

  /** A message sent at `sentMs` by the gateway's clock came at `nowMs` by ours. */
  observe(sentMs: number, nowMs: number): void {
    const offsetMs = nowMs - sentMs;
    if (this.#leastMs === null || offsetMs < this.#leastMs) this.#leastMs = offsetMs;
  }

  /** The gateway's time in ours. */
  toLocalMs(sentMs: number): number {
    return sentMs + (this.#leastMs ?? 0);
  }
}
