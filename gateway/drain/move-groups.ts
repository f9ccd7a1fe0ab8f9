/**
 * Clients that are to move, by the gateways that they may go to: version gates say which fit.
 *
 * Without such gates there is one group, and this costs nothing. What it knows is of one turn.
 */
import { isCompatible } from "../../proto/gates/judge-client.ts";
import type { Connection } from "../connection.ts";
import type { Gates } from "../gates/gates.ts";
import { freeCount, type Peer } from "./peer.ts";

/** Connections that may go to the same gateways. */
export interface MoveGroup {
  /** Same for the same rules in each turn; empty for those without. */
  readonly key: string;
  readonly peers: readonly Peer[];
  /**
   * Whether some gateway that takes clients does not fit: then an address of its own is needed,
   * since behind a common one any of them may be.
   */
  readonly isNarrow: boolean;
  /** Addresses of those that fit and take clients. */
  readonly urls: ReadonlySet<string>;
  readonly waiting: Connection[];
}

/** The groups of one turn. */
export class MoveGroups {
  readonly #gates: Gates;
  readonly #peers: readonly Peer[];
  readonly #groups = new Map<string, MoveGroup>();

  /** @param peers that may take anybody at all. */
  constructor(gates: Gates, peers: readonly Peer[]) {
    this.#gates = gates;
    this.#peers = peers;
  }

  /** Those with somebody who waits. */
  get all(): readonly MoveGroup[] {
    return [...this.#groups.values()].filter(({ waiting }) => waiting.length > 0);
  }

  /** Adds a connection; false when none that fits takes it now, and it stays. */
  add(connection: Connection): boolean {
    const group = this.#groupOf(connection);
    if (group.isNarrow && !connection.targets.some((url) => group.urls.has(url))) return false;
    group.waiting.push(connection);
    return true;
  }

  #groupOf(connection: Connection): MoveGroup {
    const { identity } = connection;
    const rules = identity === null ? [] : this.#gates.gatewayRules(connection, identity);
    const key = rules.map(({ id }) => id).join(" ");
    let group = this.#groups.get(key);
    if (group === undefined) {
      const peers =
        rules.length === 0
          ? this.#peers
          : this.#peers.filter(({ version }) => isCompatible(rules, version));
      const takes = (peer: Peer) => peer.isServing && freeCount(peer) > 0;
      const able = peers.filter(takes);
      const isNarrow = able.length < this.#peers.filter(takes).length;
      const urls = new Set(able.flatMap(({ url }) => (url === "" ? [] : [url])));
      group = { key, peers, isNarrow, urls, waiting: [] };
      this.#groups.set(key, group);
    }
    return group;
  }
}
