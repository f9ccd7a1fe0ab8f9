/**
 * Which log takes a slot's messages, and which have its earlier epochs. Runs in the worker.
 *
 * What the records of the bucket "control" say, in a form that an append can use at once:
 * shard-registry.ts reads and writes the records.
 */
import { epochPlaces, type Route } from "../route.ts";
import type { ShardLog } from "./shard-log.ts";
import type { ShardLogs } from "./shard-logs.ts";

/** Who takes a slot's messages now. */
export interface SlotOwner {
  readonly epoch: number;
  readonly log: ShardLog;
}

/** An epoch of a slot, and where its messages are. */
export interface SlotPlace {
  readonly epoch: number;
  /** Undefined when its shard was deleted. */
  readonly log: ShardLog | undefined;
  /** Its messages have seqs from here. */
  readonly fromSeq: number;
  /** And up to here. */
  readonly toSeq: number;
}

export class SlotRoutes {
  readonly #logs: ShardLogs;
  #routes = new Map<number, Route>();
  /** Made when first asked for. */
  #owners: (SlotOwner | undefined)[] = [];
  #firstRoute: (slot: number) => Route | null = () => null;

  constructor(logs: ShardLogs) {
    this.#logs = logs;
  }

  /**
   * Takes the records.
   *
   * @param moved routes of slots that have a record.
   * @param firstRoute the route of any other; null when its group does not exist.
   */
  load(moved: ReadonlyMap<number, Route>, firstRoute: (slot: number) => Route | null): void {
    this.#routes = new Map(moved);
    this.#firstRoute = firstRoute;
    this.#owners = [];
  }

  /** Takes a slot's new record. */
  set(slot: number, route: Route): void {
    this.#routes.set(slot, route);
    this.#owners[slot] = undefined;
  }

  /** Undefined when the slot's group does not exist. Hot path: one array look. */
  ownerOf(slot: number): SlotOwner | undefined {
    return this.#owners[slot] ?? this.#findOwner(slot);
  }

  /** The slot's route; null when its group does not exist. */
  of(slot: number): Route | null {
    return this.#routes.get(slot) ?? this.#firstRoute(slot);
  }

  /** Readable epochs, oldest first; the last is the open one. None when there is no such group. */
  placesOf(slot: number): SlotPlace[] {
    const route = this.of(slot);
    if (route === null) return [];
    let fromSeq = route.revision === 0 ? 0 : this.#logs.forgottenSeq(slot) + 1;
    return epochPlaces(route).map(({ epoch, shard, lastSeq }) => {
      const toSeq = lastSeq ?? Number.MAX_SAFE_INTEGER;
      const place = { epoch, log: this.#logs.of(shard), fromSeq, toSeq };
      fromSeq = toSeq + 1;
      return place;
    });
  }

  #findOwner(slot: number): SlotOwner | undefined {
    const route = this.of(slot);
    const log = route === null ? undefined : this.#logs.of(route.record.shard);
    if (route === null || log === undefined) return undefined;
    const owner = { epoch: route.record.epoch, log };
    this.#owners[slot] = owner;
    return owner;
  }
}
