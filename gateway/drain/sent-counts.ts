/**
 * How many clients this gateway has sent to each other one: their own counts come seconds later.
 */
import type { Peer } from "./peer.ts";
import type { SentCount } from "./plan.ts";

interface Entry {
  saidUs: number;
  sinceFacts: number;
  perS: number;
}

export class SentCounts {
  readonly #byId = new Map<string, Entry>();

  /** Facts may be new: what was sent before them is in them. */
  follow(peers: readonly Peer[]): void {
    for (const { id, saidUs } of peers) {
      const entry = this.#byId.get(id);
      if (entry === undefined || saidUs <= entry.saidUs) continue;
      entry.perS = (entry.sinceFacts * 1e6) / (saidUs - entry.saidUs);
      entry.sinceFacts = 0;
      entry.saidUs = saidUs;
    }
  }

  /** One more was sent. */
  add(id: string, peers: readonly Peer[]): void {
    let entry = this.#byId.get(id);
    if (entry === undefined) {
      const saidUs = peers.find((peer) => peer.id === id)?.saidUs ?? 0;
      entry = { saidUs, sinceFacts: 0, perS: 0 };
      this.#byId.set(id, entry);
    }
    entry.sinceFacts += 1;
  }

  /** For the plan of a slot. */
  get all(): ReadonlyMap<string, SentCount> {
    return this.#byId;
  }
}
