/**
 * What a process tells of itself at each reading of its metrics: CPU, memory and event loop.
 */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { MetricSink } from "./registry.ts";

/** The loop's delay is sampled this often, ms: fifty native timers a second. */
const SAMPLE_MS = 20;
/** The event loop is measured over so long at least, ms, however often somebody reads. */
const WINDOW_MS = 5000;

/** What the process is. */
export interface ProcessFacts {
  /** Version of Tidegate. */
  readonly version: string;
  /** Memory that it may occupy, bytes. */
  readonly memoryBytesMax: number;
}

interface LoopReading {
  readonly atMs: number;
  readonly delaysS: Readonly<Record<string, number>>;
  readonly utilization: number;
}

/** See the file's header. */
export class ProcessCollector {
  readonly #facts: ProcessFacts;
  readonly #startS = Math.round(Date.now() / 1000 - process.uptime());
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  #usage = performance.eventLoopUtilization();
  #loop: LoopReading | null = null;

  constructor(facts: ProcessFacts) {
    this.#facts = facts;
    this.#delays.enable();
  }

  /** Writes all of it. */
  collect(sink: MetricSink): void {
    const { version, memoryBytesMax } = this.#facts;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, external } = process.memoryUsage();
    sink.put("tidegate_build_info", 1, { version, node: process.versions.node });
    sink.put("tidegate_process_start_time_seconds", this.#startS);
    sink.putEach("tidegate_process_cpu_seconds_total", { user: user / 1e6, system: system / 1e6 });
    sink.put("tidegate_process_resident_memory_bytes", rss);
    sink.put("tidegate_memory_max_bytes", memoryBytesMax);
    sink.put("tidegate_process_heap_used_bytes", heapUsed);
    sink.put("tidegate_process_external_memory_bytes", external);
    const { delaysS, utilization } = this.#readLoop();
    sink.putEach("tidegate_event_loop_delay_seconds", delaysS);
    sink.put("tidegate_event_loop_utilization_ratio", utilization);
  }

  close(): void {
    this.#delays.disable();
  }

  #readLoop(): LoopReading {
    const atMs = performance.now();
    if (this.#loop !== null && atMs - this.#loop.atMs < WINDOW_MS) return this.#loop;
    const delays = this.#delays;
    const late = (ns: number) =>
      delays.count === 0 ? 0 : Math.max(0, ns / 1e6 - SAMPLE_MS) / 1000;
    const delaysS = {
      ...{ p50: late(delays.percentile(50)), p99: late(delays.percentile(99)) },
      max: late(delays.max),
    };
    const { utilization } = performance.eventLoopUtilization(this.#usage);
    this.#usage = performance.eventLoopUtilization();
    delays.reset();
    this.#loop = { atMs, delaysS, utilization };
    return this.#loop;
  }
}
