/**
 * Random ids of traces and spans, from random bytes taken 4 KiB at a time: a call to the system for
 * each would cost 1 µs.
 */
import { randomFillSync } from "node:crypto";

/** Bytes taken at once: 512 span ids. */
const POOL_BYTES = 4096;

export class SpanIds {
  readonly #pool = Buffer.allocUnsafe(POOL_BYTES);
  #at = POOL_BYTES;

  /** 32 hex digits. */
  traceId(): string {
    return this.#take(16);
  }

  /** 16 hex digits. */
  spanId(): string {
    return this.#take(8);
  }

  #take(bytes: number): string {
    for (;;) {
      if (this.#at + bytes > POOL_BYTES) {
        randomFillSync(this.#pool);
        this.#at = 0;
      }
      const from = this.#at;
      this.#at += bytes;
      // All zeroes is no id; it happens once in 2^64.
      if (this.#pool.readUInt32LE(from) !== 0)
        return this.#pool.toString("hex", from, from + bytes);
    }
  }
}
