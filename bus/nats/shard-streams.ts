/**
 * Makes shards' streams and keeps them as their records say (shard-settings.ts).
 *
 * Any number of processes may do this at once. A record is written by compare-and-set; a stream is
 * made from the record, so that all who make it say the same; and it is updated under the lock that
 * movers of slots take too, with the subject list as it is right before.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { JetStreamApiError, type JetStreamManager, type StreamConfig } from "@nats-io/jetstream";
import { CodedError } from "../../proto/coded-error.ts";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import type { Log } from "../log.ts";
import { shardKey } from "../record-keys.ts";
import type { ShardLimits } from "../shard-limits.ts";
import { decodeShardSettings, encodeShardSettings, isThere } from "../shard-record.ts";
import { type LockParts, MoverLock } from "./mover-lock.ts";
import { decideSettings, type SettingsFile } from "./shard-settings.ts";
import { updateStream as putStream, streamFacts } from "./stream-api.ts";
import {
  compareStream,
  differenceTable,
  mendedStream,
  type ShardStream,
  shardStreamConfig,
} from "./stream-config.ts";
import { shardStream } from "./wire.ts";

/** How often another's lock or stream is looked at, ms, and how long its lock is waited for. */
const WAIT_MS = 100;
const LOCK_MS_MAX = 20_000;
/** A stream whose record is written exists within this, ms, or is gone. */
const MAKING_MS_MAX = 2000;

/** JetStream: there is no such stream. */
const notFoundCode = 10059;
/** JetStream: replicas wanted of a single server; it will not get better by waiting. */
const singleServerCode = 10074;

/** What the streams are made and kept with. */
export interface ShardStreamParts extends LockParts {
  readonly manager: JetStreamManager;
  readonly options: ShardLimits;
  readonly file: SettingsFile | null;
  readonly dedupeWindowMs: number;
  /** What a new shard captures. */
  readonly subjectsOf: (shard: number) => Promise<readonly string[]>;
  readonly log: Log;
}

/**
 * Makes a shard's stream, or mends it.
 *
 * @param mayMake whether the shard is made when it has no record.
 * @returns whether there is such a shard: it may have been deleted, or is being made by another.
 * @throws {CodedError} `BUS_UNSUITABLE` when a stream exists that can not be mended, with a table
 *   of what differs, or when the servers can not hold it; `UNAVAILABLE`.
 */
export async function ensureShardStream(
  parts: ShardStreamParts,
  shard: number,
  mayMake: boolean,
): Promise<boolean> {
  const { manager, log, dedupeWindowMs } = parts;
  const ensured = await ensureSettings(parts, shard, mayMake);
  if (ensured === null) return false;
  const { settings, isNew } = ensured;
  const wanted = shardStreamConfig(shard, [], settings, dedupeWindowMs);
  // A record without a stream: another process may be making it right now.
  const present = await findStream(manager, wanted.name, isNew ? 0 : MAKING_MS_MAX);
  if (present === null) {
    if (!isNew) {
      const text =
        "a shard has a record and no stream: it is made, empty; what it held before is lost";
      log.warn({ stream: wanted.name }, text);
    }
    await addStream(manager, { ...wanted, subjects: [...(await parts.subjectsOf(shard))] });
    return true;
  }
  const { changes, conflicts } = compareStream(wanted, present);
  if (conflicts.length > 0) {
    const detail =
      `stream ${wanted.name} can not be used as it is:\n${differenceTable(conflicts)}\n` +
      `If it is not Tidegate's, use another NATS account; if what it holds may go, remove it ` +
      `(nats stream rm ${wanted.name}) and start again`;
    throw new CodedError("BUS_UNSUITABLE", detail);
  }
  if (changes.length > 0) await updateStream(parts, shard);
  return true;
}

