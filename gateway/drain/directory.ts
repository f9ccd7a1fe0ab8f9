/**
 * The other gateways, as this one saw them last: for the addresses in Welcome, and for drains.
 *
 * A control plane's stream lists them. Without one everybody reads everybody's lease, the square of
 * the fleet, so the larger it is the more seldom; who drains reads as often as facts are said.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Topology } from "../../bus/topology.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Gate } from "../../proto/gates/compile-gate.ts";
import { isCompatible } from "../../proto/gates/judge-client.ts";
import type { Clock } from "../clock.ts";
import type { Addresses } from "../control-link/addresses.ts";
import type { Log } from "../log.ts";
import { type Peer, readAddresses, readPeers } from "./peer.ts";
import { decideReadEveryMs, FACTS_MS } from "./read-every.ts";
import { chooseTargets, type KnownTarget, noteTargets } from "./targets.ts";

/** A control plane speaks every 5 s: one not heard for longer lists nobody any more, ms. */
const LISTED_MS_MAX = 15_000;
/** What was read of leases so lately is newer and finer than the list, ms. */
const READ_FRESH_MS = 2 * FACTS_MS;

/** What it reads. */
export interface DirectorySources {
  readonly bus: { readonly topology: Pick<Topology, "processes"> };
  /** As control planes list them. */
  readonly addresses: Addresses;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who asks. */
export interface DirectoryOwner {
  readonly id: string;
  readonly region: string;
  /** Where clients reach this gateway alone; empty for nowhere. */
  readonly url: string;
}

export class Directory {
  readonly #sources: DirectorySources;
  readonly #owner: DirectoryOwner;
  readonly #stop = new AbortController();
  #peers: readonly Peer[] = [];
  #known: readonly KnownTarget[] = [];
  #targets: readonly string[] = [];
  /** By the gates that limit them; one list for all such clients until the next read. */
  readonly #narrowTargets = new Map<string, readonly string[]>();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #hasFailed = false;

  constructor(sources: DirectorySources, owner: DirectoryOwner) {
    this.#sources = sources;
    this.#owner = owner;
    sources.addresses.follow(() => this.#takeListed());
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

  /** The same for clients that not every gateway fits: of those alone that do. */
  targetsFor(rules: readonly Gate[]): readonly string[] {
    if (rules.length === 0) return this.#targets;
    const key = rules.map(({ id }) => id).join(" ");
    let targets = this.#narrowTargets.get(key);
    if (targets === undefined) {
      const fitting = this.#known.filter(({ version }) => isCompatible(rules, version));
      targets = chooseTargets(fitting, this.#owner.id, this.#owner.region);
      this.#narrowTargets.set(key, targets);
    }
    return targets;
  }

  /** A gate has changed: lists for clients that not every gateway fits are made anew. */
  forgetTargets(): void {
    this.#narrowTargets.clear();
  }

  /** How long ago the leases were read, ms; Infinity before the first time. */
  get ageMs(): number {
    return performance.now() - this.#readAtMs;
  }

  /** Reads the leases, unless they were so lately; keeps the old picture when the bus is away. */
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
      if (this.#sources.addresses.ageMs < LISTED_MS_MAX) this.#takeListed();
      else await this.refresh(0);
      const waitMs = decideReadEveryMs(this.#peers.length + 1) * (0.8 + 0.4 * Math.random());
      // Aborted: the loop ends by its condition.
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #read(): Promise<void> {
    const { bus, clock, log } = this.#sources;
    try {
      const entries = await bus.topology.processes();
      this.#take(readPeers(entries, this.#owner.id, clock.nowUs()));
      this.#readAtMs = performance.now();
      this.#hasFailed = false;
    } catch (error) {
      const { code, detail } = CodedError.from(error);
      if (this.#hasFailed || this.#stop.signal.aborted) return;
      this.#hasFailed = true; // once for an outage
      log.warn({ code, detail }, "the other gateways can not be read");
    }
  }

  #takeListed(): void {
    if (this.ageMs < READ_FRESH_MS) return;
    const { addresses, clock } = this.#sources;
    this.#take(readAddresses(addresses.all.values(), this.#owner.id, clock.nowUs()));
  }

  #take(peers: readonly Peer[]): void {
    const { id, region, url } = this.#owner;
    this.#peers = peers;
    const others = peers.filter((peer) => peer.url !== url);
    this.#known = noteTargets(this.#known, others, performance.now());
    this.#targets = chooseTargets(this.#known, id, region);
    this.#narrowTargets.clear();
  }
}
