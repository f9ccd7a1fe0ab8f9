/**
 * The records of shards, groups and slots, and the one place that changes them. Runs in the worker,
 * inside its transactions.
 *
 * All appends go through this thread, so it is the fence between epochs: a change is decided and
 * written in the transaction that commits it, with its audit entry and its tables, and a crash
 * leaves all of it or nothing. That makes R10's steps between many processes one step here.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import type { GroupRecord } from "../../proto/gen/tidegate/bus/v1/group_record.ts";
import {
  ShardState as RecordState,
  type ShardSettings,
} from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import type { SlotRoute } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";
import { decodeGroup, encodeGroup } from "../group-record.ts";
import type { KeyWrite } from "../key-value.ts";
import {
  GROUP_PREFIX,
  groupKey,
  groupOfKey,
  ROUTE_PREFIX,
  routeKey,
  SHARD_PREFIX,
  shardKey,
  shardOfKey,
  slotOfKey,
} from "../record-keys.ts";
import { commit, decodeRoute, encodeRoute, firstRoute, type Route } from "../route.ts";
import type { ShardLimits } from "../shard-limits.ts";
import { decodeShardSettings, encodeShardSettings, toLimits, withLimits } from "../shard-record.ts";
import {
  checkGroupWish,
  checkKnownSlot,
  checkMove,
  decideChange,
  decideDeletion,
  decideGroupDeletion,
  decideShard,
  freeShard,
  missingGroup,
  newShard,
  type ShardUse,
  useOf,
} from "../shard-rules.ts";
import { groupOfSlot, SLOT_COUNT } from "../subjects.ts";
import { DEDUPE_WINDOW_US } from "../void.ts";
import type { KeyTable } from "./key-table.ts";
import type { LogLimits, ShardLog } from "./shard-log.ts";
import type { ShardLogs } from "./shard-logs.ts";
import { SlotRoutes } from "./slot-routes.ts";
import { NUMBER_TAKEN, type ShardRequest } from "./worker-protocol.ts";

/** A record, and the revision of its key. */
interface Kept<T> {
  readonly record: T;
  readonly revision: number;
}

export class ShardRegistry {
  readonly routes: SlotRoutes;
  readonly #keys: KeyTable;
  readonly #logs: ShardLogs;
  readonly #defaults: ShardLimits;
  readonly #onKeepsLess: (log: ShardLog) => void;
  #shards = new Map<number, Kept<ShardSettings>>();
  #groups = new Map<number, Kept<GroupRecord>>();
  /** Whether the present transaction has changed records. */
  #isChanged = false;

  /**
   * @param defaults limits of a shard that is made without.
   * @param onKeepsLess a log is to keep fewer messages of each room than before.
   */
  constructor(
    keys: KeyTable,
    logs: ShardLogs,
    defaults: ShardLimits,
    onKeepsLess: (log: ShardLog) => void,
  ) {
    this.#keys = keys;
    this.#logs = logs;
    this.#defaults = defaults;
    this.#onKeepsLess = onKeepsLess;
    this.routes = new SlotRoutes(logs);
  }

  /**
   * Makes group 0 with shard 0 in a store without, inside a transaction. Shard 0 follows the
   * options as long as nobody has changed it by a call.
   */
  prepare(nowUs: number): void {
    this.#read(nowUs);
    if (!this.#groups.has(0)) {
      const policy = { group: 0, region: "", capacity: 1 };
      const made = newShard(policy, this.#defaults, 1, nowUs);
      const record = { ...made, state: RecordState.ACTIVE };
      const dedupeWindowMs = DEDUPE_WINDOW_US / 1000;
      const group = encodeGroup({ firstShards: [0], dedupeWindowMs, isMade: true });
      this.#write(nowUs, [
        { key: shardKey(0), value: encodeShardSettings(record), revision: 0 },
        { key: groupKey(0), value: group, revision: 0 },
      ]);
      if (this.#logs.of(0) === undefined) this.#logs.create(0, limitsOf(record), 0);
    } else this.#followOptions(nowUs);
    this.#read(nowUs);
    this.#isChanged = false;
  }

