/**
 * One shard's publishes: those in flight, within bounds, and those that wait for room.
 *
 * A window for each shard, so that one whose leader is frozen holds up only its own rooms.
 */
import type { Append } from "./append-mux.ts";

/** A publish that waits, and until when, ms as performance.now() counts. */
export interface Waiting {
  readonly append: Append;
  readonly deadlineMs: number;
}

/**
 * Bytes of envelopes in flight to one shard. A publish larger than what is left waits, unless none
 * is in flight. 16 MiB are 50 ms at 320 MB/s.
 */
const IN_FLIGHT_BYTES_MAX = 16 * 1024 ** 2;
/** The line is made compact when this many have left it. */
const compactCount = 1024;

/** See the file's header. */
export class AppendWindow {
  readonly #countMax: number;
  #count = 0;
  #bytes = 0;
  /** In order; the first `#left` have left. */
  #line: Waiting[] = [];
  #left = 0;

  /** @param countMax publishes in flight at once. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get waitingCount(): number {
    return this.#line.length - this.#left;
  }

  /** Whether one more may be sent. */
  get hasRoom(): boolean {
    return this.#count < this.#countMax && this.#bytes < IN_FLIGHT_BYTES_MAX;
  }

  /** Nothing in flight, nothing waiting. */
  get isIdle(): boolean {
    return this.#count === 0 && this.waitingCount === 0;
  }

  /** A publish is sent. */
  enter(append: Append): void {
    this.#count += 1;
    this.#bytes += append.envelope.length;
  }

  /** A publish is answered, or its time is up. */
  leave(append: Append): void {
    this.#count -= 1;
    this.#bytes -= append.envelope.length;
  }

  /** The one that waits longest. */
  first(): Waiting | undefined {
    return this.#line[this.#left];
  }

  push(waiting: Waiting): void {
    this.#line.push(waiting);
  }

  /** Before all others: it was sent once and is to be sent again. */
  pushFirst(waiting: Waiting): void {
    this.#line.splice(this.#left, 0, waiting);
  }

  /** Takes {@link first} out, if there is one. */
  shift(): void {
    if (this.waitingCount === 0) return;
    this.#left += 1;
    if (this.#left < compactCount && this.#left < this.#line.length) return;
    this.#line = this.#line.slice(this.#left);
    this.#left = 0;
  }
}
