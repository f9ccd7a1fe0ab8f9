/**
 * Which values a shard may have, which fields a change names, and what the bus is asked for then.
 *
 * Pure. Settings of 0 mean "not given".
 */
import { CAPACITY_MAX, REGION_CHARS_MAX, type ShardChange } from "../bus/shard-admin.ts";
import { SHARD_BOUNDS, type ShardLimits } from "../bus/shard-limits.ts";
import type { Shard } from "../proto/gen/tidegate/control/v1/shard.ts";
import { isRegion } from "./check-regions.ts";
import { type FieldViolation, shown } from "./invalid-fields.ts";

/** Fields that a change may set, by their names in the .proto file. */
export const SHARD_FIELDS = [
  "region",
  "capacity",
  "settings.replica_count",
  "settings.room_message_count_max",
  "settings.retention_ms",
  "settings.bytes_max",
  "settings.placement_tags",
] as const;
/** One of SHARD_FIELDS. */
export type ShardField = (typeof SHARD_FIELDS)[number];

/** Fields that only the server writes, or that name the shard: ignored in a mask (AIP-203). */
const outputFields = [
  ...["name", "store", "slot_count", "arriving_slot_count", "status", "trouble", "state", "etag"],
  ...["retire_time", "history_end_time", "settings.revision"],
];
/** Paths in a mask; there are fewer fields than that. */
const maskPathsMax = 32;
const tagCountMax = 16;
const tagPattern = /^[A-Za-z0-9_:.=-]{1,64}$/;
/** The faults of a mask. */
export function checkShardMask(mask: readonly string[]): FieldViolation[] {
  if (mask.length > maskPathsMax) {
    const description = `has ${mask.length} paths, at most ${maskPathsMax}`;
    return [{ field: "update_mask", description }];
  }
  const known: readonly string[] = ["*", "settings", ...SHARD_FIELDS, ...outputFields];
  return mask
    .filter((path) => !known.includes(path))
    .map((path) => ({
      field: "update_mask",
      description: `${shown(path)} is not a field; write ${SHARD_FIELDS.join(", ")} or *`,
    }));
}

/** The fields that an update names; without a mask every field that is set. */
export function shardFields(mask: readonly string[], given: Shard): readonly ShardField[] {
  if (mask.length === 0) return SHARD_FIELDS.filter((field) => isGiven(given, field));
  if (mask.includes("*")) return SHARD_FIELDS;
  return SHARD_FIELDS.filter((field) => {
    return mask.includes(field) || (field.startsWith("settings.") && mask.includes("settings"));
  });
}

/**
 * The faults of the named fields.
 *
 * @param prefix of the field's names, "shard.".
 */
export function checkShardFields(
  given: Shard,
  fields: readonly ShardField[],
  prefix: string,
): FieldViolation[] {
  return fields.flatMap((field): FieldViolation[] => {
    const description = faultOf(given, field);
    return description === null ? [] : [{ field: prefix + field, description }];
  });
}

/** What the named fields ask of the bus. */
export function toShardChange(given: Shard, fields: readonly ShardField[]): ShardChange {
  const { region, capacity } = given;
  const limits = toLimits(given);
  const change: { -readonly [K in keyof ShardChange]: ShardChange[K] } = {};
  for (const field of fields) {
    if (field === "region") change.region = region;
    else if (field === "capacity") change.capacity = capacity;
    else if (field === "settings.replica_count") change.replicaCount = limits.replicaCount;
    else if (field === "settings.retention_ms") change.retentionMs = limits.retentionMs;
    else if (field === "settings.bytes_max") change.shardBytesMax = limits.shardBytesMax;
    else if (field === "settings.placement_tags") change.placementTags = limits.placementTags;
    else if (field === "settings.room_message_count_max") {
      change.roomMessageCountMax = limits.roomMessageCountMax;
    } else field satisfies never;
  }
  return change;
}

function toLimits({ settings }: Shard): ShardLimits {
  return {
    replicaCount: settings?.replicaCount ?? 0,
    roomMessageCountMax: settings?.roomMessageCountMax ?? 0,
    retentionMs: Number(settings?.retentionMs ?? 0),
    shardBytesMax: Number(settings?.bytesMax ?? 0),
    placementTags: settings?.placementTags ?? [],
  };
}

/** What is wrong with one field; null when nothing is. */
function faultOf(given: Shard, field: ShardField): string | null {
  const limits = toLimits(given);
  switch (field) {
    case "region":
      if (isRegion(given.region)) return null;
      return `${shown(given.region)} is not [a-z0-9-]{0,${REGION_CHARS_MAX}}`;
    case "capacity": {
      const { capacity } = given;
      if (capacity > 0 && capacity <= CAPACITY_MAX) return null;
      return `${capacity} is not above 0 and at most ${CAPACITY_MAX}`;
    }
    case "settings.replica_count":
      if ([1, 3, 5].includes(limits.replicaCount)) return null;
      return `${limits.replicaCount} is not 1, 3 or 5`;
    case "settings.room_message_count_max":
      return outside(limits.roomMessageCountMax, SHARD_BOUNDS.roomMessageCountMax);
    case "settings.retention_ms":
      return outside(limits.retentionMs, SHARD_BOUNDS.retentionMs);
    case "settings.bytes_max":
      return outside(limits.shardBytesMax, SHARD_BOUNDS.shardBytesMax);
    case "settings.placement_tags": {
      const { placementTags } = limits;
      if (placementTags.length > tagCountMax) {
        return `has ${placementTags.length} tags, at most ${tagCountMax}`;
      }
      const bad = placementTags.find((tag) => !tagPattern.test(tag));
      return bad === undefined ? null : `${shown(bad)} is not ${tagPattern.source}`;
    }
    default:
      return field satisfies never;
  }
}

function outside(value: number, [min, max]: readonly [number, number]): string | null {
  return value >= min && value <= max ? null : `${value} is not from ${min} to ${max}`;
}

function isGiven(given: Shard, field: ShardField): boolean {
  const limits = toLimits(given);
  switch (field) {
    case "region":
      return given.region !== "";
    case "capacity":
      return given.capacity !== 0;
    case "settings.replica_count":
      return limits.replicaCount !== 0;
    case "settings.room_message_count_max":
      return limits.roomMessageCountMax !== 0;
    case "settings.retention_ms":
      return limits.retentionMs !== 0;
    case "settings.bytes_max":
      return limits.shardBytesMax !== 0;
    case "settings.placement_tags":
      return limits.placementTags.length > 0;
    default:
      return field satisfies never;
  }
}
