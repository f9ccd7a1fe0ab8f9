/**
 * Routing records as this process knows them: a live copy of the bus KV's (R10).
 *
 * Followed by watch; read again where a watch may be behind: on a refusal, after a reconnect and
 * after a stall, always before the next publish (publish-gate.ts).
 */
import type { KeyValue, KeyValueChange, KeyValueEntry } from "../key-value.ts";
import { RECORD_PREFIXES, ROUTE_PREFIX, routeKey, slotOfKey } from "../record-keys.ts";
import { decodeRoute, firstRoute, NO_ROUTE, type Route } from "../route.ts";
import { GROUP_COUNT_MAX, groupOfSlot, SLOT_COUNT } from "../subjects.ts";
import type { ShardRegistry } from "./shard-registry.ts";
import type { Troubles } from "./troubles.ts";

/** Told of each change of a slot's record. */
export type RouteListener = (slot: number, route: Route, before: Route) => void;

export class Routes {
  readonly #kv: KeyValue;
  readonly #registry: ShardRegistry;
  readonly #troubles: Troubles;
  /** By slot, of all groups there may be; NO_ROUTE of those that are not there. */
  readonly #routes: Route[] = Array.from({ length: GROUP_COUNT_MAX * SLOT_COUNT }, () => NO_ROUTE);
  readonly #listeners: RouteListener[] = [];
  readonly #revisionListeners: (() => void)[] = [];
  #stop: () => void = () => {};
  /**
   * Every record up to this KV revision is applied: the watch has shown it, which is in order, or
   * it was read with all others. One slot's record, read alone, says nothing of the others'.
   */
  revision = 0;

  private constructor(kv: KeyValue, registry: ShardRegistry, troubles: Troubles) {
    this.#kv = kv;
    this.#registry = registry;
    this.#troubles = troubles;
    for (const group of registry.groups.keys()) this.#openGroup(group);
    registry.followGroups((group, record) => {
      if (record !== null) this.#openGroup(group);
      else this.#closeGroup(group);
    });
  }

  /** Reads all records, of shards and groups too, then follows their changes. */
  static async watch(kv: KeyValue, registry: ShardRegistry, troubles: Troubles): Promise<Routes> {
    const routes = new Routes(kv, registry, troubles);
    const { promise, resolve } = Promise.withResolvers<void>();
    routes.#stop = await kv.watch(RECORD_PREFIXES, {
      onChange: ({ key, value, revision }) => {
        if (!key.startsWith(ROUTE_PREFIX)) registry.take(key, value, revision);
        else if (value !== null) routes.#take({ key, value, revision });
        else routes.#drop(key);
        routes.#goneThrough(revision);
      },
      onSynced: resolve,
    });
    await promise;
    return routes;
  }

  /** The route of a slot; NO_ROUTE of one whose group does not exist. Hot path: one array look. */
  of(slot: number): Route {
    return this.#routes[slot] ?? NO_ROUTE;
  }

  /** Slots of the groups that exist, ascending. */
  *slots(): Generator<number> {
    for (const group of [...this.#registry.groups.keys()].sort((a, b) => a - b)) {
      yield* slotsOfGroup(group);
    }
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

  /** A record that this process has just written. */
  learn(slot: number, route: Route): Route {
    if (route.revision > this.of(slot).revision) this.#set(slot, route);
    return route;
  }

  /**
   * A record that came another way, perhaps before the watch shows it: then it counts, and the
   * watch acknowledges it when it has come there. What the watch has gone past is known already,
   * deletions included.
   */
  hint({ key, value, revision }: KeyValueChange): void {
    if (value === null || revision <= this.revision) return;
    if (key.startsWith(ROUTE_PREFIX)) this.#take({ key, value, revision });
    else this.#registry.take(key, value, revision);
  }

  /** Reads all records. @throws {CodedError} `UNAVAILABLE`. */
  async reload(): Promise<void> {
    await this.#registry.reload();
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

  #openGroup(group: number): void {
    const firstShards = this.#registry.groups.get(group)?.firstShards ?? [];
    for (const slot of slotsOfGroup(group)) {
      if (this.of(slot) === NO_ROUTE) this.#set(slot, firstRoute(slot, firstShards));
    }
  }

  #closeGroup(group: number): void {
    for (const slot of slotsOfGroup(group)) this.#set(slot, NO_ROUTE);
  }

  /** A record goes with its group. */
  #drop(key: string): void {
    const slot = slotOfKey(key);
    if (slot === null) return;
    const firstShards = this.#registry.groups.get(groupOfSlot(slot))?.firstShards;
    this.#set(slot, firstShards === undefined ? NO_ROUTE : firstRoute(slot, firstShards));
  }

  #take({ key, value, revision }: KeyValueEntry): void {
    const slot = slotOfKey(key);
    const record = decodeRoute(value);
    if (slot === null || record === null) {
      this.#troubles.note("broken_record", () => ({ key })); // the last good one stays in force
      return;
    }
    if (revision <= this.of(slot).revision) return;
    this.#set(slot, { record, revision });
  }

  #set(slot: number, route: Route): void {
    const before = this.of(slot);
    this.#routes[slot] = route;
    for (const listener of this.#listeners) listener(slot, route, before);
  }
}

/** Slots of one group, ascending. */
export function slotsOfGroup(group: number): number[] {
  return Array.from({ length: SLOT_COUNT }, (_, i) => group * SLOT_COUNT + i);
}
