/**
 * Users and addresses that are kept out for a time, on every gateway.
 *
 * Each block is a key of the bus KV bucket "blocks" with the time to live of the block; gateways
 * follow the bucket. The gateway that found the abuse keeps it out at once, and also when the bus
 * is away.
 */
import type { Bus, Unsubscribe } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { followBucket } from "./follow-bucket.ts";

/** Bus KV bucket: keys as of seats, values the end in ms since 1970, as text. */
export const BLOCK_BUCKET = "blocks";
/** Blocks that a gateway knows; beyond it the oldest is forgotten. About 100 bytes each. */
export const BLOCK_COUNT_MAX = 10_000;
/** Blocks that this gateway writes a second; more are its own alone. */
export const WRITES_PER_SECOND = 20;

export class Blocks {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #blockMs: number;
  /** When each ends, ms since 1970; in the order in which they were made. */
  readonly #ends = new Map<string, number>();
  #unfollow: Unsubscribe = () => {};
  #writeSecond = 0;
  #writeCount = 0;
  /** Blocks that were found here. */
  madeCount = 0;

  /** @param blockMs how long a block lasts, 1000 or more. */
  constructor(bus: Bus, clock: Clock, log: Log, blockMs: number) {
    this.#bus = bus;
    this.#clock = clock;
    this.#log = log;
    this.#blockMs = blockMs;
  }

  /** Blocks that are known, some of them over. */
  get count(): number {
    return this.#ends.size;
  }

  /** Follows the blocks of the others from now on, as soon as the bus lets it. Called once. */
  follow(): void {
    this.#unfollow = followBucket(this.#bus, this.#log, {
      ...{ bucket: BLOCK_BUCKET, prefix: "" },
      trouble: "blocks of other gateways are not known; trying on",
      onChange: ({ key, value }) => {
        const endMs = Number(Buffer.from(value ?? []).toString() || 0);
        if (endMs > this.#nowMs()) this.#keep(key, endMs);
        else this.#ends.delete(key);
      },
    });
  }

  /**
   * Keeps somebody out from now on.
   *
   * @param key as of blockKey; nobody is kept out for "".
   * @returns for how long, ms.
   */
  add(key: string): number {
    this.madeCount += 1;
    if (key === "") return this.#blockMs;
    const endMs = this.#nowMs() + this.#blockMs;
    this.#keep(key, endMs);
    if (this.#mayWrite()) void this.#write(key, endMs);
    return this.#blockMs;
  }

  /** How long somebody is still kept out, ms; 0: not at all. */
  leftMs(key: string): number {
    const endMs = this.#ends.get(key);
    if (endMs === undefined) return 0;
    const leftMs = Math.ceil(endMs - this.#nowMs());
    if (leftMs > 0) return leftMs;
    this.#ends.delete(key);
    return 0;
  }

  close(): void {
    this.#unfollow();
  }

  #nowMs(): number {
    return this.#clock.nowUs() / 1000;
  }

  #keep(key: string, endMs: number): void {
    this.#ends.delete(key);
    this.#ends.set(key, endMs);
    if (this.#ends.size <= BLOCK_COUNT_MAX) return;
    for (const first of this.#ends.keys()) {
      this.#ends.delete(first);
      return;
    }
  }

  #mayWrite(): boolean {
    const second = Math.floor(this.#nowMs() / 1000);
    if (second !== this.#writeSecond) this.#writeCount = 0;
    this.#writeSecond = second;
    this.#writeCount += 1;
    return this.#writeCount <= WRITES_PER_SECOND;
  }

  async #write(key: string, endMs: number): Promise<void> {
    try {
      const keys = await this.#bus.keyValue(BLOCK_BUCKET);
      const value = Buffer.from(String(Math.round(endMs)));
      const present = await keys.get(key);
      if (present === null) await keys.create(key, value, this.#blockMs);
      else await keys.update(key, value, present.revision, this.#blockMs);
    } catch (error) {
      // Another gateway was faster, or the bus is away: it holds here all the same.
      const { code, detail } = CodedError.from(error);
      this.#log.debug({ code, detail }, "a block was not written");
    }
  }
}
