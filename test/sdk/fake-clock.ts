/**
 * A clock that only the test moves. Sockets stay real; only time is not.
 */
import type { CancelTimer, Clock } from "../../sdk/typescript/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1000;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Time passes: every timer fires when it is due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let timer = this.#first(endMs); timer !== null; timer = this.#first(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      this.#fire(timer);
    }
    this.#nowMs = endMs;
  }

  /** The process stands still and wakes: timers fire late, at once, those set meanwhile not yet. */
  suspend(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.dueMs - b.dueMs)) {
      if (timer.dueMs <= this.#nowMs && this.#timers.has(timer)) this.#fire(timer);
    }
  }

  #first(endMs: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (first === null || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer);
    timer.callback();
  }
}
