/**
 * Keys on NATS: one stream per bucket, read from its leader, so that a read sees every earlier
 * write.
 *
 * The bucket is one of @nats-io/kv; writes are published by hand, because its update can not renew
 * a time to live, and a plain update makes a key with one immortal (measured).
 */
import { JetStreamApiError, type JetStreamClient, jetstream } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { checkKey, checkPrefixes, checkValue, checkWrites } from "../check-key-value.ts";
import type { KeyValue, KeyValueEntry, KeyWrite } from "../key-value.ts";
import { ensureBucket } from "./bucket-stream.ts";
import { toCoded } from "./connect.ts";
import { BatchRefusal, type BatchWrite, batchHeaders, publishBatch } from "./key-batch.ts";
import { KeyWatch, type TimedWatcher } from "./key-watch.ts";

/** JetStream's "wrong last sequence", alone and with a competitor in flight. */
const wrongSequenceCodes = [10071, 10164];
/** Deletions do so this long, then nothing is left of a key: each process leaves one at its end. */
const DELETED_TTL_S = 24 * 3600;
/** Tries of a commit whose expectations held when they were read: each lost one is another's. */
const COMMIT_TRY_COUNT_MAX = 4;
const EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence";

/** An entry, and when it was written. */
export interface TimedEntry extends KeyValueEntry {
  /** By the server's clock, microseconds since 1970-01-01 UTC; precise to 1 ms. */
  readonly writtenUs: number;
}

export class NatsKeyValue implements KeyValue {
  readonly #bucket: string;
  readonly #connection: NatsConnection;
  readonly #js: JetStreamClient;
  readonly #kv: KV;

  private constructor(bucket: string, connection: NatsConnection, js: JetStreamClient, kv: KV) {
    this.#bucket = bucket;
    this.#connection = connection;
    this.#js = js;
    this.#kv = kv;
  }

  /** Opens a bucket, making it when missing. */
  static async open(
    connection: NatsConnection,
    bucket: string,
    replicas: number,
  ): Promise<NatsKeyValue> {
    const js = jetstream(connection);
    await ensureBucket(connection, await js.jetstreamManager(false), bucket, replicas);
    const kv = await new Kvm(js).open(bucket, { allow_direct: false });
    return new NatsKeyValue(bucket, connection, js, kv);
  }

