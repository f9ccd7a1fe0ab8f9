/**
 * What a start does for shards: the first one ever makes group 0, every one sees to the streams.
 *
 * A stream's subject list is the assignment (docs/nats.md). Which shards a group began with is kept
 * on the bus, so that every process agrees on the owner of a slot that never moved.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { GroupRecord } from "../../proto/gen/tidegate/bus/v1/group_record.ts";
import { SlotState } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";
import { decodeGroup, encodeGroup } from "../group-record.ts";
import type { KeyValue } from "../key-value.ts";
import type { Log } from "../log.ts";
import {
  GROUP_PREFIX,
  groupKey,
  groupOfKey,
  ROUTE_PREFIX,
  SHARD_PREFIX,
  shardOfKey,
  slotOfKey,
} from "../record-keys.ts";
import { decodeRoute, FIRST_EPOCH, firstRoute } from "../route.ts";
import { DEDUPE_WINDOW_US } from "../void.ts";
import type { LockParts } from "./mover-lock.ts";
import type { NatsBusOptions } from "./options.ts";
import { slotsOfGroup } from "./routes.ts";
import { parseSettingsFile } from "./shard-settings.ts";
import { ensureShardStream, type ShardStreamParts } from "./shard-streams.ts";
import { writeAnchor } from "./stream-api.ts";
import { inSlotSubjects, sealSubjects } from "./wire.ts";

/**
 * Makes group 0 and its shards if they do not exist, and brings every shard up to date.
 *
 * @returns R2's window, ms, as the first process that ever started decided it.
 * @throws {CodedError} `BUS_UNSUITABLE` when a stream is set so that it can not be used, with the
 *   differences; `OPTION_INVALID` for the settings file; `UNAVAILABLE`.
 */
export async function ensureShards(
  { connection, control, lease }: LockParts,
  options: NatsBusOptions,
  log: Log,
): Promise<number> {
  const { shardSettings } = options;
  const file = shardSettings === "" ? null : parseSettingsFile(shardSettings);
  const group = await ensureGroup(control, options, log);
  const dedupeWindowMs = group.dedupeWindowMs || DEDUPE_WINDOW_US / 1000;
  const manager = await jetstreamManager(connection);
  const subjectsOf = (shard: number) => subjectsByRecords(control, shard);
  const own = { connection, manager, control, lease, options, file };
  const parts = { ...own, dedupeWindowMs, subjectsOf, log };
  if (!group.isMade) await makeFirstShards(parts, group);
  for (const { key } of await control.list(SHARD_PREFIX)) {
    const shard = shardOfKey(key);
    if (shard === null || !(await ensureShardStream(parts, shard, false))) continue;
    await startAnchor(connection, shard, log);
  }
  return dedupeWindowMs;
}

/** Any number of processes may do this at once; whoever is ready first says so. */
async function makeFirstShards(parts: ShardStreamParts, group: GroupRecord): Promise<void> {
  const { control } = parts;
  for (const shard of group.firstShards) await ensureShardStream(parts, shard, true);
  const entry = await control.get(groupKey(0));
  const kept = entry === null ? null : decodeGroup(entry.value);
  if (entry === null || kept === null || kept.isMade) return;
  try {
    await control.update(groupKey(0), encodeGroup({ ...kept, isMade: true }), entry.revision);
  } catch (error) {
    if (CodedError.from(error).code !== "ETAG_MISMATCH") throw error; // another was first
  }
}

/** A shard that stores nothing for now must not keep a process from serving the others. */
async function startAnchor(connection: NatsConnection, shard: number, log: Log): Promise<void> {
  try {
    await writeAnchor(connection, shard);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    log.error({ shard, error }, "a shard stores no marker; going on, its publishes are refused");
  }
}

/** What a stream captures that is made: its markers, and the slots that the records give it. */
async function subjectsByRecords(control: KeyValue, shard: number): Promise<string[]> {
  const epochs = new Map<number, number>();
  for (const { key, value } of await control.list(GROUP_PREFIX)) {
    const group = groupOfKey(key);
    const firstShards = decodeGroup(value)?.firstShards ?? [];
    if (group === null || !firstShards.includes(shard)) continue;
    for (const slot of slotsOfGroup(group)) {
      if (firstRoute(slot, firstShards).record.shard === shard) epochs.set(slot, FIRST_EPOCH);
    }
  }
  for (const { key, value } of await control.list(ROUTE_PREFIX)) {
    const slot = slotOfKey(key);
    const record = decodeRoute(value);
    if (record === null || slot === null) continue;
    // While it is being removed, who finishes the move puts it where it belongs (R10).
    if (record.shard === shard && record.state !== SlotState.REMOVING) {
      epochs.set(slot, record.epoch);
    } else epochs.delete(slot);
  }
  const subjects = [...epochs].map(([slot, epoch]) => inSlotSubjects(slot, epoch));
  return [sealSubjects(shard), ...subjects];
}

async function ensureGroup(
  control: KeyValue,
  options: NatsBusOptions,
  log: Log,
): Promise<GroupRecord> {
  const { shardCount, dedupeWindowMs } = options;
  const firstShards = Array.from({ length: shardCount }, (_, shard) => shard);
  const made: GroupRecord = { firstShards, dedupeWindowMs, isMade: false };
  try {
    await control.create(groupKey(0), encodeGroup(made));
    return made;
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== "ALREADY_EXISTS") throw error;
  }
  const entry = await control.get(groupKey(0));
  const kept = entry === null ? null : decodeGroup(entry.value);
  if (kept === null) {
    const detail = `key ${groupKey(0)} of bucket control holds no group; remove it to start anew`;
    throw new CodedError("BUS_UNSUITABLE", detail);
  }
  if (kept.firstShards.length !== shardCount || kept.dedupeWindowMs !== dedupeWindowMs) {
    const decided = { shardCount: kept.firstShards.length, dedupeWindowMs: kept.dedupeWindowMs };
    const text = "SHARD_COUNT and DEDUPE_WINDOW_MS were decided at the first start; that counts";
    log.warn({ here: { shardCount, dedupeWindowMs }, decided }, text);
  }
  return kept;
}
