/**
 * Watches how a gateway copes, and sheds load in steps (decide-overload.ts).
 */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { Bus } from "../../bus/bus.ts";
import type { CodedError } from "../../proto/coded-error.ts";
import { memoryBytesMax } from "../../telemetry/memory-bytes.ts";
import type { Identity } from "../identity.ts";
import { LimitError } from "../limit-error.ts";
import type { Log } from "../log.ts";
import {
  CALM,
  nextOverload,
  OverloadLevel,
  type OverloadReading,
  type OverloadState,
} from "./decide-overload.ts";

/** How often it looks, ms. */
const LOOK_MS = 500;
/** The loop's delay is sampled this often, ms. */
const SAMPLE_MS = 20;
/** Who is sent away comes again after this to twice this, ms: not all at once. */
const RETRY_MS = 4000;

const names = ["none", "connects", "anonymous"] as const;

/** Takes a reading; the default measures this process. */
export type ReadOverload = () => OverloadReading;

/** What /health and /metrics tell. */
export interface OverloadStatus {
  readonly level: OverloadLevel;
  /** "none", "connects" or "anonymous": what is shed. */
  readonly sheds: (typeof names)[number];
  /** The measure that asked for it; "" when nothing is shed. */
  readonly cause: string;
  readonly reading: OverloadReading;
  /** Hellos and publishes that were refused for it since the start. */
  readonly shedConnectCount: number;
  readonly shedPublishCount: number;
}

export class Overload {
  readonly #log: Log;
  readonly #read: ReadOverload;
  readonly #timer: NodeJS.Timeout;
  readonly #delays: IntervalHistogram | null;
  #state: OverloadState = CALM;
  #reading: OverloadReading = { loopDelayMs: 0, memoryShare: 0, busLagMs: 0 };
  #shedConnectCount = 0;
  #shedPublishCount = 0;

  /**
   * @param memoryMibMax what this process may use; 0: what its cgroup or the machine has.
   * @param read for tests.
   */
  constructor(bus: Bus, log: Log, memoryMibMax: number, read: ReadOverload | null = null) {
    this.#log = log;
    this.#delays = read === null ? monitorEventLoopDelay({ resolution: SAMPLE_MS }) : null;
    this.#delays?.enable();
    this.#read = read ?? (() => readProcess(this.#delays, bus, memoryMibMax));
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  get status(): OverloadStatus {
    const { level, cause } = this.#state;
    return {
      ...{ level, sheds: names[level], cause, reading: this.#reading },
      shedConnectCount: this.#shedConnectCount,
      shedPublishCount: this.#shedPublishCount,
    };
  }

  /** Takes a reading and decides; called twice a second. */
  look(): void {
    const before = this.#state;
    this.#reading = this.#read();
    this.#state = nextOverload(before, this.#reading);
    const { level, cause } = this.#state;
    if (level === before.level) return;
    const facts = { from: names[before.level], to: names[level], cause, ...this.#reading };
    if (level > before.level) this.#log.warn(facts, "overloaded: more is shed");
    else this.#log.info(facts, "less overloaded: less is shed");
  }

  /** @throws {CodedError} `OVERLOADED` while nobody new is taken. */
  admitConnect(): void {
    if (this.#state.level < OverloadLevel.CONNECTS) return;
    this.#shedConnectCount += 1;
    throw overloaded(`this gateway takes no new clients now: its ${this.#describe()}`);
  }

  /** Hot path. @throws {CodedError} `OVERLOADED` for anonymous ones while theirs are dropped. */
  admitEphemeral({ user, isAnonymous }: Identity): void {
    if (this.#state.level < OverloadLevel.ANONYMOUS) return;
    if (user !== "" && !isAnonymous) return;
    this.#shedPublishCount += 1;
    throw overloaded(`anonymous publishes are dropped now: this gateway's ${this.#describe()}`);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#delays?.disable();
  }

  #describe(): string {
    const { loopDelayMs, memoryShare, busLagMs } = this.#reading;
    switch (this.#state.cause) {
      case "memoryShare":
        return `memory is ${Math.round(memoryShare * 100)} % full`;
      case "busLagMs":
        return `bus answers after ${Math.round(busLagMs)} ms`;
      default:
        return `event loop is ${Math.round(loopDelayMs)} ms late`;
    }
  }
}

/** A refusal with a time to come again that differs from client to client. */
export function overloaded(detail: string, retryMs = RETRY_MS): CodedError {
  const retryAfterMs = Math.round(retryMs * (1 + Math.random()));
  return new LimitError("OVERLOADED", "", 0, detail, retryAfterMs);
}

function readProcess(
  delays: IntervalHistogram | null,
  bus: Bus,
  memoryMibMax: number,
): OverloadReading {
  const sampledMs = delays === null || delays.count === 0 ? 0 : delays.mean / 1e6;
  delays?.reset();
  const { used_heap_size, heap_size_limit } = getHeapStatistics();
  const rssShare = process.memoryUsage.rss() / memoryBytesMax(memoryMibMax);
  return {
    loopDelayMs: Math.max(0, sampledMs - SAMPLE_MS),
    memoryShare: Math.max(rssShare, used_heap_size / heap_size_limit),
    busLagMs: bus.status().lagMs ?? 0,
  };
}
