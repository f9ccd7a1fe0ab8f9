/**
 * The record of a shard: its bytes, its limits, and how the topology shows it.
 *
 * Pure; the same on both buses.
 */
import {
  ShardState as RecordState,
  ShardSettings,
} from "../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { checkShardLimits, type ShardLimits } from "./shard-limits.ts";
import type { ShardSetting, ShardState } from "./topology.ts";

/** States that operators see; the others are those of shards being made and deleted. */
const shown: ReadonlyMap<RecordState, ShardState> = new Map([
  [RecordState.ACTIVE, "active"],
  [RecordState.DRAINING, "draining"],
  [RecordState.RETIRED, "retired"],
]);

/** The bytes of a record. */
export function encodeShardSettings(settings: ShardSettings): Uint8Array {
  return ShardSettings.encode(settings).finish();
}

/** The settings in a record, or null when it holds none that are within bounds. */
export function decodeShardSettings(value: Uint8Array): ShardSettings | null {
  try {
    const settings = ShardSettings.decode(value);
    checkShardLimits(toLimits(settings));
    return settings.revision >= 1 && settings.state >= RecordState.ACTIVE ? settings : null;
  } catch {
    return null; // the caller says whose record is broken
  }
}

/** Settings as plain numbers. */
export function toLimits(settings: ShardSettings): ShardLimits {
  return {
    replicaCount: settings.replicaCount,
    roomMessageCountMax: settings.roomMessageCountMax,
    retentionMs: Number(settings.retentionMs),
    shardBytesMax: Number(settings.bytesMax),
    placementTags: settings.placementTags,
  };
}

/** Settings with other limits. */
export function withLimits(settings: ShardSettings, limits: ShardLimits): ShardSettings {
  return {
    ...settings,
    replicaCount: limits.replicaCount,
    roomMessageCountMax: limits.roomMessageCountMax,
    retentionMs: BigInt(limits.retentionMs),
    bytesMax: BigInt(limits.shardBytesMax),
    placementTags: [...limits.placementTags],
  };
}

/** Whether a shard is there: made, and not deleted. */
export function isThere(settings: ShardSettings): boolean {
  return shown.has(settings.state);
}

/** A record's state as operators see it; null while it is being made or deleted. */
export function stateOf({ state }: ShardSettings): ShardState | null {
  return shown.get(state) ?? null;
}

/** The other way round. */
export function toRecordState(state: ShardState): RecordState {
  if (state === "active") return RecordState.ACTIVE;
  return state === "draining" ? RecordState.DRAINING : RecordState.RETIRED;
}

/** A record as the topology shows it; null for one that is not there. */
export function toSetting(settings: ShardSettings): ShardSetting | null {
  const state = stateOf(settings);
  if (state === null) return null;
  const { revision, group, region, capacity } = settings;
  const [createdUs, retiredUs] = [Number(settings.createdUs), Number(settings.retiredUs)];
  const times = { createdUs, retiredUs: retiredUs === 0 ? null : retiredUs };
  return { revision, group, region, capacity, state, ...times, ...toLimits(settings) };
}
