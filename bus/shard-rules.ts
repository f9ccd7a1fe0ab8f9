/**
 * What may be done to shards and groups, and what their records are then: the rules of
 * bus/shard-admin.ts, the same on both buses.
 *
 * Pure: records and numbers in, records out; each function throws what its call of ShardAdmin says.
 */
import { CodedError } from "../proto/coded-error.ts";
import {
  ShardState as RecordState,
  type ShardSettings,
} from "../proto/gen/tidegate/bus/v1/shard_settings.ts";
import type { SlotRoute } from "../proto/gen/tidegate/bus/v1/slot_route.ts";
import {
  CAPACITY_MAX,
  GROUP_SHARD_COUNT_MAX,
  type GroupWish,
  REGION_CHARS_MAX,
  SHARD_COUNT_MAX,
  type ShardChange,
  type ShardWish,
} from "./shard-admin.ts";
import { checkShardLimits, type ShardLimits } from "./shard-limits.ts";
import { isThere, stateOf, toLimits, toRecordState, withLimits } from "./shard-record.ts";
import { GROUP_COUNT_MAX, groupOfSlot, SLOT_COUNT } from "./subjects.ts";
import type { ShardState } from "./topology.ts";

/** Limits are in force within this after a change was decided, or it has failed. */
const CHANGE_US_MAX = 10_000_000;

const regionPattern = new RegExp(`^[a-z0-9-]{0,${REGION_CHARS_MAX}}$`);
const stateNames: readonly ShardState[] = ["active", "draining", "retired"];

/** What slots' records say of a shard. */
export interface ShardUse {
  readonly ownedCount: number;
  /** On their way to it, from elsewhere. */
  readonly arrivingCount: number;
  /** When a slot left it last; 0 for never. */
  readonly leftUs: number;
}

/** The record of a new shard: being made, until its store is there. */
export function decideShard(wish: ShardWish, defaults: ShardLimits, nowUs: number): ShardSettings {
  const { group, region, capacity } = wish;
  checkGroupNumber(group);
  checkPolicy({ region, capacity });
  const limits = { ...defaults, ...definedLimits(wish) };
  checkShardLimits(limits, "", "REQUEST_INVALID");
  return newShard({ group, region, capacity }, limits, 1, nowUs);
}

/** A shard's first record. */
export function newShard(
  policy: { readonly group: number; readonly region: string; readonly capacity: number },
  limits: ShardLimits,
  revision: number,
  nowUs: number,
): ShardSettings {
  const at = BigInt(nowUs);
  const none: ShardSettings = {
    ...{ replicaCount: 0, roomMessageCountMax: 0, retentionMs: 0n, bytesMax: 0n },
    ...{ placementTags: [], retiredUs: 0n, wholeFromUs: 0n, createdUs: at, stateUs: at },
    ...{ revision, state: RecordState.CREATING, ...policy },
  };
  return withLimits(none, limits);
}

/** The lowest number that no shard has. */
export function freeShard(taken: { has(shard: number): boolean }): number {
  for (let shard = 0; shard < SHARD_COUNT_MAX; shard += 1) if (!taken.has(shard)) return shard;
  const detail = `there are ${SHARD_COUNT_MAX} shards, as many as there may be`;
  throw new CodedError("SHARD_LIMIT", detail);
}

/**
 * A shard's record after a change.
 *
 * @param revision that the caller has seen.
 * @param bytes that the shard holds.
 */
export function decideChange(
  shard: number,
  record: ShardSettings | undefined,
  change: ShardChange,
  revision: number,
  use: ShardUse,
  bytes: number,
  nowUs: number,
): ShardSettings {
  const kept = checkThere(shard, record);
  if (kept.revision !== revision) {
    const detail = `shard ${shard} is at revision ${kept.revision}, no longer at ${revision}`;
    throw new CodedError("ETAG_MISMATCH", detail);
  }
  checkPolicy(change);
  const limits = definedLimits(change);
  checkShardLimits(limits, "", "REQUEST_INVALID");
  const { shardBytesMax } = limits;
  if (shardBytesMax !== undefined && shardBytesMax < Number(kept.bytesMax)) {
    checkBytes(shard, shardBytesMax, bytes);
  }
  const changed = withLimits(kept, { ...toLimits(kept), ...limits });
  return {
    ...withState(shard, changed, change.state, use, nowUs),
    region: change.region ?? kept.region,
    capacity: change.capacity ?? kept.capacity,
    wholeFromUs: isTrimmed(kept, changed) ? BigInt(nowUs + CHANGE_US_MAX) : kept.wholeFromUs,
    revision: kept.revision + 1,
  };
}

