/**
 * Changing what the fleet stores with: shards, placement groups, and which shard has which slot.
 *
 * The bus keeps the records and does the work; who may ask for what, pace and order are the control
 * plane's. Both buses answer: test/bus/contract-shards.ts is the promise. A call either does all of
 * what it says, or nothing, or (`UNAVAILABLE` after its first write) is finished or undone by
 * others within seconds.
 */
import type { KeyWrite } from "./key-value.ts";
import type { ShardLimits } from "./shard-limits.ts";
import type { ShardState } from "./topology.ts";

/** Shards of a bus: numbers 0 to 255. */
export const SHARD_COUNT_MAX = 256;
/** Characters of a region: [a-z0-9-], or empty where there are none. */
export const REGION_CHARS_MAX = 32;
/** Shards that a group is made with, or deleted with: all of them are in one commit. */
export const GROUP_SHARD_COUNT_MAX = 64;
/** Highest capacity of a shard; capacities only count beside each other. */
export const CAPACITY_MAX = 1000;

/** A shard that is wanted. Limits that are left out are those of this process's options. */
export interface ShardWish extends Partial<ShardLimits> {
  /** 0 to 15. */
  readonly group: number;
  /** [a-z0-9-], at most REGION_CHARS_MAX; empty for none. */
  readonly region: string;
  /** What it can carry beside the others of its group: above 0, at most CAPACITY_MAX. */
  readonly capacity: number;
}

/** What is to be otherwise of a shard; what is left out stays. */
export interface ShardChange extends Partial<ShardLimits> {
  /**
   * "draining": it takes no slots any more. "retired": it has none, and is kept for its history.
   * Any state may follow any other; only "retired" is refused while it owns slots.
   */
  readonly state?: ShardState;
  readonly region?: string;
  readonly capacity?: number;
}

/** A group that is wanted. */
export interface GroupWish {
  /** 0 to 15. */
  readonly group: number;
  /**
   * Shards of this group that it begins with, 1 to GROUP_SHARD_COUNT_MAX, in the order that decides
   * who owns what: slot s (0 to 1023) is owned by the (s mod count)-th.
   */
  readonly shards: readonly ShardWish[];
}

/**
 * What is written in the same commit as a shard's record, to the bucket "control": the audit entry
 * of the change. Is called with the number of the shard, perhaps again when a write raced.
 */
export type Along = (number: number) => readonly KeyWrite[];

/** The same of a group, called with the numbers of the shards that it is made with. */
export type GroupAlong = (shards: readonly number[]) => readonly KeyWrite[];

/** Steps of a move on NATS, as R10 has them; "commit" begins with the marker. */
export type MoveStep = "prepare" | "seal" | "remove" | "commit";

/** See the file's header. Every call throws `UNAVAILABLE` when the bus can not do it now. */
export interface ShardAdmin {
  /**
   * Makes a shard; every process uses it from then on. It owns no slots.
   *
   * @returns its number, the lowest free one.
   * @throws {CodedError} `NOT_FOUND` for the group, also when it is deleted meanwhile;
   *   `REQUEST_INVALID` for a wish out of bounds; `SHARD_LIMIT` when all numbers
   *   are taken; `BUS_UNSUITABLE` when the servers can not hold it (copies, tags, space).
   */
  create(wish: ShardWish, along?: Along): Promise<number>;

  /**
   * Changes a shard, live in every process.
   *
   * @param revision of the settings that the caller has seen (ShardSetting.revision).
   * @throws {CodedError} `NOT_FOUND`; `ETAG_MISMATCH`; `REQUEST_INVALID`; `SHARD_IN_USE`: retired
   *   while it owns slots, or slots arrive; `CAPACITY_BELOW_USE`: fewer bytes than it holds;
   *   `BUS_UNSUITABLE`.
   */
  update(shard: number, change: ShardChange, revision: number, along?: Along): Promise<void>;

  /**
   * Deletes a shard and what it stores.
   *
   * @param options.discardHistory also messages that members could still read back.
   * @throws {CodedError} `NOT_FOUND`; `SHARD_IN_USE` while it owns slots, slots arrive, or one left
   *   it so lately that publishes are still looked up there (30 s, R4); `HISTORY_KEPT` while its
   *   newest message is within retention.
   */
  delete(
    shard: number,
    options: { readonly discardHistory: boolean },
    along?: Along,
  ): Promise<void>;

  /**
   * Makes a placement group and its shards, all in one commit; from then on its slots can be used.
   *
   * @returns numbers of its shards, in the order of the wish.
   * @throws {CodedError} `REQUEST_INVALID`; `ALREADY_EXISTS`; `SHARD_LIMIT`; `BUS_UNSUITABLE`.
   */
  createGroup(wish: GroupWish, along?: GroupAlong): Promise<readonly number[]>;

  /**
   * Deletes a placement group with its slots and shards, all in one commit.
   *
   * That no room class is in it is the caller's to see to, by the revision: who puts one there
   * takes {@link holdGroup} along, which changes it.
   *
   * @param revision of its record (groupKey in the bucket "control") that the caller decided by.
   * @throws {CodedError} `NOT_FOUND`; `ETAG_MISMATCH`; `GROUP_IN_USE` for group 0, and for more
   *   than GROUP_SHARD_COUNT_MAX shards; `HISTORY_KEPT` while one of them stores a message.
   */
  deleteGroup(group: number, revision: number, along?: GroupAlong): Promise<void>;

  /**
   * R10: gives a slot its next epoch, in `shard`; members notice milliseconds of delay. Nothing
   * happens when the shard owns the slot already, so a move may be asked for again.
   *
   * @param mayAct is called before each act, and throws when the mover may not act any more (its
   *   leadership is lost): the move ends there, and others finish or undo it.
   * @throws {CodedError} `REQUEST_INVALID`: no such slot, or the shard is of another group;
   *   `NOT_FOUND` for the shard; `SHARD_NOT_ACTIVE`: it is draining or retired; what `mayAct`
   *   throws; `UNAVAILABLE`: not done, or finished or undone by others soon: read the slot again.
   * @param onStep is told of each step as it begins, where there are some. Must not throw.
   */
  moveSlot(
    slot: number,
    shard: number,
    mayAct?: () => void,
    onStep?: (step: MoveStep) => void,
  ): Promise<void>;
}
