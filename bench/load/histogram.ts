/**
 * Latency histogram with fixed buckets: recording is one array write, merging is addition.
 *
 * Buckets are log-linear: 32 of equal width per power of two, so a figure read back is at most
 * 3.2 % above the true one, whatever its size. No samples are kept: a run has tens of millions.
 */

/** Buckets per power of two. 32 keeps the error below the noise of any machine. */
const SUB_BUCKETS = 32;
/** Powers of two covered: to 2^31 us (35 minutes). Larger values count in the last bucket. */
const POWERS = 27;

export class Histogram {
  readonly #counts: Uint32Array;
  #max: number;

  constructor(counts: Uint32Array = new Uint32Array(SUB_BUCKETS * POWERS), max = 0) {
    this.#counts = counts;
    this.#max = max;
  }

  /** Counts one value, microseconds; negative ones (clock steps) count as 0. Hot path. */
  record(valueUs: number): void {
    const index = bucketOf(valueUs);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    if (valueUs > this.#max) this.#max = valueUs;
  }

  /** Adds another histogram to this one. */
  merge(other: Histogram): void {
    for (const [index, count] of other.#counts.entries()) {
      this.#counts[index] = (this.#counts[index] ?? 0) + count;
    }
    this.#max = Math.max(this.#max, other.#max);
  }

  /** Values recorded. */
  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** The largest value, exact; 0 when empty. */
  get max(): number {
    return this.#max;
  }

  /** The value that `share` (0 to 1) of all values do not exceed, microseconds; 0 when empty. */
  percentile(share: number): number {
    const wanted = Math.ceil(this.count * share);
    let seen = 0;
    for (const [index, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= wanted) return Math.min(upperBoundOf(index), this.#max);
    }
    return 0;
  }

  /** What goes to another process. */
  toPlain(): PlainHistogram {
    return { counts: this.#counts, max: this.#max };
  }

  static fromPlain(plain: PlainHistogram): Histogram {
    return new Histogram(Uint32Array.from(plain.counts), plain.max);
  }
}

/** Histogram as a message between processes. */
export interface PlainHistogram {
  readonly counts: Uint32Array;
  readonly max: number;
}

function bucketOf(valueUs: number): number {
  const value = valueUs > 0 ? Math.min(Math.floor(valueUs), 0x7fff_ffff) : 0;
  if (value < SUB_BUCKETS) return value;
  const power = 31 - Math.clz32(value) - 5; // log2(value) - log2(SUB_BUCKETS), 0 or more
  return (power + 1) * SUB_BUCKETS + (value >> power) - SUB_BUCKETS;
}

function upperBoundOf(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const power = Math.floor(index / SUB_BUCKETS) - 1;
  return ((index % SUB_BUCKETS) + SUB_BUCKETS + 1) * 2 ** power - 1;
}
