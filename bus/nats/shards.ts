/**
 * Shards: which stream owns which slots, made when they do not exist, and told apart when they
 * differ.
 *
 * A stream's subject list is the assignment (docs/nats.md). How many shards a group started with
 * is kept on the bus, so that every process agrees on the owner of a slot that never moved: slot
 * modulo count.
 */
import {
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { type NatsConnection, nanos } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { KeyValue } from "../key-value.ts";
import { SLOT_COUNT } from "../subjects.ts";
import { DEDUPE_WINDOW_US } from "../void.ts";
import type { NatsBusOptions } from "./options.ts";
import { anchorSubject, inSlotSubjects, sealSubjects, shardStream } from "./wire.ts";

/** Bus KV bucket of routing; the group's record is under "group.0". */
export const ROUTING_BUCKET = "routing";
const groupKey = "group.0";

/** The group's record: what is decided by the first process that ever starts. */
export interface GroupRecord {
  /** Shards at the start; slot s that never moved is in shard s modulo this. */
  readonly shardCount: number;
  /** R2's window, ms: all processes derive their budgets from it. */
  readonly dedupeWindowMs: number;
}

/** First epoch of every slot. */
export const FIRST_EPOCH = 1;

/**
 * Makes the shards of group 0 if they do not exist, and checks them if they do.
 *
 * @returns what was decided at the first start.
 * @throws {CodedError} `OPTION_INVALID` when a stream exists that is set otherwise, with the
 * difference.
 */
export async function ensureShards(
  connection: NatsConnection,
  routing: KeyValue,
  options: NatsBusOptions,
): Promise<GroupRecord> {
  const group = await ensureGroup(routing, options);
  const manager = await jetstreamManager(connection);
  for (let shard = 0; shard < group.shardCount; shard += 1) {
    await ensureStream(connection, manager, shard, shardConfig(shard, group, options));
  }
  return group;
}

/** The stream of a shard as it is made. */
export function shardConfig(
  shard: number,
  { shardCount, dedupeWindowMs }: GroupRecord,
  options: NatsBusOptions,
): Partial<StreamConfig> & { name: string } {
  const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot).filter(
    (slot) => slot % shardCount === shard,
  );
  return {
    name: shardStream(shard),
    subjects: [sealSubjects(shard), ...slots.map((slot) => inSlotSubjects(slot, FIRST_EPOCH))],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    num_replicas: options.replicaCount,
    // Per room the oldest go; a full stream refuses.
    discard: DiscardPolicy.New,
    max_msgs_per_subject: options.roomMessageCountMax,
    max_age: nanos(options.retentionMs),
    max_bytes: options.shardBytesMax,
    duplicate_window: nanos(dedupeWindowMs),
    allow_direct: true,
    republish: { src: "tg.in.>", dest: "tg.out.>" },
  };
}

async function ensureGroup(routing: KeyValue, options: NatsBusOptions): Promise<GroupRecord> {
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
  return { ...made, dedupeWindowMs: DEDUPE_WINDOW_US / 1000, ...kept };
}

async function ensureStream(
  connection: NatsConnection,
  manager: JetStreamManager,
  shard: number,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> {
  const present = await manager.streams.info(config.name).then(
    (info) => info.config,
    () => null,
  );
  if (present === null) await manager.streams.add(config);
  else refuseDifference(config, present);
  await writeAnchor(connection, shard);
}

/** Rewrites a shard's anchor, and so keeps it younger than retention (R6). */
export async function writeAnchor(connection: NatsConnection, shard: number): Promise<number> {
  const answer = await connection.request(anchorSubject(shard), "anchor", { timeout: 5000 });
  const ack = answer.json<{ seq?: number; error?: { description: string } }>();
  if (ack.seq !== undefined) return ack.seq;
  throw new CodedError("UNAVAILABLE", `shard ${shard} refused: ${ack.error?.description}`);
}

/** Settings that change what is promised; the subject list is the routing's business. */
const comparedSettings = ["storage", "discard", "allow_direct", "republish"] as const;

function refuseDifference(wanted: Partial<StreamConfig>, present: StreamConfig): void {
  for (const name of comparedSettings) {
    const [want, have] = [JSON.stringify(wanted[name]), JSON.stringify(present[name])];
    if (want === have) continue;
    throw new CodedError(
      "OPTION_INVALID",
      `stream ${present.name} exists with ${name} ${have}, Tidegate needs ${want}; update or remove it`,
    );
  }
}
