/**
 * The other gateways, as this one saw them last: for the addresses in Welcome, and for drains.
 *
 * Everybody reading everybody is the square of the fleet, so the larger it is the more seldom it is
 * read; who drains reads as often as facts are said.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { type Peer, readPeers } from "./peer.ts";
import { decideReadEveryMs } from "./read-every.ts";
import { chooseTargets, type KnownTarget, noteTargets } from "./targets.ts";

/** Who asks. */
export interface DirectoryOwner {
  readonly id: string;
  readonly region: string;
  /** Where clients reach this gateway alone; empty for nowhere. */
  readonly url: string;
}

export class Directory {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #owner: DirectoryOwner;
  readonly #stop = new AbortController();
  #peers: readonly Peer[] = [];
  #known: readonly KnownTarget[] = [];
  #targets: readonly string[] = [];
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #hasFailed = false;

  constructor(bus: Bus, log: Log, clock: Clock, owner: DirectoryOwner) {
    this.#bus = bus;
    this.#log = log;
    this.#clock = clock;
    this.#owner = owner;
    void this.#readOnAndOn();
  }

  /** As they were read last; none before the first read. */
  get peers(): readonly Peer[] {
    return this.#peers;
  }

  /** The addresses that a client is given now, one list for all until the next read. */
  get targets(): readonly string[] {
    return this.#targets;
  }

  /** How old the picture is, ms; Infinity before the first. */
  get ageMs(): number {
    return performance.now() - this.#readAtMs;
  }

  /** Reads again, unless what is known is younger; keeps the old picture when the bus is away. */
  refresh(ageMaxMs: number): Promise<void> {
    if (this.ageMs < ageMaxMs) return Promise.resolve();
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** Reads no more. */
  close(): void {
    this.#stop.abort();
  }

  async #readOnAndOn(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.refresh(0);
      const waitMs = decideReadEveryMs(this.#peers.length + 1) * (0.8 + 0.4 * Math.random());
      // Aborted: the loop ends by its condition.
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #read(): Promise<void> {
    const { id, region, url } = this.#owner;
    try {
      const entries = await this.#bus.topology.processes();
      const peers = readPeers(entries, id, this.#clock.nowUs());
      this.#peers = peers;
      const others = peers.filter((peer) => peer.url !== url);
      this.#known = noteTargets(this.#known, others, performance.now());
      this.#targets = chooseTargets(this.#known, id, region);
      this.#readAtMs = performance.now();
      this.#hasFailed = false;
    } catch (error) {
      const { code, detail } = CodedError.from(error);
      if (this.#hasFailed || this.#stop.signal.aborted) return;
      this.#hasFailed = true; // once for an outage
      this.#log.warn({ code, detail }, "the other gateways can not be read");
    }
  }
}
