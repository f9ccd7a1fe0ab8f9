/**
 * Where spans go when they end: a ring of the newest, which `tidegatectl trace` reads, and a queue
 * for what exports them.
 *
 * Both are bounded, so tracing never costs more memory than that: the ring forgets the oldest, a
 * full queue drops the newest and counts it.
 */
import type { SpanRecord } from "./span.ts";

/** Spans that wait for export, some 1 kB each; beyond it they are dropped and counted. */
export const QUEUE_COUNT_MAX = 4096;

export class SpanRecorder {
  readonly #ring: SpanRecord[] = [];
  readonly #ringCountMax: number;
  #next = 0;
  /** Spans to export; null when nothing exports. */
  #queue: SpanRecord[] | null = null;
  /** Spans recorded. */
  recordedCount = 0;
  /** Spans that were to be exported, and found the queue full. */
  queueFullCount = 0;
  /** Spans that were to be exported, and the endpoint did not take. */
  exportFailedCount = 0;

  /** @param ringCountMax spans kept in memory, 0 for none. */
  constructor(ringCountMax: number) {
    this.#ringCountMax = ringCountMax;
  }

  /** Takes a span that has ended. */
  record(span: SpanRecord): void {
    this.recordedCount += 1;
    if (this.#ringCountMax > 0) {
      this.#ring[this.#next] = span;
      this.#next = (this.#next + 1) % this.#ringCountMax;
    }
    if (this.#queue === null) return;
    if (this.#queue.length < QUEUE_COUNT_MAX) this.#queue.push(span);
    else this.queueFullCount += 1;
  }

  /** From now on spans are kept for {@link take}. */
  beginExport(): void {
    this.#queue ??= [];
  }

  /** Spans that wait for export. */
  get waitingCount(): number {
    return this.#queue?.length ?? 0;
  }

  /** The oldest spans that wait, at most `countMax`; they are the caller's now. */
  take(countMax: number): SpanRecord[] {
    return this.#queue?.splice(0, countMax) ?? [];
  }

  /** The spans of a trace that are still in the ring, by their start. */
  find(traceId: string): SpanRecord[] {
    const found = this.#ring.filter((span) => span.traceId === traceId);
    return found.sort((a, b) => a.startUs - b.startUs);
  }
}
