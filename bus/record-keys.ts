/**
 * Keys of the bus's own records: what slots, shards and groups are, the same on both buses.
 *
 * All in the bucket "control" (proto/control-bucket.ts).
 */
import { formatSlot, GROUP_COUNT_MAX, parseSlot } from "./subjects.ts";

/** What keys of slots' records begin with. */
export const ROUTE_PREFIX = "slot.";
/** What keys of shards' records begin with. */
export const SHARD_PREFIX = "shard.";
/** What keys of groups' records begin with. */
export const GROUP_PREFIX = "group.";

/** All of them: who follows these knows where everything is stored. */
export const RECORD_PREFIXES = [GROUP_PREFIX, SHARD_PREFIX, ROUTE_PREFIX] as const;

/** Whether a record is the bus's own. */
export function isBusRecord(key: string): boolean {
  return RECORD_PREFIXES.some((prefix) => key.startsWith(prefix));
}

const shardPattern = /^shard\.(0|[1-9]\d{0,2})$/;
const groupPattern = /^group\.(0|[1-9]\d?)$/;

/** Key of a slot's routing record. */
export function routeKey(slot: number): string {
  return `${ROUTE_PREFIX}${formatSlot(slot)}`;
}

/** The slot of a record's key; null for another key. */
export function slotOfKey(key: string): number | null {
  return key.startsWith(ROUTE_PREFIX) ? parseSlot(key.slice(ROUTE_PREFIX.length)) : null;
}

/** Key of a shard's record. */
export function shardKey(shard: number): string {
  return `${SHARD_PREFIX}${shard}`;
}

/** The shard of a record's key; null for another key. */
export function shardOfKey(key: string): number | null {
  const match = shardPattern.exec(key);
  return match === null || Number(match[1]) > 255 ? null : Number(match[1]);
}

/** Key of a group's record. */
export function groupKey(group: number): string {
  return `${GROUP_PREFIX}${group}`;
}

/** The group of a record's key; null for another key. */
export function groupOfKey(key: string): number | null {
  const match = groupPattern.exec(key);
  return match === null || Number(match[1]) >= GROUP_COUNT_MAX ? null : Number(match[1]);
}
