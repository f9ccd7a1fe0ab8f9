/**
 * What a gateway's process costs now: CPU, delay of the event loop, and rates of what it counts.
 *
 * Each reading is over the time since the reading before. The loop's delay is measured by Node's
 * histogram, in native code: JavaScript sees it only when it is read.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** The loop's delay is sampled this often, ms: fifty native timers a second. */
const SAMPLE_MS = 20;

/** Counts since the start of the process. */
export interface Counts {
  readonly connected: number;
  readonly published: number;
  readonly delivered: number;
}

/** A reading. */
export interface Load {
  /** Part of one core, 0 to 1. */
  readonly cpuShare: number;
  /** 99th percentile of what timers were late, ms. */
  readonly loopDelayMs: number;
  /** Of {@link Counts}, a second. */
  readonly connectRate: number;
  readonly publishRate: number;
  readonly deliveryRate: number;
}

export class LoadMeter {
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  #cpu = process.cpuUsage();
  #readMs = performance.now();
  #counts: Counts = { connected: 0, published: 0, delivered: 0 };

  constructor() {
    this.#delays.enable();
  }

  /** The load since the last reading, or since the start. */
  read(counts: Counts): Load {
    const nowMs = performance.now();
    const spanMs = Math.max(1, nowMs - this.#readMs);
    const cpu = process.cpuUsage(this.#cpu);
    const rate = (name: keyof Counts) => ((counts[name] - this.#counts[name]) * 1000) / spanMs;
    const sampledMs = this.#delays.count === 0 ? 0 : this.#delays.percentile(99) / 1e6;
    const load = {
      cpuShare: Math.min(1, (cpu.user + cpu.system) / 1000 / spanMs),
      loopDelayMs: Math.max(0, sampledMs - SAMPLE_MS),
      connectRate: rate("connected"),
      publishRate: rate("published"),
      deliveryRate: rate("delivered"),
    };
    this.#cpu = process.cpuUsage();
    this.#readMs = nowMs;
    this.#counts = counts;
    this.#delays.reset();
    return load;
  }

  close(): void {
    this.#delays.disable();
  }
}
