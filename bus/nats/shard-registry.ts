/**
 * Shards and placement groups as this process knows them: a live copy of their records.
 *
 * Routes follows them in one watch with those of slots, so that no slot is seen on a shard that is
 * not. A shard made while gateways run is used by them, and one that was deleted is forgotten. What
 * the watch may not have shown yet is read where it decides something.
 */
import type { GroupRecord } from "../../proto/gen/tidegate/bus/v1/group_record.ts";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { decodeGroup } from "../group-record.ts";
import type { KeyValue } from "../key-value.ts";
import {
  GROUP_PREFIX,
  groupKey,
  groupOfKey,
  SHARD_PREFIX,
  shardKey,
  shardOfKey,
} from "../record-keys.ts";
import { decodeShardSettings, isThere } from "../shard-record.ts";
import type { Troubles } from "./troubles.ts";

/** A shard of which no record has been seen is asked for again after this, ms. */
const ASK_MS = 1000;
/** Clocks of ready machines differ by less (R2). Microseconds. */
const CLOCK_SKEW_US = 1_000_000;

/** A shard's record, and its revision in the bucket. */
export interface ShardRecord {
  readonly settings: ShardSettings;
  readonly revision: number;
}

/**
 * Told of a shard's change; `before` and `now` are null while it is not there. Both are there and
 * differ in `createdUs` when it was deleted and another made with its number.
 */
export type ShardListener = (
  shard: number,
  now: ShardSettings | null,
  before: ShardSettings | null,
) => void;

export class ShardRegistry {
  readonly #kv: KeyValue;
  readonly #troubles: Troubles;
  /** All records, also of shards that are being made or deleted. */
  readonly #records = new Map<number, ShardRecord>();
  /** Shards that are there. */
  readonly #there = new Map<number, ShardSettings>();
  readonly #groups = new Map<number, GroupRecord>();
  /** Shards that certainly have no record. */
  readonly #absent = new Set<number>();
  /** When a shard without a record was asked for. */
  readonly #askedMs = new Map<number, number>();
  readonly #shardListeners: ShardListener[] = [];
  readonly #groupListeners: ((group: number, record: GroupRecord | null) => void)[] = [];

  /** {@link take} must be told of every record. */
  constructor(kv: KeyValue, troubles: Troubles) {
    this.#kv = kv;
    this.#troubles = troubles;
  }

  /** Shards that are there, by number. */
  get shards(): ReadonlyMap<number, ShardSettings> {
    return this.#there;
  }

  /** Every record, also of shards that are being made or deleted. */
  get records(): ReadonlyMap<number, ShardRecord> {
    return this.#records;
  }

  /** Groups that exist, by number. */
  get groups(): ReadonlyMap<number, GroupRecord> {
    return this.#groups;
  }

