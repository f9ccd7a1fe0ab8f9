/**
 * A histogram of times, with base-2 exponential buckets.
 *
 * Bounds are powers of the square root of 2, from 2^-17 s (7.6 us) to 2^6 s: 19 % from a value to
 * the nearest at worst, the same buckets in every process, and 0.5 s is one. Made once; recording
 * allocates nothing, but for an exemplar.
 */

/** Buckets to a doubling are 2 to the power of this, as OpenTelemetry counts scales. */
export const HISTOGRAM_SCALE = 1;
/** Exponent of the first bound, in half doublings. */
const FIRST = -34;
/** Exponent of the last bound; what is above it is one more bucket. */
const LAST = 12;
/** Upper bounds of the buckets but the last, seconds; a value at a bound is in its bucket. */
export const HISTOGRAM_BOUNDS_S: readonly number[] = Array.from(
  { length: LAST - FIRST + 1 },
  (_, i) => 2 ** ((FIRST + i) / 2),
);
/** Index that OpenTelemetry gives to the first bucket. */
export const HISTOGRAM_OFFSET = FIRST - 1;
const firstBoundS = 2 ** (FIRST / 2);

/** A traced message whose time a bucket holds. */
export interface Exemplar {
  /** 32 hex digits. */
  readonly traceId: string;
  readonly valueS: number;
  /** Unix time. */
  readonly timeMs: number;
}

/** See the file's header. */
export class Histogram {
  /** By bucket; the last one has what is above all bounds. */
  readonly counts = new Float64Array(HISTOGRAM_BOUNDS_S.length + 1);
  /** The newest of each bucket that has one. */
  readonly exemplars = new Map<number, Exemplar>();
  count = 0;
  sumS = 0;

  /** Counts a time. Hot path: one logarithm and three additions. @param valueS 0 or more. */
  record(valueS: number): void {
    const index = bucketOf(valueS);
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.count += 1;
    this.sumS += valueS;
  }

  /** Names a traced message, which is counted by itself, as an example of its bucket. */
  exemplify(valueS: number, traceId: string, timeMs: number): void {
    this.exemplars.set(bucketOf(valueS), { traceId, valueS, timeMs });
  }
}

function bucketOf(valueS: number): number {
  if (valueS <= firstBoundS) return 0;
  return Math.min(HISTOGRAM_BOUNDS_S.length, Math.ceil(2 * Math.log2(valueS)) - FIRST);
}