/** The record of a shard that is deleted. @param leftUsMin a slot that left later may be probed. */
export function decideDeletion(
  shard: number,
  record: ShardSettings | undefined,
  use: ShardUse,
  newestUs: number,
  discardHistory: boolean,
  leftUsMin: number,
  nowUs: number,
): ShardSettings {
  const kept = checkThere(shard, record);
  checkUnused(shard, use);
  const endUs = newestUs + Number(kept.retentionMs) * 1000;
  if (newestUs > 0 && endUs > nowUs && !discardHistory) {
    const until = new Date(endUs / 1000).toISOString();
    const detail = `shard ${shard} holds messages that can be read back until ${until}`;
    throw new CodedError("HISTORY_KEPT", detail);
  }
  if (use.leftUs > leftUsMin) {
    const waitS = Math.ceil((use.leftUs - leftUsMin) / 1e6);
    const detail = `a slot left shard ${shard} just now; publishes are looked up there for ${waitS} s`;
    throw new CodedError("SHARD_IN_USE", detail);
  }
  return deleted(kept, nowUs);
}

function deleted(record: ShardSettings, nowUs: number): ShardSettings {
  const state = RecordState.DELETING;
  return { ...record, state, stateUs: BigInt(nowUs), revision: record.revision + 1 };
}

/** Refuses a group that can not be made. */
export function checkGroupWish(
  { group, shards }: GroupWish,
  groups: { has(group: number): boolean },
): void {
  checkGroupNumber(group);
  if (groups.has(group)) throw new CodedError("ALREADY_EXISTS", `group ${group} exists`);
  const isCounted = shards.length >= 1 && shards.length <= GROUP_SHARD_COUNT_MAX;
  if (isCounted && shards.every((wish) => wish.group === group)) return;
  const detail = `a group begins with 1 to ${GROUP_SHARD_COUNT_MAX} shards of its own`;
  throw new CodedError("REQUEST_INVALID", detail);
}

/**
 * The records of a group's shards when it is deleted.
 *
 * @param shards of the group that are there, each with the time of its newest message, 0 for none.
 */
export function decideGroupDeletion(
  group: number,
  shards: readonly { shard: number; record: ShardSettings; newestUs: number }[],
  nowUs: number,
): ShardSettings[] {
  if (group === 0) throw new CodedError("GROUP_IN_USE", "group 0 is there for ever");
  if (shards.length > GROUP_SHARD_COUNT_MAX) {
    const most = `at most ${GROUP_SHARD_COUNT_MAX} go with it; drain and delete some first`;
    throw new CodedError("GROUP_IN_USE", `group ${group} has ${shards.length} shards, and ${most}`);
  }
  return shards.map(({ shard, record, newestUs }) => {
    if (newestUs > 0) throw new CodedError("HISTORY_KEPT", `shard ${shard} stores messages`);
    return deleted(record, nowUs);
  });
}

/** That there is no such group. */
export function missingGroup(group: number): CodedError {
  return new CodedError("NOT_FOUND", `there is no group ${group}`);
}

/** Refuses a slot that can not be moved to a shard. */
export function checkMove(
  slot: number,
  shard: number,
  groups: { has(group: number): boolean },
  records: ReadonlyMap<number, ShardSettings>,
): void {
  checkKnownSlot(slot, groups);
  checkTarget(shard, groupOfSlot(slot), records.get(shard));
}

/** Refuses a slot that no group has. @throws {CodedError} `REQUEST_INVALID`. */
export function checkKnownSlot(slot: number, groups: { has(group: number): boolean }): void {
  if (Number.isInteger(slot) && slot >= 0 && groups.has(groupOfSlot(slot))) return;
  const detail = `slot ${slot} is of no placement group; group g has ${SLOT_COUNT} from g × ${SLOT_COUNT} on`;
  throw new CodedError("REQUEST_INVALID", detail);
}

