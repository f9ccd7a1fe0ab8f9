/**
 * Keys on NATS: one stream per bucket, read from its leader, so that a read sees every earlier
 * write.
 *
 * The bucket is what @nats-io/kv makes; writes are published by hand, because its update can not
 * renew a time to live, and a plain update makes a key with one immortal (measured).
 */
import { JetStreamApiError, type JetStreamClient, jetstream } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { KEY_CHARS_MAX, type KeyValue, type KeyValueEntry, VALUE_BYTES_MAX } from "../key-value.ts";
import { toCoded } from "./connect.ts";
import { KeyWatch, type TimedWatcher } from "./key-watch.ts";

/** JetStream's "wrong last sequence", alone and with a competitor in flight. */
const wrongSequenceCodes = [10071, 10164];
/** Expiries stay visible to watchers this long, ms. */
const MARKER_TTL_MS = 60_000;
/** Deletions do so this long, then nothing is left of a key: each process leaves one at its end. */
const DELETED_TTL_S = 24 * 3600;
const TTL_MS_MIN = 1000;
const EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence";

/** An entry, and when it was written. */
export interface TimedEntry extends KeyValueEntry {
  /** By the server's clock, microseconds since 1970-01-01 UTC; precise to 1 ms. */
  readonly writtenUs: number;
}

export class NatsKeyValue implements KeyValue {
  readonly #bucket: string;
  readonly #js: JetStreamClient;
  readonly #kv: KV;

  private constructor(bucket: string, js: JetStreamClient, kv: KV) {
    this.#bucket = bucket;
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
    const kv = await new Kvm(js).create(bucket, {
      replicas,
      history: 1,
      markerTTL: MARKER_TTL_MS,
      allow_direct: false,
    });
    return new NatsKeyValue(bucket, js, kv);
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
    const detail = `key ${key} of ${this.#bucket} is no longer at revision ${revision}`;
    throw new CodedError("ETAG_MISMATCH", detail);
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
      const detail = `key ${key} of ${this.#bucket} is no longer at revision ${revision}`;
      throw new CodedError("ETAG_MISMATCH", detail);
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

  async watch(prefix: string, watcher: TimedWatcher): Promise<() => void> {
    checkPrefix(prefix);
    const stream = `KV_${this.#bucket}`;
    const start = `$KV.${this.#bucket}.`;
    const filter = `${start}${prefix}>`;
    const watch = new KeyWatch(
      {
        open: () => guard(() => this.#kv.watch({ key: `${prefix}>` })),
        present: async () => {
          const manager = await this.#js.jetstreamManager(false);
          const { state } = await manager.streams.info(stream, { subjects_filter: filter });
          const subjects = Object.keys(state.subjects ?? {});
          const keys = new Set(subjects.map((subject) => subject.slice(start.length)));
          return { keys, lastRevision: state.last_seq };
        },
        newest: async () => {
          const manager = await this.#js.jetstreamManager(false);
          const message = await manager.streams.getMessage(stream, { last_by_subj: filter });
          return message?.seq ?? 0;
        },
      },
      watcher,
    );
    await guard(() => watch.start());
    return () => watch.stop();
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

function checkKey(key: string): void {
  const isLegal = /^[\w=/-]+(\.[\w=/-]+)*$/.test(key) && key.length <= KEY_CHARS_MAX;
  if (!isLegal) {
    const shown = JSON.stringify(key.slice(0, 60));
    const detail = `key ${shown} must be tokens of [A-Za-z0-9_=/-] parted by single dots`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
}

function checkPrefix(prefix: string): void {
  if (prefix === "") return;
  if (!prefix.endsWith(".")) {
    throw new CodedError("REQUEST_INVALID", `prefix ${prefix} must be empty or end with a dot`);
  }
  checkKey(prefix.slice(0, -1));
}

function checkValue(value: Uint8Array, ttlMs: number): void {
  if (value.length > VALUE_BYTES_MAX) {
    const detail = `the value has ${value.length} bytes, at most ${VALUE_BYTES_MAX}`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  if (ttlMs !== 0 && !(Number.isFinite(ttlMs) && ttlMs >= TTL_MS_MIN)) {
    throw new CodedError(
      "REQUEST_INVALID",
      `ttlMs is ${ttlMs}, must be 0 or ${TTL_MS_MIN} or more`,
    );
  }
}

function isWrongSequence(error: unknown): boolean {
  return error instanceof JetStreamApiError && wrongSequenceCodes.includes(error.code);
}

async function guard<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw toCoded(error);
  }
}
