/**
 * The door: Hellos pass at a pace that members who are there do not notice (decide-rate.ts).
 *
 * When every client of another gateway comes at once, each waits for its turn here, in order; those
 * whose turn would come too late are told when to come again.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { FIRST_PACE, nextPace, type Pace } from "./decide-rate.ts";
import { overloaded } from "./overload.ts";

/**
 * A Hello waits at most about this long, ms: clients give up after 10 s, and one that is sent away
 * costs its upgrade and its close again.
 */
export const ADMISSION_WAIT_MS = 6000;
/** Who waits passes in steps of this, ms. */
const STEP_MS = 5;
/** How often the pace is decided, ms. */
const LOOK_MS = 100;
/** The loop's delay is sampled this often, ms. */
const SAMPLE_MS = 10;
/** Hellos that may pass at once, as time at the present pace, ms. */
const BURST_MS = 20;

interface Waiter {
  readonly pass: () => void;
  isGone(): boolean;
}

/** What /health and /metrics tell. */
export interface AdmissionStatus {
  readonly ratePerS: number;
  readonly waitingCount: number;
  /** Since the start: Hellos that waited, and that were told to come again. */
  readonly waitedCount: number;
  readonly refusedCount: number;
}

export class Admission {
  readonly #isOn: boolean;
  readonly #delays: IntervalHistogram | null;
  readonly #timer: NodeJS.Timeout | null;
  /** In order; those before `#first` have passed. */
  #queue: Waiter[] = [];
  #first = 0;
  #pace: Pace = FIRST_PACE;
  #tokens = 1;
  #filledMs = performance.now();
  #step: NodeJS.Timeout | null = null;
  #passedCount = 0;
  #hasWaited = false;
  #waitedCount = 0;
  #refusedCount = 0;

  /** @param isOn false: everybody passes. */
  constructor(isOn: boolean) {
    this.#isOn = isOn;
    this.#delays = isOn ? monitorEventLoopDelay({ resolution: SAMPLE_MS }) : null;
    this.#delays?.enable();
    this.#timer = isOn ? setInterval(() => this.#look(), LOOK_MS).unref() : null;
  }

  get status(): AdmissionStatus {
    return {
      ratePerS: Math.round(this.#pace.ratePerS),
      waitingCount: this.#queue.length - this.#first,
      waitedCount: this.#waitedCount,
      refusedCount: this.#refusedCount,
    };
  }

  /**
   * Lets a Hello pass, now or in its turn. Hot path of connecting: nothing is awaited while there
   * is room.
   *
   * @param isGone whether who waits is no longer there, and takes no turn.
   * @returns null: it passes now.
   * @throws {CodedError} `OVERLOADED` when its turn would come too late.
   */
  enter(isGone: () => boolean): Promise<void> | null {
    if (!this.#isOn) return null;
    this.#fill();
    const waitingCount = this.#queue.length - this.#first;
    if (waitingCount === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#passedCount += 1;
      return null;
    }
    this.#hasWaited = true;
    const waitMs = (waitingCount * 1000) / this.#pace.ratePerS;
    if (waitMs > ADMISSION_WAIT_MS) {
      this.#refusedCount += 1;
      const detail = `${waitingCount} clients wait for this gateway; come again`;
      throw overloaded(detail, waitMs / 2);
    }
    this.#waitedCount += 1;
    return new Promise((pass) => {
      this.#queue.push({ pass, isGone });
      this.#step ??= setTimeout(() => this.#passSome(), STEP_MS);
    });
  }

  /** Whoever waits passes now: what comes then says that the gateway ends. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#step !== null) clearTimeout(this.#step);
    this.#delays?.disable();
    for (const { pass } of this.#queue.splice(this.#first)) pass();
  }

  #fill(): void {
    const nowMs = performance.now();
    const { ratePerS } = this.#pace;
    const burst = Math.max(1, (ratePerS * BURST_MS) / 1000);
    const filled = this.#tokens + ((nowMs - this.#filledMs) * ratePerS) / 1000;
    this.#tokens = Math.min(burst, filled);
    this.#filledMs = nowMs;
  }

  #passSome(): void {
    this.#step = null;
    this.#fill();
    while (this.#tokens >= 1 && this.#first < this.#queue.length) {
      const waiter = this.#queue[this.#first];
      this.#first += 1;
      if (waiter === undefined) break;
      if (!waiter.isGone()) {
        this.#tokens -= 1;
        this.#passedCount += 1;
      }
      waiter.pass();
    }
    if (this.#first === this.#queue.length) {
      this.#queue = [];
      this.#first = 0;
      return;
    }
    if (this.#first > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    this.#step = setTimeout(() => this.#passSome(), STEP_MS);
  }

  #look(): void {
    const delays = this.#delays;
    if (delays === null) return;
    // Not the worst: one pause of the collector says nothing about those who come.
    const sampledMs = delays.count === 0 ? 0 : delays.percentile(90) / 1e6;
    delays.reset();
    const usable = (this.#pace.ratePerS * LOOK_MS) / 1000;
    const isPaced = this.#hasWaited || this.#passedCount > usable / 2;
    this.#pace = nextPace(this.#pace, Math.max(0, sampledMs - SAMPLE_MS), isPaced);
    this.#hasWaited = this.#queue.length > this.#first;
    this.#passedCount = 0;
  }
}
