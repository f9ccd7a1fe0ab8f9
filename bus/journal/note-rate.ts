/**
 * How many records a process may write: what floods can not push out what others had to say.
 *
 * Pure. A bucket of tokens for each kind, since one client can bring about refusals and losses at
 * will, but joins and connections only as fast as its limits let it.
 */
import type { JournalRecord } from "../../proto/gen/tidegate/bus/v1/journal.ts";

/** Records a second, and at once. */
export interface NoteRate {
  readonly perSecond: number;
  readonly burst: number;
}

/** What is counted together. */
export type NoteKind = "membership" | "loss" | "refusal";

/**
 * Membership: 100 000 clients that come back at once, each with two records, and go on. At this
 * rate one gateway writes some 0.5 MB/s. The other two are bounded to what an answer needs.
 */
export const NOTE_RATES: Readonly<Record<NoteKind, NoteRate>> = {
  membership: { perSecond: 5000, burst: 250_000 },
  loss: { perSecond: 500, burst: 5000 },
  refusal: { perSecond: 100, burst: 1000 },
};

/** The tokens of one kind. */
export class NoteBucket {
  readonly #rate: NoteRate;
  #tokens: number;
  #atUs = 0;

  constructor(rate: NoteRate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  /** Whether one more may be written. */
  take(nowUs: number): boolean {
    const passedS = Math.max(0, nowUs - this.#atUs) / 1e6;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + passedS * this.#rate.perSecond);
    this.#atUs = nowUs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** What a record counts as; null: not bounded, there are few. */
export function kindOf(what: JournalRecord["what"]): NoteKind | null {
  switch (what?.$case) {
    case "opened":
    case "closed":
    case "joined":
    case "left":
      return "membership";
    case "gap":
    case "skip":
      return "loss";
    case "refused":
      return "refusal";
    default:
      return null;
  }
}
