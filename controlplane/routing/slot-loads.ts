/**
 * The load of slots, as gateways report it: durable messages, and what they weigh in the store.
 *
 * Sums of the last minute, in a ring of spans, whatever the number of gateways. Each gateway
 * reports to one replica; the replicas' sums are added by who plans with them (fleet-loads.ts).
 */
import type { LoadReport } from "../../proto/gen/tidegate/control/v1/routing_service.ts";

/** Slots there may be: 16 placement groups of 1024. */
export const LOAD_SLOT_COUNT = 16 * 1024;
/** Loads are sums of the last so many spans: a minute. */
const SPAN_COUNT = 6;
const SPAN_MS = 10_000;

/** Load of slots over a time. */
export interface SlotSums {
  /** What it is about, ms: up to a minute. */
  readonly spanMs: number;
  /** Slots with a load above 0, ascending. */
  readonly slots: readonly number[];
  readonly messageCounts: readonly number[];
  /** In KiB. */
  readonly kibibyteCounts: readonly number[];
}

interface Span {
  startMs: number;
  readonly messages: Float64Array;
  readonly kibibytes: Float64Array;
}

/** What was reported to this replica. */
export class ReportedLoads {
  readonly #startMs: number;
  readonly #spans: Span[] = [];

  /** @param nowMs of a clock that does not jump, as everywhere here. */
  constructor(nowMs: number) {
    this.#startMs = nowMs;
  }

  /** Adds a gateway's report; what is out of bounds in it is left out. */
  add(report: LoadReport, nowMs: number): void {
    const { messages, kibibytes } = this.#spanAt(nowMs);
    for (const [i, slot] of report.slots.entries()) {
      if (slot >= LOAD_SLOT_COUNT) continue;
      messages[slot] = (messages[slot] ?? 0) + (report.messageCounts[i] ?? 0);
      kibibytes[slot] = (kibibytes[slot] ?? 0) + (report.kibibyteCounts[i] ?? 0);
    }
  }

  /** The sums of the last minute. */
  sums(nowMs: number): SlotSums {
    this.#dropOld(nowMs);
    const slots: number[] = [];
    const messageCounts: number[] = [];
    const kibibyteCounts: number[] = [];
    for (let slot = 0; slot < LOAD_SLOT_COUNT; slot += 1) {
      let messages = 0;
      let kibibytes = 0;
      for (const span of this.#spans) {
        messages += span.messages[slot] ?? 0;
        kibibytes += span.kibibytes[slot] ?? 0;
      }
      if (messages === 0 && kibibytes === 0) continue;
      slots.push(slot);
      messageCounts.push(messages);
      kibibyteCounts.push(kibibytes);
    }
    const spanMs = Math.max(1, Math.min(nowMs - this.#startMs, SPAN_COUNT * SPAN_MS));
    return { spanMs, slots, messageCounts, kibibyteCounts };
  }

  #spanAt(nowMs: number): Span {
    this.#dropOld(nowMs);
    const last = this.#spans.at(-1);
    if (last !== undefined && nowMs - last.startMs < SPAN_MS) return last;
    const span = {
      startMs: nowMs,
      messages: new Float64Array(LOAD_SLOT_COUNT),
      kibibytes: new Float64Array(LOAD_SLOT_COUNT),
    };
    this.#spans.push(span);
    return span;
  }

  #dropOld(nowMs: number): void {
    const oldestMs = nowMs - SPAN_COUNT * SPAN_MS;
    while ((this.#spans[0]?.startMs ?? nowMs) < oldestMs) this.#spans.shift();
  }
}