  async get(key: string): Promise<KeyValueEntry | null> {
    checkKey(key);
    const entry = await guard(() => this.#kv.get(key));
    return entry === null || entry.operation !== "PUT" ? null : toEntry(entry);
  }

  async create(key: string, value: Uint8Array, ttlMs = 0): Promise<number> {
    checkKey(key);
    checkValue(value, ttlMs);
    try {
      return await this.#put(key, value, 0, ttlMs);
    } catch (error) {
      if (!isWrongSequence(error)) throw toCoded(error);
    }
    // A deleted or expired key leaves a marker; a new value goes after it.
    const present = await guard(() => this.#kv.get(key));
    if (present !== null && present.operation !== "PUT") {
      try {
        return await this.#put(key, value, present.revision, ttlMs);
      } catch (error) {
        if (!isWrongSequence(error)) throw toCoded(error);
      }
    }
    throw new CodedError("ALREADY_EXISTS", `key ${key} of ${this.#bucket} exists`);
  }

  async update(key: string, value: Uint8Array, revision: number, ttlMs = 0): Promise<number> {
    checkKey(key);
    checkValue(value, ttlMs);
    const present = await this.get(key);
    if (present?.revision === revision) {
      try {
        return await this.#put(key, value, revision, ttlMs);
      } catch (error) {
        if (!isWrongSequence(error)) throw toCoded(error);
      }
    }
    throw this.#mismatch(key, revision);
  }

  /**
   * As update, in one round trip instead of two: for who knows that `revision` is of a value, and
   * not of a deletion.
   */
  async replace(key: string, value: Uint8Array, revision: number, ttlMs = 0): Promise<number> {
    checkKey(key);
    checkValue(value, ttlMs);
    try {
      return await this.#put(key, value, revision, ttlMs);
    } catch (error) {
      throw isWrongSequence(error) ? this.#mismatch(key, revision) : toCoded(error);
    }
  }

  async delete(key: string, revision?: number): Promise<void> {
    checkKey(key);
    try {
      if (revision === undefined && (await this.get(key)) === null) return;
      const header = headers();
      header.set("KV-Operation", "DEL");
      header.set("Nats-TTL", `${DELETED_TTL_S}s`);
      if (revision !== undefined) header.set(EXPECTED_SEQUENCE, String(revision));
      await this.#js.publish(`$KV.${this.#bucket}.${key}`, "", { headers: header });
    } catch (error) {
      if (!isWrongSequence(error)) throw toCoded(error);
      throw this.#mismatch(key, revision ?? 0);
    }
  }

  async commit(writes: readonly KeyWrite[]): Promise<number[]> {
    checkWrites(writes);
    for (let round = 1; ; round += 1) {
      const batch = await Promise.all(writes.map((write) => this.#toBatchWrite(write)));
      try {
        return await guard(() => publishBatch(this.#connection, batch));
      } catch (error) {
        // Read again: the sequence that was expected of a deleted or expired key may have changed.
        if (!isWrongSequence(error)) throw error;
        if (round < COMMIT_TRY_COUNT_MAX) continue;
        const detail = `keys of ${this.#bucket} changed ${round} times while a commit was made`;
        throw new CodedError("ETAG_MISMATCH", detail, error);
      }
    }
  }

  async list(prefix: string): Promise<KeyValueEntry[]> {
    const entries = await this.listTimed(prefix);
    return entries.map(({ key, value, revision }) => ({ key, value, revision }));
  }

  /** As {@link list}, with the time of each write. */
  async listTimed(prefix: string): Promise<TimedEntry[]> {
    const entries = new Map<string, TimedEntry>(); // a key may be told twice before onSynced
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = await this.watch(prefix, {
      onChange: ({ key, value, revision }, writtenMs) => {
        if (value === null || writtenMs === null) entries.delete(key);
        else entries.set(key, { key, value, revision, writtenUs: writtenMs * 1000 });
      },
      onSynced: resolve,
    });
    await promise;
    stop();
    return [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async watch(prefix: string | readonly string[], watcher: TimedWatcher): Promise<() => void> {
    const patterns = checkPrefixes(prefix).map((each) => `${each}>`);
    const watch = new KeyWatch(
      {
        open: () => guard(() => this.#kv.watch({ key: patterns })),
        present: () => this.#present(patterns),
        newest: () => this.#newest(patterns),
      },
      watcher,
    );
    await guard(() => watch.start());
    return () => watch.stop();
  }

  /** Keys that match, markers included, and the bucket's last revision when it was read. */
  async #present(patterns: readonly string[]) {
    const manager = await this.#js.jetstreamManager(false);
    const start = `$KV.${this.#bucket}.`;
    const keys = new Set<string>();
    let lastRevision = Number.POSITIVE_INFINITY;
    for (const pattern of patterns) {
      const filter = { subjects_filter: start + pattern };
      const { state } = await manager.streams.info(`KV_${this.#bucket}`, filter);
      for (const subject of Object.keys(state.subjects ?? {}))
        keys.add(subject.slice(start.length));
      lastRevision = Math.min(lastRevision, state.last_seq);
    }
    return { keys, lastRevision };
  }

  /** Revision of the newest change that matches; 0 for none. */
  async #newest(patterns: readonly string[]): Promise<number> {
    const manager = await this.#js.jetstreamManager(false);
    const found = await Promise.all(
      patterns.map((pattern) =>
        manager.streams.getMessage(`KV_${this.#bucket}`, {
          last_by_subj: `$KV.${this.#bucket}.${pattern}`,
        }),
      ),
    );
    return Math.max(...found.map((message) => message?.seq ?? 0));
  }

  /** @throws {CodedError} `ETAG_MISMATCH` when the key is not at the write's revision now. */
  async #toBatchWrite({ key, value, revision, ttlMs = 0 }: KeyWrite): Promise<BatchWrite> {
    const found = await guard(() => this.#kv.get(key));
    const isThere = found !== null && found.operation === "PUT";
    if ((isThere ? found.revision : 0) !== revision) throw this.#mismatch(key, revision);
    // A deleted or expired key leaves a marker; a new value goes after it.
    const pairs: Record<string, string> = { [EXPECTED_SEQUENCE]: String(found?.revision ?? 0) };
    if (value === null) pairs["KV-Operation"] = "DEL";
    if (value === null) pairs["Nats-TTL"] = `${DELETED_TTL_S}s`;
    else if (ttlMs > 0) pairs["Nats-TTL"] = `${Math.ceil(ttlMs / 1000)}s`;
    return {
      subject: `$KV.${this.#bucket}.${key}`,
      value: value ?? new Uint8Array(0),
      headers: batchHeaders(pairs),
    };
  }

  #mismatch(key: string, revision: number): CodedError {
    const state = revision === 0 ? "exists" : `is no longer at revision ${revision}`;
    return new CodedError("ETAG_MISMATCH", `key ${key} of ${this.#bucket} ${state}`);
  }

  /** Writes if the key's revision is `after` (0: it has none). */
  async #put(key: string, value: Uint8Array, after: number, ttlMs: number): Promise<number> {
    const header = headers();
    header.set(EXPECTED_SEQUENCE, String(after));
    if (ttlMs > 0) header.set("Nats-TTL", `${Math.ceil(ttlMs / 1000)}s`);
    const ack = await this.#js.publish(`$KV.${this.#bucket}.${key}`, value, { headers: header });
    return ack.seq;
  }
}

function toEntry(entry: KvEntry): KeyValueEntry {
  return { key: entry.key, value: entry.value, revision: entry.revision };
}

function isWrongSequence(error: unknown): boolean {
  if (error instanceof BatchRefusal) return wrongSequenceCodes.includes(error.serverCode);
  return error instanceof JetStreamApiError && wrongSequenceCodes.includes(error.code);
}

async function guard<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toCoded(error);
  }
}
