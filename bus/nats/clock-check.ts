/**
 * R2: machines whose clocks differ by more than 1 s are not ready.
 *
 * A publish carries the time of its first try by this machine's clock, a stored message the time of
 * its shard's leader; what is void is decided by both. So this machine's clock is compared with the
 * leaders', one after the other. The middle of what they say counts: one server with a wrong clock
 * must not take every gateway out of service.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { streamFacts } from "./stream-api.ts";
import type { Troubles } from "./troubles.ts";
import { shardStream } from "./wire.ts";

/** Difference from which a machine is not ready, ms. */
export const CLOCK_SKEW_MS_MAX = 1000;
/** A shard's leader is asked this often, ms, each shard in its turn. */
const CHECK_MS = 2000;
/** Shards whose last answers count. */
const ANSWER_COUNT_MAX = 5;

/**
 * How far this machine's clock is ahead of a server's for certain, ms; negative: behind; 0: the
 * time that the question took explains it.
 *
 * @param askedMs when it was asked, and `answeredMs` when the answer came, by this clock.
 * @param serverMs what the server said.
 */
export function clockAheadMs(askedMs: number, answeredMs: number, serverMs: number): number {
  if (serverMs < askedMs) return askedMs - serverMs;
  return serverMs > answeredMs ? answeredMs - serverMs : 0;
}

/** The middle of what servers say, ms; 0 of none. */
export function middleOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

export class ClockCheck {
  readonly #connection: NatsConnection;
  readonly #shardNumbers: () => readonly number[];
  readonly #troubles: Troubles;
  readonly #nowMs: () => number;
  readonly #tick: NodeJS.Timeout;
  /** The last answers of different shards, oldest first. */
  #aheadMs: { shard: number; aheadMs: number }[] = [];
  #turn = 0;

  /**
   * @param shardNumbers of the shards that are there now.
   * @param nowMs this machine's clock.
   */
  constructor(
    connection: NatsConnection,
    shardNumbers: () => readonly number[],
    troubles: Troubles,
    nowMs: () => number = Date.now,
  ) {
    this.#connection = connection;
    this.#shardNumbers = shardNumbers;
    this.#troubles = troubles;
    this.#nowMs = nowMs;
    this.#tick = setInterval(() => void this.check(), CHECK_MS).unref();
  }

  /** Why this machine is not ready; null when its clock is good enough. */
  get fault(): CodedError | null {
    const aheadMs = middleOf(this.#aheadMs.map((each) => each.aheadMs));
    if (Math.abs(aheadMs) <= CLOCK_SKEW_MS_MAX) return null;
    const seconds = `${(Math.abs(aheadMs) / 1000).toFixed(1)} s`;
    const detail =
      `this machine's clock is ${seconds} ${aheadMs > 0 ? "ahead of" : "behind"} the NATS ` +
      `servers'; at most ${CLOCK_SKEW_MS_MAX / 1000} s is allowed, let both follow a time server`;
    return new CodedError("UNAVAILABLE", detail);
  }

  /** Asks the next shard's leader; without an answer the earlier ones go on to count. */
  async check(): Promise<void> {
    const numbers = this.#shardNumbers();
    const shard = numbers[this.#turn % Math.max(1, numbers.length)];
    this.#turn += 1;
    if (shard === undefined) return;
    const askedMs = this.#nowMs();
    const facts = await streamFacts(this.#connection, shardStream(shard)).catch(() => null);
    if (facts === null) return;
    const aheadMs = clockAheadMs(askedMs, this.#nowMs(), facts.serverMs);
    this.#aheadMs = this.#aheadMs
      .filter((each) => each.shard !== shard)
      .slice(1 - ANSWER_COUNT_MAX);
    this.#aheadMs.push({ shard, aheadMs });
    if (Math.abs(aheadMs) > CLOCK_SKEW_MS_MAX) {
      this.#troubles.note("clock_differs", () => ({ shard, leader: facts.leader, aheadMs }));
    }
  }

  close(): void {
    clearInterval(this.#tick);
  }
}
