/**
 * Connections a second from one address, as plain numbers: a bucket that fills at the rate and
 * holds ten seconds of it, so that an office behind one address can come back at once.
 *
 * Floods only. What a tenant, user or address may have open is a limit of the control plane, which
 * says so in an Error; this guard stands before any work is done for a connection.
 */

/** Seconds of its rate that an address may use at once. */
export const BURST_S = 10;
/**
 * Addresses that are remembered, 100 bytes each. One is forgotten when its bucket is full again,
 * which takes an address that connects once some milliseconds; when none can be, the flood comes
 * from more addresses than can be told apart, and newcomers are refused.
 */
export const ADDRESS_COUNT_MAX = 50_000;
/** Addresses looked at for one that can be forgotten: bounds the work of one connection. */
const LOOK_COUNT_MAX = 32;

interface Bucket {
  tokens: number;
  atMs: number;
}

/** What a guard says: "many" is this address alone, "full" everybody. */
export type FloodVerdict = "admit" | "many" | "full";

export class FloodGuard {
  readonly #ratePerS: number;
  readonly #buckets = new Map<string, Bucket>();
  /** Refused since the start. */
  refusedCount = 0;

  /** @param ratePerS connections a second of one address; 0 admits all. */
  constructor(ratePerS: number) {
    this.#ratePerS = ratePerS;
  }

  /** Addresses that are remembered now. */
  get addressCount(): number {
    return this.#buckets.size;
  }

  /**
   * Judges one connection, and counts it.
   *
   * @param address "" is never limited.
   * @param nowMs any clock; one that goes back fills nothing meanwhile.
   */
  judge(address: string, nowMs: number): FloodVerdict {
    if (this.#ratePerS === 0 || address === "") return "admit";
    const verdict = this.#take(address, nowMs);
    if (verdict !== "admit") this.refusedCount += 1;
    return verdict;
  }

  #take(address: string, nowMs: number): FloodVerdict {
    const max = this.#ratePerS * BURST_S;
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      if (this.#buckets.size >= ADDRESS_COUNT_MAX && !this.#forget(nowMs)) return "full";
      bucket = { tokens: max, atMs: nowMs };
      this.#buckets.set(address, bucket);
    }
    bucket.tokens = this.#tokens(bucket, nowMs);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return "many";
    bucket.tokens -= 1;
    return "admit";
  }

  /** Forgets those that are full again, of the ones that were looked at longest ago. */
  #forget(nowMs: number): boolean {
    const sizeBefore = this.#buckets.size;
    let looked = 0;
    for (const [address, bucket] of this.#buckets) {
      if (looked >= LOOK_COUNT_MAX) break;
      looked += 1;
      this.#buckets.delete(address);
      const isFull = this.#tokens(bucket, nowMs) >= this.#ratePerS * BURST_S;
      if (!isFull) this.#buckets.set(address, bucket); // to the end: looked at last
    }
    return this.#buckets.size < sizeBefore;
  }

  #tokens({ tokens, atMs }: Bucket, nowMs: number): number {
    const filled = tokens + (Math.max(0, nowMs - atMs) * this.#ratePerS) / 1000;
    return Math.min(this.#ratePerS * BURST_S, filled);
  }
}
