/**
 * Making a shard on NATS, up to the commit that says it is there: a number, a record that says it
 * is being made, a stream.
 *
 * Until that commit nobody uses it. One whose maker died is removed by whoever reconciles.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { type ShardSettings, ShardState } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import type { KeyValue, KeyWrite } from "../key-value.ts";
import { shardKey } from "../record-keys.ts";
import { encodeShardSettings } from "../shard-record.ts";
import { freeShard } from "../shard-rules.ts";
import { removeShard } from "./remove-shard.ts";
import type { ShardRecord, ShardRegistry } from "./shard-registry.ts";
import { createStream, refusalCode, writeAnchor } from "./stream-api.ts";
import { shardStreamConfig } from "./stream-config.ts";
import { sealSubjects } from "./wire.ts";

/** A new stream takes its first message within this, ms: servers hear of it one after the other. */
const FIRST_ANCHOR_MS_MAX = 5000;
/** Between two tries of it, ms. */
const FIRST_ANCHOR_WAIT_MS = 50;
/** JetStream: another stream has this name. */
const nameInUseCode = 10058;
/** JetStream's codes for what waiting does not mend: servers, storage, tags, copies. */
const unsuitableCodes = [10005, 10023, 10026, 10028, 10040, 10047, 10052, 10065, 10074];

/** What shards are made with. */
export interface MakeParts {
  readonly connection: NatsConnection;
  /** The bucket "control". */
  readonly control: KeyValue;
  readonly registry: ShardRegistry;
  readonly dedupeWindowMs: number;
  nowUs(): number;
}

/** A shard that is being made: all of it is there but the word that it is. */
export interface MadeShard extends ShardRecord {
  readonly shard: number;
}

/**
 * Makes one.
 *
 * @param settings of bus/shard-rules.ts's decideShard.
 * @throws {CodedError} `SHARD_LIMIT`, `BUS_UNSUITABLE`, `UNAVAILABLE`.
 */
export async function makeShard(parts: MakeParts, settings: ShardSettings): Promise<MadeShard> {
  const { connection, registry } = parts;
  const foreign = new Set<number>();
  for (;;) {
    const has = (shard: number) => registry.records.has(shard) || foreign.has(shard);
    const shard = freeShard({ has });
    const made = await claim(parts, shard, settings);
    if (made === null) await registry.refresh(shard);
    else if (await makeStream(parts, made)) {
      await firstAnchor(connection, shard);
      return made;
    } else foreign.add(shard);
  }
}

/** The write that says it is there. */
export function activation({ shard, settings, revision }: MadeShard): KeyWrite {
  const value = encodeShardSettings({ ...settings, state: ShardState.ACTIVE });
  return { key: shardKey(shard), value, revision };
}

/** Removes one that is not to be. */
export async function unmakeShard(parts: MakeParts, made: MadeShard): Promise<void> {
  // What can not be removed now is by whoever reconciles, and one that is there after all stays.
  await removeShard(parts, made.shard, made).catch(() => {});
}

/** What servers say to a stream that they can not hold, as `BUS_UNSUITABLE`. */
export function toAdminError(error: unknown): unknown {
  if (!unsuitableCodes.includes(refusalCode(error))) return error;
  const { detail } = CodedError.from(error);
  return new CodedError("BUS_UNSUITABLE", `the NATS servers can not hold it: ${detail}`, error);
}

/** Takes a number; null when another has it already. */
async function claim(
  { control, registry }: MakeParts,
  shard: number,
  settings: ShardSettings,
): Promise<MadeShard | null> {
  try {
    const revision = await control.create(shardKey(shard), encodeShardSettings(settings));
    await registry.refresh(shard);
    return { shard, settings, revision };
  } catch (error) {
    if (CodedError.from(error).code !== "ALREADY_EXISTS") throw error;
    return null;
  }
}

/** @returns false when a stream that is none of ours has the name. */
async function makeStream(parts: MakeParts, made: MadeShard): Promise<boolean> {
  const { connection, control, dedupeWindowMs } = parts;
  const { shard, settings, revision } = made;
  try {
    const subjects = [sealSubjects(shard)];
    await createStream(connection, shardStreamConfig(shard, subjects, settings, dedupeWindowMs));
    return true;
  } catch (error) {
    const code = refusalCode(error);
    if (code === nameInUseCode || unsuitableCodes.includes(code)) {
      await control.delete(shardKey(shard), revision); // nothing was made
      if (code === nameInUseCode) return false;
    }
    throw toAdminError(error); // else: undone by whoever reconciles
  }
}

/** The anchor of a stream that was just made: until all servers know it, there is no responder. */
async function firstAnchor(connection: NatsConnection, shard: number): Promise<void> {
  const endMs = performance.now() + FIRST_ANCHOR_MS_MAX;
  for (;;) {
    try {
      await writeAnchor(connection, shard);
      return;
    } catch (error) {
      if (performance.now() >= endMs) throw error;
    }
    await sleep(FIRST_ANCHOR_WAIT_MS);
  }
}
