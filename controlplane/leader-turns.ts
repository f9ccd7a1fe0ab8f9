/**
 * Work that the leader repeats: a turn every so often while this process leads, one at a time.
 */
import type { Log } from "./log.ts";

/** What is repeated. */
export interface LeaderWork {
  /** From one turn to the next, ms. */
  readonly everyMs: number;
  /** Logged when a turn has failed; the next one tries again. */
  readonly failed: string;
  isLeading(): boolean;
  turn(): Promise<void>;
}

export class LeaderTurns {
  readonly #work: LeaderWork;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #isRunning = false;
  #isClosed = false;

  constructor(work: LeaderWork, log: Log) {
    this.#work = work;
    this.#log = log;
    this.#timer = setInterval(() => this.#turn(), work.everyMs).unref();
  }

  /** Begins no more turns; one under way ends by itself. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #turn(): void {
    if (!this.#work.isLeading() || this.#isRunning) return;
    this.#isRunning = true;
    this.#work
      .turn()
      .catch((error: unknown) => {
        if (!this.#isClosed) this.#log.warn({ error }, this.#work.failed);
      })
      .finally(() => {
        this.#isRunning = false;
      });
  }
}