  /** Numbers of the shards that are there, ascending. */
  numbers(): number[] {
    return [...this.#there.keys()].sort((a, b) => a - b);
  }

  /** The longest any shard keeps messages, microseconds. */
  get retentionUs(): number {
    let longest = 0;
    for (const { retentionMs } of this.#there.values()) {
      longest = Math.max(longest, Number(retentionMs));
    }
    return longest * 1000;
  }

  /**
   * Whether the shard that had an epoch, which ended at `endUs`, was deleted since. False while it
   * is not certain.
   */
  readonly isGone = (shard: number, endUs: number): boolean => {
    const settings = this.#there.get(shard);
    if (settings !== undefined) return endUs + CLOCK_SKEW_US < Number(settings.createdUs);
    if (this.#records.has(shard) || this.#absent.has(shard)) return true;
    this.#ask(shard);
    return false;
  };

  /** Calls `listener` for each change from now on. */
  follow(listener: ShardListener): void {
    this.#shardListeners.push(listener);
  }

  /** Calls `listener` for each group that is made (or deleted: null) from now on. */
  followGroups(listener: (group: number, record: GroupRecord | null) => void): void {
    this.#groupListeners.push(listener);
  }

  /** Reads one shard's record. @throws {CodedError} `UNAVAILABLE`. */
  async refresh(shard: number): Promise<ShardRecord | null> {
    const before = this.#records.get(shard);
    const entry = await this.#kv.get(shardKey(shard));
    if (entry !== null) this.#takeShard(entry.key, entry.value, entry.revision);
    else this.#drop(shard, before);
    return this.#records.get(shard) ?? null;
  }

  /** Reads all records. @throws {CodedError} `UNAVAILABLE`. */
  async reload(): Promise<void> {
    const [before, groupsBefore] = [new Map(this.#records), new Map(this.#groups)];
    const [shards, groups] = await Promise.all([
      this.#kv.list(SHARD_PREFIX),
      this.#kv.list(GROUP_PREFIX),
    ]);
    const found = new Set(shards.map(({ key }) => shardOfKey(key)));
    for (const { key, value, revision } of shards) this.#takeShard(key, value, revision);
    for (const [shard, record] of before) if (!found.has(shard)) this.#drop(shard, record);
    for (const { key, value } of groups) this.#takeGroup(key, value);
    const foundGroups = new Set(groups.map(({ key }) => groupOfKey(key)));
    for (const [group, record] of groupsBefore) {
      const isGone = !foundGroups.has(group) && this.#groups.get(group) === record;
      if (isGone) this.#takeGroup(groupKey(group), null);
    }
  }

  /** A watch shows a key as it is now; those of slots are none of ours. */
  take(key: string, value: Uint8Array | null, revision: number): void {
    if (groupOfKey(key) !== null) this.#takeGroup(key, value);
    else this.#takeShard(key, value, revision);
  }

  /** A read found no record; a watch may have shown a newer one meanwhile. */
  #drop(shard: number, before: ShardRecord | undefined): void {
    if (this.#records.get(shard) !== before) return;
    this.#takeShard(shardKey(shard), null, before?.revision ?? 0);
  }

  #takeShard(key: string, value: Uint8Array | null, revision: number): void {
    const shard = shardOfKey(key);
    if (shard === null) return;
    const known = this.#records.get(shard);
    if (known !== undefined && revision < known.revision) return;
    if (known?.revision === revision && value !== null) return;
    const settings = value === null ? null : decodeShardSettings(value);
    if (value !== null && settings === null) {
      this.#troubles.note("broken_record", () => ({ key })); // the last good one stays in force
      return;
    }
    const before = this.#there.get(shard) ?? null;
    const now = settings !== null && isThere(settings) ? settings : null;
    if (settings === null) this.#records.delete(shard);
    else this.#records.set(shard, { settings, revision });
    if (now === null) this.#there.delete(shard);
    else this.#there.set(shard, now);
    if (settings === null) this.#absent.add(shard);
    else this.#absent.delete(shard);
    if (now === before) return;
    for (const listener of this.#shardListeners) listener(shard, now, before);
  }

  #takeGroup(key: string, value: Uint8Array | null): void {
    const group = groupOfKey(key);
    if (group === null) return;
    const record = value === null ? null : decodeGroup(value);
    if (value !== null && record === null) {
      this.#troubles.note("broken_record", () => ({ key }));
      return;
    }
    const isKnown = this.#groups.has(group);
    if (record === null) this.#groups.delete(group);
    else this.#groups.set(group, record);
    if (isKnown === (record !== null)) return;
    for (const listener of this.#groupListeners) listener(group, record);
  }

  #ask(shard: number): void {
    const nowMs = performance.now();
    if (nowMs - (this.#askedMs.get(shard) ?? Number.NEGATIVE_INFINITY) < ASK_MS) return;
    this.#askedMs.set(shard, nowMs);
    this.refresh(shard).catch(() => {}); // asked again by the next who needs to know
  }
}