  /** After a transaction that was committed. */
  settle(): void {
    this.#isChanged = false;
  }

  /** After a transaction that failed: what it changed is read again. */
  rollBack(nowUs: number): void {
    if (!this.#isChanged) return;
    this.#logs.load();
    this.#read(nowUs);
    this.#isChanged = false;
  }

  /**
   * Applies one change.
   *
   * @param lastSeq newest seq given out.
   * @returns the number of a shard made, or {@link NUMBER_TAKEN}; 0 for the others.
   * @throws {CodedError} as ShardAdmin says; nothing was changed then.
   */
  apply(request: ShardRequest, lastSeq: number, nowUs: number): number {
    switch (request.op) {
      case "shardCreate":
        return this.#create(request, lastSeq, nowUs);
      case "shardUpdate":
        return this.#update(request, nowUs);
      case "shardDelete":
        return this.#delete(request, nowUs);
      case "groupCreate":
        return this.#createGroup(request, lastSeq, nowUs);
      case "groupDelete":
        return this.#deleteGroup(request, nowUs);
      case "moveSlot":
        return this.#move(request, lastSeq, nowUs);
      default:
        throw request satisfies never;
    }
  }

  #create(request: Of<"shardCreate">, lastSeq: number, nowUs: number): number {
    const { shard, wish, along } = request;
    const record = { ...decideShard(wish, this.#defaults, nowUs), state: RecordState.ACTIVE };
    checkEmbeddedLimits(toLimits(record));
    if (!this.#groups.has(record.group)) throw missingGroup(record.group);
    if (freeShard(this.#shards) !== shard) return NUMBER_TAKEN;
    const value = encodeShardSettings(record);
    this.#commit(nowUs, [{ key: shardKey(shard), value, revision: 0 }, ...along]);
    this.#logs.create(shard, limitsOf(record), lastSeq);
    return shard;
  }

  #update({ shard, change, revision, along }: Of<"shardUpdate">, nowUs: number): number {
    const kept = this.#shards.get(shard);
    const log = this.#logs.of(shard);
    const [use, bytes] = [this.#useOf(shard), log?.bytes ?? 0];
    const record = decideChange(shard, kept?.record, change, revision, use, bytes, nowUs);
    checkEmbeddedLimits(toLimits(record));
    const write = { key: shardKey(shard), value: encodeShardSettings(record) };
    this.#commit(nowUs, [{ ...write, revision: kept?.revision ?? 0 }, ...along]);
    const countMax = kept?.record.roomMessageCountMax ?? 0;
    if (log !== undefined && record.roomMessageCountMax < countMax) this.#onKeepsLess(log);
    return 0;
  }

  #delete({ shard, discardHistory, along }: Of<"shardDelete">, nowUs: number): number {
    const kept = this.#shards.get(shard);
    const log = this.#logs.of(shard);
    const newestUs = log?.newestUs ?? 0;
    // Nothing is looked up in a shard that a slot has left: names are those of the whole store.
    const isLeftLongAgo = Number.POSITIVE_INFINITY;
    const use = this.#useOf(shard);
    decideDeletion(shard, kept?.record, use, newestUs, discardHistory, isLeftLongAgo, nowUs);
    const revision = kept?.revision ?? 0;
    this.#commit(nowUs, [{ key: shardKey(shard), value: null, revision }, ...along]);
    if (log !== undefined) this.#logs.abandon(log);
    return 0;
  }

  #createGroup(request: Of<"groupCreate">, lastSeq: number, nowUs: number): number {
    const { wish, shards, along } = request;
    checkGroupWish(wish, this.#groups);
    const records = wish.shards.map((each) => {
      const record = { ...decideShard(each, this.#defaults, nowUs), state: RecordState.ACTIVE };
      checkEmbeddedLimits(toLimits(record));
      return record;
    });
    const taken = new Set(this.#shards.keys());
    for (const shard of shards) {
      if (freeShard(taken) !== shard) return NUMBER_TAKEN;
      taken.add(shard);
    }
    const group = { firstShards: [...shards], dedupeWindowMs: 0, isMade: true };
    const writes = records.map((record, i) => {
      return { key: shardKey(shards[i] ?? -1), value: encodeShardSettings(record), revision: 0 };
    });
    const write = { key: groupKey(wish.group), value: encodeGroup(group), revision: 0 };
    this.#commit(nowUs, [write, ...writes, ...along]);
    for (const [i, record] of records.entries()) {
      this.#logs.create(shards[i] ?? -1, limitsOf(record), lastSeq);
    }
    return 0;
  }

  #deleteGroup(request: Of<"groupDelete">, nowUs: number): number {
    const { group, revision, shards: known, along } = request;
    if (!this.#groups.has(group)) throw missingGroup(group);
    const own = [...this.#shards].filter(([, { record }]) => record.group === group);
    const shards = own.map(([shard, { record, revision: kept }]) => {
      return { shard, record, kept, newestUs: this.#logs.of(shard)?.newestUs ?? 0 };
    });
    decideGroupDeletion(group, shards, nowUs);
    if (
      shards
        .map(({ shard }) => shard)
        .toSorted((a, b) => a - b)
        .join() !== known.join()
    ) {
      return NUMBER_TAKEN;
    }
    const slots = this.#keys.list(CONTROL_BUCKET, ROUTE_PREFIX, nowUs).flatMap((entry) => {
      const slot = slotOfKey(entry.key);
      if (slot === null || groupOfSlot(slot) !== group) return [];
      return [{ key: entry.key, value: null, revision: entry.revision }];
    });
    this.#commit(nowUs, [
      { key: groupKey(group), value: null, revision },
      ...shards.map(({ shard, kept }) => ({ key: shardKey(shard), value: null, revision: kept })),
      ...slots,
      ...along,
    ]);
    for (const { shard } of shards) {
      const log = this.#logs.of(shard);
      if (log !== undefined) this.#logs.abandon(log);
    }
    return 0;
  }

  /** R10 in one transaction: whatever it follows is in the epoch that ends, nothing after it. */
  #move({ slot, shard }: Of<"moveSlot">, lastSeq: number, nowUs: number): number {
    checkKnownSlot(slot, this.#groups);
    const route = this.routes.of(slot);
    if (route?.record.shard === shard) return 0;
    checkMove(slot, shard, this.#groups, this.#records());
    const source = this.routes.ownerOf(slot)?.log;
    const target = this.#logs.of(shard);
    if (route === null || target === undefined) throw new Error(`slot ${slot} has no owner`);
    const next = this.#endEpoch(slot, route.record, shard, lastSeq, nowUs);
    const write = { key: routeKey(slot), value: encodeRoute(next), revision: route.revision };
    const [revision = 0] = this.#write(nowUs, [write]);
    this.routes.set(slot, { record: next, revision });
    // What was refused before must not be overtaken in the new shard either (R3).
    if (source !== undefined && source.fence > target.fence) {
      [target.fence, target.refusal] = [source.fence, source.refusal];
    }
    return 0;
  }

  /** Earlier epochs of which nothing is left are forgotten, the oldest first. */
  #endEpoch(
    slot: number,
    record: SlotRoute,
    shard: number,
    lastSeq: number,
    nowUs: number,
  ): SlotRoute {
    const isEmpty = (sealed: SlotRoute["sealed"][number]) => {
      const log = this.#logs.of(sealed.shard);
      return log === undefined || log.trimmedSeq >= Number(sealed.lastSeq);
    };
    const first = record.sealed.findIndex((sealed) => !isEmpty(sealed));
    const sealed = first === -1 ? [] : record.sealed.slice(first);
    const targeted = { ...record, sealed, targetShard: shard };
    const next = commit(targeted, lastSeq, nowUs, Number.POSITIVE_INFINITY);
    const forgottenCount = sealed.length + 1 - next.sealed.length;
    const forgotten = forgottenCount > 0 ? sealed[forgottenCount - 1] : undefined;
    if (forgotten !== undefined) this.#logs.forget(slot, Number(forgotten.lastSeq));
    return next;
  }

  #useOf(shard: number): ShardUse {
    const routes: SlotRoute[] = [];
    for (const group of this.#groups.keys()) {
      for (let slot = group * SLOT_COUNT; slot < (group + 1) * SLOT_COUNT; slot += 1) {
        const route = this.routes.of(slot);
        if (route !== null) routes.push(route.record);
      }
    }
    return useOf(shard, routes);
  }

  #followOptions(nowUs: number): void {
    const kept = this.#shards.get(0);
    const isOfStart = this.#logs.of(0)?.id === 0 && kept?.record.revision === 1;
    if (kept === undefined || !isOfStart) return;
    const value = encodeShardSettings(withLimits(kept.record, this.#defaults));
    if (Buffer.compare(value, encodeShardSettings(kept.record)) === 0) return;
    this.#write(nowUs, [{ key: shardKey(0), value, revision: kept.revision }]);
  }

  /** Writes all or throws, then reads what it wrote. */
  #commit(nowUs: number, writes: readonly KeyWrite[]): void {
    this.#write(nowUs, writes);
    this.#read(nowUs);
  }

  /** @returns revisions of the keys written. */
  #write(nowUs: number, writes: readonly KeyWrite[]): readonly number[] {
    const revisions = this.#keys.apply({ op: "kvCommit", bucket: CONTROL_BUCKET, writes }, nowUs);
    this.#isChanged = true;
    return typeof revisions === "number" ? [revisions] : revisions;
  }

  #records(): Map<number, ShardSettings> {
    return new Map([...this.#shards].map(([shard, { record }]) => [shard, record]));
  }

  #read(nowUs: number): void {
    this.#shards = this.#readAll(SHARD_PREFIX, shardOfKey, decodeShardSettings, nowUs);
    this.#groups = this.#readAll(GROUP_PREFIX, groupOfKey, decodeGroup, nowUs);
    const moved = this.#readAll(ROUTE_PREFIX, slotOfKey, decodeRoute, nowUs);
    this.routes.load(moved, (slot) => this.#firstRoute(slot));
    for (const [shard, { record }] of this.#shards) {
      const log = this.#logs.of(shard);
      if (log !== undefined) log.limits = limitsOf(record);
    }
  }

  #firstRoute(slot: number): Route | null {
    const group = this.#groups.get(groupOfSlot(slot));
    return group === undefined ? null : firstRoute(slot, group.record.firstShards);
  }

  #readAll<T>(
    prefix: string,
    numberOf: (key: string) => number | null,
    decode: (value: Uint8Array) => T | null,
    nowUs: number,
  ): Map<number, Kept<T>> {
    const all = new Map<number, Kept<T>>();
    for (const { key, value, revision } of this.#keys.list(CONTROL_BUCKET, prefix, nowUs)) {
      const number = numberOf(key);
      const record = decode(value);
      if (number !== null && record !== null) all.set(number, { record, revision });
    }
    return all;
  }
}

type Of<K extends ShardRequest["op"]> = Extract<ShardRequest, { readonly op: K }>;

function limitsOf(record: ShardSettings): LogLimits {
  const { roomMessageCountMax, retentionMs, shardBytesMax } = toLimits(record);
  return { roomMessageCountMax, retentionUs: retentionMs * 1000, bytesMax: shardBytesMax };
}

/** One file has no copies, and no servers to choose from. */
function checkEmbeddedLimits({ replicaCount, placementTags }: ShardLimits): void {
  if (replicaCount === 1 && placementTags.length === 0) return;
  const detail = "the embedded bus keeps 1 copy, on the machine it runs on: no tags to place it by";
  throw new CodedError("BUS_UNSUITABLE", detail);
}