/** What slots' records say of a shard. */
export function useOf(shard: number, slots: Iterable<SlotRoute>): ShardUse {
  let [ownedCount, arrivingCount, leftUs] = [0, 0, 0];
  for (const record of slots) {
    if (record.shard === shard) ownedCount += 1;
    else if (record.targetShard === shard && record.deadlineUs > 0n) arrivingCount += 1;
    for (const sealed of record.sealed) {
      if (sealed.shard === shard) leftUs = Math.max(leftUs, Number(sealed.sealedUs));
    }
  }
  return { ownedCount, arrivingCount, leftUs };
}

/** The record of a shard that is there. @throws {CodedError} `NOT_FOUND`. */
export function checkThere(shard: number, record: ShardSettings | undefined): ShardSettings {
  if (record !== undefined && isThere(record)) return record;
  throw new CodedError("NOT_FOUND", `there is no shard ${shard}`);
}

function checkTarget(shard: number, group: number, record: ShardSettings | undefined): void {
  const there = checkThere(shard, record);
  if (there.group !== group) {
    const detail = `shard ${shard} is of group ${there.group}, not ${group}`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  if (there.state === RecordState.ACTIVE) return;
  throw new CodedError("SHARD_NOT_ACTIVE", `shard ${shard} is ${stateOf(there)}`);
}

function checkUnused(shard: number, { ownedCount, arrivingCount }: ShardUse): void {
  if (ownedCount === 0 && arrivingCount === 0) return;
  const detail = `shard ${shard} owns ${ownedCount} slots, and ${arrivingCount} are moving to it`;
  throw new CodedError("SHARD_IN_USE", detail);
}

function checkGroupNumber(group: number): void {
  if (Number.isInteger(group) && group >= 0 && group < GROUP_COUNT_MAX) return;
  const detail = `group is ${group}, must be 0 to ${GROUP_COUNT_MAX - 1}`;
  throw new CodedError("REQUEST_INVALID", detail);
}

function checkPolicy({ state, region, capacity }: ShardChange): void {
  if (state !== undefined && !stateNames.includes(state)) {
    throw new CodedError("REQUEST_INVALID", `state is ${state}; one of ${stateNames.join(", ")}`);
  }
  if (region !== undefined && !regionPattern.test(region)) {
    const shown = JSON.stringify(region.slice(0, 60));
    const detail = `region is ${shown}, must be up to ${REGION_CHARS_MAX} of [a-z0-9-]`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  if (capacity !== undefined && !(capacity > 0 && capacity <= CAPACITY_MAX)) {
    const detail = `capacity is ${capacity}, must be above 0, at most ${CAPACITY_MAX}`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
}

function checkBytes(shard: number, bytesMax: number, bytes: number): void {
  if (bytesMax >= bytes) return;
  const detail = `shard ${shard} holds ${bytes} bytes, more than ${bytesMax}`;
  throw new CodedError("CAPACITY_BELOW_USE", detail);
}

function withState(
  shard: number,
  record: ShardSettings,
  wanted: ShardState | undefined,
  use: ShardUse,
  nowUs: number,
): ShardSettings {
  if (wanted === undefined) return record;
  const state = toRecordState(wanted);
  if (state === record.state) return record;
  if (state === RecordState.RETIRED) checkUnused(shard, use);
  const retiredUs = state === RecordState.RETIRED ? BigInt(nowUs) : 0n;
  return { ...record, state, retiredUs, stateUs: BigInt(nowUs) };
}

/**
 * Whether messages of epochs that are open or sealed now may be deleted, or may have been, sooner
 * than the limits say from now on: a limit was lowered (what it deletes stays deleted when it is
 * raised again) or raised (what the lower one deleted is not there).
 */
export function isTrimmed(before: ShardSettings, after: ShardSettings): boolean {
  return (
    before.retentionMs !== after.retentionMs ||
    before.roomMessageCountMax !== after.roomMessageCountMax
  );
}

/** The limits that are said. */
function definedLimits(from: Partial<ShardLimits>): Partial<ShardLimits> {
  const { replicaCount, roomMessageCountMax, retentionMs, shardBytesMax, placementTags } = from;
  const all = { replicaCount, roomMessageCountMax, retentionMs, shardBytesMax, placementTags };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
