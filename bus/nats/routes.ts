/**
 * Routing records as this process knows them: a live copy of the bus KV's (R10).
 *
 * Followed by watch; read again where a watch may be behind: on a refusal, after a reconnect and
 * after a stall, always before the next publish (publish-gate.ts).
 */
import type { KeyValue, KeyValueEntry } from "../key-value.ts";
import { SLOT_COUNT } from "../subjects.ts";
import { decodeRoute, firstRoute, type Route } from "./route.ts";
import type { Troubles } from "./troubles.ts";

/** What keys of slots' records begin with. */
export const ROUTE_PREFIX = "slot.";

/** Told of each change of a slot's record. */
export type RouteListener = (slot: number, route: Route, before: Route) => void;

/** KV key of a slot's record. */
export function routeKey(slot: number): string {
  return `${ROUTE_PREFIX}0-${slot}`;
}

/** The slot of a record's key; NaN for another key. */
export function slotOfRouteKey(key: string): number {
  return key.startsWith(`${ROUTE_PREFIX}0-`) ? Number(key.slice(`${ROUTE_PREFIX}0-`.length)) : NaN;
}

export class Routes {
  readonly #kv: KeyValue;
  readonly #troubles: Troubles;
  readonly #routes: Route[];
  readonly #listeners: RouteListener[] = [];
  readonly #revisionListeners: (() => void)[] = [];
  #stop: () => void = () => {};
  /**
   * Every record up to this KV revision is applied: the watch has shown it, which is in order, or
   * it was read with all others. One slot's record, read alone, says nothing of the others'.
   */
  revision = 0;

  private constructor(kv: KeyValue, shardCount: number, troubles: Troubles) {
    this.#kv = kv;
    this.#troubles = troubles;
    this.#routes = Array.from({ length: SLOT_COUNT }, (_, slot) => firstRoute(slot, shardCount));
  }

  /** Reads all records, then follows their changes. */
  static async watch(kv: KeyValue, shardCount: number, troubles: Troubles): Promise<Routes> {
    const routes = new Routes(kv, shardCount, troubles);
    const { promise, resolve } = Promise.withResolvers<void>();
    routes.#stop = await kv.watch(ROUTE_PREFIX, {
      onChange: ({ key, value, revision }) => {
        if (value !== null) routes.#take({ key, value, revision });
        routes.#goneThrough(revision);
      },
      onSynced: resolve,
    });
    await promise;
    return routes;
  }

  /** The route of a slot. Hot path: one array look. */
  of(slot: number): Route {
    const route = this.#routes[slot];
    if (route === undefined) throw new RangeError(`there is no slot ${slot}`);
    return route;
  }

  /** Calls `listener` for each change from now on. */
  follow(listener: RouteListener): void {
    this.#listeners.push(listener);
  }

  /** Calls `listener` after {@link Routes.revision} has risen. */
  followRevision(listener: () => void): void {
    this.#revisionListeners.push(listener);
  }

  /** Reads one slot's record. @throws {CodedError} `UNAVAILABLE`. */
  async refresh(slot: number): Promise<Route> {
    const entry = await this.#kv.get(routeKey(slot));
    if (entry !== null) this.#take(entry);
    return this.of(slot);
  }

  /** Reads all records. @throws {CodedError} `UNAVAILABLE`. */
  async reload(): Promise<void> {
    const entries = await this.#kv.list(ROUTE_PREFIX);
    for (const entry of entries) this.#take(entry);
    this.#goneThrough(entries.reduce((highest, { revision }) => Math.max(highest, revision), 0));
  }

  close(): void {
    this.#stop();
  }

  #goneThrough(revision: number): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    for (const listener of this.#revisionListeners) listener();
  }

  #take({ key, value, revision }: KeyValueEntry): void {
    const slot = slotOfRouteKey(key);
    const before = this.#routes[slot];
    const record = decodeRoute(value);
    if (before === undefined || record === null) {
      this.#troubles.note("broken_record", () => ({ key })); // the last good one stays in force
      return;
    }
    if (revision <= before.revision) return;
    const route = { record, revision };
    this.#routes[slot] = route;
    for (const listener of this.#listeners) listener(slot, route, before);
  }
}
