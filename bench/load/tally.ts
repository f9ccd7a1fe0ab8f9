/**
 * What a generator process counts, shared by all its members.
 */
import { Histogram, type PlainHistogram } from "./histogram.ts";

/** Reasons kept for people to read; the rest is only counted. */
const REASONS_MAX = 5;

export class Tally {
  deliveredCount = 0;
  /** Messages that never came, seen by a number that was skipped. */
  lostCount = 0;
  /** Messages whose number had been passed: doubled or out of order. */
  repeatedCount = 0;
  errorCount = 0;
  readonly reasons: string[] = [];
  /** Sum of hashDelivery over all deliveries, modulo 2^32. */
  hash = 0;
  latency = new Histogram();
  sendLag = new Histogram();
  sentCount = 0;

  fail(reason: string): void {
    this.errorCount += 1;
    if (this.reasons.length < REASONS_MAX) this.reasons.push(reason);
  }

  /** Counters so far, and the histograms since the last call. */
  take(): TallyPlain {
    const plain: TallyPlain = {
      deliveredCount: this.deliveredCount,
      lostCount: this.lostCount,
      repeatedCount: this.repeatedCount,
      errorCount: this.errorCount,
      reasons: this.reasons,
      hash: this.hash,
      sentCount: this.sentCount,
      latency: this.latency.toPlain(),
      sendLag: this.sendLag.toPlain(),
    };
    this.latency = new Histogram();
    this.sendLag = new Histogram();
    return plain;
  }
}

/** A {@link Tally} as a message between processes. */
export interface TallyPlain {
  readonly deliveredCount: number;
  readonly lostCount: number;
  readonly repeatedCount: number;
  readonly errorCount: number;
  readonly reasons: readonly string[];
  readonly hash: number;
  readonly sentCount: number;
  readonly latency: PlainHistogram;
  readonly sendLag: PlainHistogram;
}

/** The answer to "take": the figures so far, and the CPU time of this process, microseconds. */
export function takeFigures(tally: Tally): { kind: "taken"; tally: TallyPlain; cpuUs: number } {
  const { user, system } = process.cpuUsage();
  return { kind: "taken", tally: tally.take(), cpuUs: user + system };
}
