/**
 * Shards: which stream owns which slots.
 *
 * A stream's subject list is the assignment (docs/nats.md). How many shards a group started with
 * is kept on the bus, so that every process agrees on the owner of a slot that never moved: slot
 * modulo count.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { SlotState } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";
import type { KeyValue } from "../key-value.ts";
import type { Log } from "../log.ts";
import { SLOT_COUNT } from "../subjects.ts";
import { DEDUPE_WINDOW_US } from "../void.ts";
import type { NatsBusOptions } from "./options.ts";
import { decodeRoute, FIRST_EPOCH } from "./route.ts";
import { ROUTE_PREFIX, slotOfRouteKey } from "./routes.ts";
import { parseSettingsFile } from "./shard-settings.ts";
import { ensureShardStream } from "./shard-streams.ts";
import { anchorSubject, inSlotSubjects, sealSubjects } from "./wire.ts";

/** Key of the group's record in the bucket of routing. */
const groupKey = "group.0";

/** The group's record: what is decided by the first process that ever starts. */
export interface GroupRecord {
  /** Shards at the start; slot s that never moved is in shard s modulo this. */
  readonly shardCount: number;
  /** R2's window, ms: all processes derive their budgets from it. */
  readonly dedupeWindowMs: number;
}

/** The shards of group 0. */
export interface Shards {
  readonly group: GroupRecord;
  /** Settings of each shard, by its number, as of this start. */
  readonly settings: readonly ShardSettings[];
}

/**
 * Makes the shards of group 0 if they do not exist, and brings them up to date if they do.
 *
 * @throws {CodedError} `BUS_UNSUITABLE` when a stream is set so that it can not be used, with the
 *   differences; `OPTION_INVALID` for the settings file; `UNAVAILABLE`.
 */
export async function ensureShards(
  connection: NatsConnection,
  routing: KeyValue,
  options: NatsBusOptions,
  log: Log,
): Promise<Shards> {
  const { shardSettings } = options;
  const file = shardSettings === "" ? null : parseSettingsFile(shardSettings);
  const group = await ensureGroup(routing, options, log);
  const { shardCount, dedupeWindowMs } = group;
  const manager = await jetstreamManager(connection);
  const subjectsOf = (shard: number) => subjectsByRecords(routing, shard, shardCount);
  const parts = { connection, manager, routing, options, file, dedupeWindowMs, subjectsOf, log };
  const settings: ShardSettings[] = [];
  for (let shard = 0; shard < shardCount; shard += 1) {
    settings.push(await ensureShardStream(parts, shard));
    await startAnchor(connection, shard, log);
  }
  return { group, settings };
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
async function subjectsByRecords(
  routing: KeyValue,
  shard: number,
  shardCount: number,
): Promise<string[]> {
  const epochs = new Map<number, number>();
  for (let slot = shard; slot < SLOT_COUNT; slot += shardCount) epochs.set(slot, FIRST_EPOCH);
  for (const { key, value } of await routing.list(ROUTE_PREFIX)) {
    const slot = slotOfRouteKey(key);
    const record = decodeRoute(value);
    if (record === null || !Number.isInteger(slot)) continue;
    // While it is being removed, who finishes the move puts it where it belongs (R10).
    if (record.shard === shard && record.state !== SlotState.REMOVING) {
      epochs.set(slot, record.epoch);
    } else epochs.delete(slot);
  }
  const subjects = [...epochs].map(([slot, epoch]) => inSlotSubjects(slot, epoch));
  return [sealSubjects(shard), ...subjects];
}

async function ensureGroup(
  routing: KeyValue,
  options: NatsBusOptions,
  log: Log,
): Promise<GroupRecord> {
  const { shardCount, dedupeWindowMs } = options;
  const made: GroupRecord = { shardCount, dedupeWindowMs };
  try {
    await routing.create(groupKey, Buffer.from(JSON.stringify(made)));
    return made;
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== "ALREADY_EXISTS") throw error;
  }
  const entry = await routing.get(groupKey);
  const kept = JSON.parse(Buffer.from(entry?.value ?? "{}").toString()) as Partial<GroupRecord>;
  const group = { ...made, dedupeWindowMs: DEDUPE_WINDOW_US / 1000, ...kept };
  if (group.shardCount !== shardCount || group.dedupeWindowMs !== dedupeWindowMs) {
    const text = "SHARD_COUNT and DEDUPE_WINDOW_MS were decided at the first start; that counts";
    log.warn({ here: made, decided: group }, text);
  }
  return group;
}

/** Rewrites a shard's anchor, and so keeps it younger than retention (R6). */
export async function writeAnchor(connection: NatsConnection, shard: number): Promise<number> {
  const answer = await connection.request(anchorSubject(shard), "anchor", { timeout: 5000 });
  const ack = answer.json<{ seq?: number; error?: { description: string } }>();
  if (ack.seq !== undefined) return ack.seq;
  throw new CodedError("UNAVAILABLE", `shard ${shard} refused: ${ack.error?.description}`);
}
