/**
 * Which holders of seats and permits are gone: their lease has ended, so they publish and admit
 * nothing, and what they hold is free (R12).
 *
 * A process that was replaced under its id, or has stopped in order, or stood on a bus without
 * leases, is held to be there for the hold time: so long its clients find their seats.
 */

import { CodedError } from "../../proto/coded-error.ts";
import type { Bus, ProcessName } from "../bus.ts";
import type { KeyValue } from "../key-value.ts";
import type { ProcessEntry } from "../topology.ts";
import { leftKey } from "./seat-keys.ts";

/** Who was there is believed for so long, ms: it only makes a dead one's seats free later. */
const BELIEVED_MS = 1000;
/** Incarnations known to be gone; when full all are looked up anew. */
const GONE_COUNT_MAX = 10_000;
/** A process that does not answer a question for so long may be frozen, ms: it is not absent. */
const PROBE_MS = 300;

/** The kind of question that gateways answer about seats. */
export const SEATS_QUESTION = "seats";

export class Owners {
  readonly #bus: Bus;
  readonly #seats: () => Promise<KeyValue>;
  readonly #holdMs: number;
  readonly #gone = new Set<string>();
  /** Until when each incarnation is believed to be there, by the monotonic clock. */
  readonly #aliveUntilMs = new Map<string, number>();
  readonly #absentUntilMs = new Map<string, number>();
  #gatewayCount = 1;
  #listing: Promise<void> = Promise.resolve();

  /**
   * @param seats the bucket "seats".
   * @param holdMs how long seats wait for clients whose gateway is not there any more.
   */
  constructor(bus: Bus, seats: () => Promise<KeyValue>, holdMs: number) {
    this.#bus = bus;
    this.#seats = seats;
    this.#holdMs = holdMs;
  }

  /** Processes that may hold permits, as last seen; 1 or more. */
  get gatewayCount(): number {
    return this.#gatewayCount;
  }

  /**
   * Those of `owners` that are gone, by incarnation. What is read after the owners were read is the
   * proof: a process has its lease before it has a seat.
   *
   * @throws {CodedError} `UNAVAILABLE`.
   */
  async findGone(owners: readonly ProcessName[]): Promise<ReadonlySet<string>> {
    const { incarnation: own } = this.#bus.self;
    const nowMs = performance.now();
    const isKnown = ({ incarnation }: ProcessName) =>
      incarnation === own ||
      this.#gone.has(incarnation) ||
      (this.#aliveUntilMs.get(incarnation) ?? 0) > nowMs;
    const unknown = owners.filter((owner) => !isKnown(owner));
    if (unknown.length > 0) await this.#look(unknown);
    return new Set(
      owners.map(({ incarnation }) => incarnation).filter((each) => this.#gone.has(each)),
    );
  }

  /** Counts who is there, if it was not done lately. Throws `UNAVAILABLE`. */
  async count(): Promise<number> {
    const { incarnation } = this.#bus.self;
    if ((this.#aliveUntilMs.get(incarnation) ?? 0) <= performance.now()) await this.#look([]);
    return this.#gatewayCount;
  }

  /** Those of `owners` that nobody answers for now, though their lease may last. */
  async findAbsent(owners: readonly ProcessName[]): Promise<ReadonlySet<string>> {
    const nowMs = performance.now();
    const absent = await Promise.all(owners.map((owner) => this.#isAbsent(owner, nowMs)));
    return new Set(owners.filter((_, i) => absent[i]).map(({ incarnation }) => incarnation));
  }

  async #isAbsent({ id, incarnation }: ProcessName, nowMs: number): Promise<boolean> {
    const { self } = this.#bus;
    if (incarnation === self.incarnation) return false;
    if (id === self.id) return true; // an earlier life of this process
    if ((this.#absentUntilMs.get(incarnation) ?? 0) > nowMs) return true;
    try {
      await this.#bus.ask(id, SEATS_QUESTION, new Uint8Array(0), PROBE_MS);
      return false;
    } catch (error) {
      if (CodedError.from(error).code !== "NOT_FOUND") return false;
      this.#absentUntilMs.set(incarnation, nowMs + BELIEVED_MS);
      return true;
    }
  }

  /** Lists anew, after a listing that has begun already: that one may be too old. */
  #look(unknown: readonly ProcessName[]): Promise<void> {
    const look = this.#listing.then(() => this.#list(unknown));
    this.#listing = look.catch(() => {}); // the one who looks sees it
    return look;
  }

  async #list(unknown: readonly ProcessName[]): Promise<void> {
    const untilMs = performance.now() + BELIEVED_MS;
    const processes = await this.#bus.topology.processes();
    this.#aliveUntilMs.clear();
    for (const { incarnation } of processes) this.#aliveUntilMs.set(incarnation, untilMs);
    this.#gatewayCount = Math.max(1, processes.filter(isGateway).length);
    for (const owner of unknown) {
      const { incarnation } = owner;
      if (this.#aliveUntilMs.has(incarnation)) continue;
      if (this.#isAwaited(owner, processes) || (await this.#hasLeft(incarnation))) {
        this.#aliveUntilMs.set(incarnation, untilMs);
        continue;
      }
      if (this.#gone.size >= GONE_COUNT_MAX) this.#gone.clear();
      this.#gone.add(incarnation);
    }
  }

  /** Whether the process that is there in its place has been there for less than the hold time. */
  #isAwaited({ id }: ProcessName, processes: readonly ProcessEntry[]): boolean {
    const sinceUs = (Date.now() - this.#holdMs) * 1000;
    return processes.some(
      (each) => (each.id === id || each.expiresUs === null) && each.startedUs > sinceUs,
    );
  }

  async #hasLeft(incarnation: string): Promise<boolean> {
    const seats = await this.#seats();
    return (await seats.get(leftKey(incarnation))) !== null;
  }
}

function isGateway({ parts }: ProcessEntry): boolean {
  return parts !== "controlplane";
}