/** Brings the record up to date: of processes that write at once, one wins and all use its word. */
async function ensureSettings(
  { control, options, file, log }: ShardStreamParts,
  shard: number,
  mayMake: boolean,
): Promise<{ settings: ShardSettings; isNew: boolean } | null> {
  const key = shardKey(shard);
  for (;;) {
    const entry = await control.get(key);
    const kept = entry === null ? null : decodeShardSettings(entry.value);
    if (entry !== null && kept === null) {
      const detail = `key ${key} of bucket control holds no shard settings; remove it to start anew`;
      throw new CodedError("BUS_UNSUITABLE", detail);
    }
    if (kept === null ? !mayMake : !isThere(kept)) return null;
    const nowUs = Date.now() * 1000;
    const { settings, isChanged, ignored } = decideSettings(kept, options, file, shard, nowUs);
    if (ignored.length > 0) {
      const text =
        "settings here differ from the shard's record, which counts; to change it, raise the " +
        "revision in SHARD_SETTINGS_FILE";
      log.warn({ shard, ignored, revision: settings.revision }, text);
    }
    if (!isChanged) return { settings, isNew: false };
    try {
      const value = encodeShardSettings(settings);
      if (entry === null) await control.create(key, value);
      else await control.update(key, value, entry.revision);
      return { settings, isNew: entry === null };
    } catch (error) {
      const { code } = CodedError.from(error);
      if (code !== "ALREADY_EXISTS" && code !== "ETAG_MISMATCH") throw error;
    }
  }
}

/** Updates under the lock, by record and stream as they are then. */
async function updateStream(parts: ShardStreamParts, shard: number): Promise<void> {
  const { connection, log, dedupeWindowMs } = parts;
  const lock = await acquireLock(parts, [shard]);
  if (lock === null) {
    log.warn({ shard }, "another process is changing this shard and does not end; going on");
    return;
  }
  const stream = shardStream(shard);
  try {
    const ensured = await ensureSettings(parts, shard, false);
    if (ensured === null) return;
    const wanted = shardStreamConfig(shard, [], ensured.settings, dedupeWindowMs);
    const { config: present } = await streamFacts(connection, stream);
    const { changes } = compareStream(wanted, present);
    if (changes.length === 0) return;
    lock.check();
    await putStream(connection, mendedStream(wanted, present));
    const changed = changes.map((each) => `${each.setting} ${each.present} → ${each.wanted}`);
    log.info({ stream, changed }, "stream updated by its record");
  } catch (error) {
    // What is stored stays as safe as it was; a start that failed here would stop the service.
    log.error({ stream, error }, "a stream can not be updated; it stays as it is");
  } finally {
    await lock.release();
  }
}

/** Waits for the lock of shards; null when another holds it for longer than a move takes. */
export async function acquireLock(
  parts: LockParts,
  shards: readonly number[],
): Promise<MoverLock | null> {
  const endMs = performance.now() + LOCK_MS_MAX;
  while (performance.now() < endMs) {
    try {
      return await MoverLock.acquire(parts, shards);
    } catch (error) {
      if (CodedError.from(error).code !== "UNAVAILABLE") throw error;
    }
    await sleep(WAIT_MS);
  }
  return null;
}

/** @param waitMs how long to wait for one that does not exist. */
async function findStream(
  manager: JetStreamManager,
  name: string,
  waitMs = 0,
): Promise<StreamConfig | null> {
  const endMs = performance.now() + waitMs;
  for (;;) {
    try {
      return (await manager.streams.info(name)).config;
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== notFoundCode) throw error;
    }
    if (performance.now() >= endMs) return null;
    await sleep(WAIT_MS);
  }
}

async function addStream(manager: JetStreamManager, wanted: ShardStream): Promise<void> {
  try {
    await manager.streams.add(wanted);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === singleServerCode) {
      const detail = `${wanted.num_replicas} copies of ${wanted.name} need a cluster of as many servers`;
      throw new CodedError("BUS_UNSUITABLE", `${detail}; this is one server`, error);
    }
    throw error;
  }
}
