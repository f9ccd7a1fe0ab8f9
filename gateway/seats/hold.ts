/**
 * Seats of connections that broke: kept for the hold time, so that their clients find them again.
 */
import type { SeatHolder } from "../../bus/seats/seat-set.ts";
import type { SeatKeeper } from "./seat-keeper.ts";

/** How often it is looked whose time is over, ms. */
const LOOK_MS = 500;
/** Broken connections whose seats are kept; beyond it the oldest are freed. Some 300 B each. */
export const HELD_COUNT_MAX = 100_000;

interface HeldSeats {
  readonly dueMs: number;
  readonly session: string;
  readonly holder: SeatHolder;
  readonly keys: readonly string[];
}

export class Hold {
  readonly #keeper: SeatKeeper;
  readonly #holdMs: number;
  /** In the order of their ends, since all are kept equally long. */
  #held: HeldSeats[] = [];
  readonly #timer: NodeJS.Timeout;

  /** @param holdMs how long seats are kept. */
  constructor(keeper: SeatKeeper, holdMs: number) {
    this.#keeper = keeper;
    this.#holdMs = holdMs;
    this.#timer = setInterval(() => this.#look(performance.now()), LOOK_MS).unref();
  }

  /** Connections whose seats are kept. */
  get count(): number {
    return this.#held.length;
  }

  /** Keeps seats; those that have moved by the end of the hold time are left alone then. */
  keep(session: string, holder: SeatHolder, keys: readonly string[]): void {
    this.#held.push({ dueMs: performance.now() + this.#holdMs, session, holder, keys });
    if (this.#held.length > HELD_COUNT_MAX) this.#free(this.#held.splice(0, 1));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(nowMs: number): void {
    const count = this.#held.findIndex(({ dueMs }) => dueMs > nowMs);
    this.#free(this.#held.splice(0, count < 0 ? this.#held.length : count));
  }

  #free(over: readonly HeldSeats[]): void {
    for (const { session, holder, keys } of over) {
      for (const key of keys) this.#keeper.free(key, session, holder);
    }
  }
}
