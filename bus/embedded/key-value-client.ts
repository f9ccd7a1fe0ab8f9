/**
 * KeyValue on the embedded store: checks what it is given, asks the worker, keeps the watchers.
 */
import { CodedError } from "../../proto/coded-error.ts";
import {
  KEY_CHARS_MAX,
  type KeyValue,
  type KeyValueEntry,
  type KeyValueWatcher,
  VALUE_BYTES_MAX,
} from "../key-value.ts";
import type { WorkerLink } from "./worker-link.ts";
import type { BucketChange } from "./worker-protocol.ts";

/** Shortest time to live, milliseconds. */
const ttlMsMin = 1000;

const keyPattern = /^[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*$/;
const prefixPattern = /^([A-Za-z0-9_=/-]+\.)*$/;
const bucketPattern = /^[a-z][a-z0-9-]{0,31}$/;

interface Watch {
  readonly prefix: string;
  readonly watcher: KeyValueWatcher;
}

/** One bucket of the embedded store; one object a bucket, so that it knows all its watchers. */
export class EmbeddedKeyValue implements KeyValue {
  readonly #link: WorkerLink;
  readonly #bucket: string;
  readonly #watches = new Set<Watch>();

  /** @throws {CodedError} `REQUEST_INVALID` for a bad bucket name. */
  constructor(link: WorkerLink, bucket: string) {
    if (!bucketPattern.test(bucket)) {
      const shown = JSON.stringify(bucket.slice(0, 60));
      throw new CodedError("REQUEST_INVALID", `bucket ${shown} is not [a-z][a-z0-9-]{0,31}`);
    }
    this.#link = link;
    this.#bucket = bucket;
  }

  async get(key: string): Promise<KeyValueEntry | null> {
    checkKey(key);
    const request = { op: "kvGet", bucket: this.#bucket, key } as const;
    return (await this.#link.request("read", request)) as KeyValueEntry | null;
  }

  async create(key: string, value: Uint8Array, ttlMs = 0): Promise<number> {
    checkKey(key);
    checkValue(value, ttlMs);
    const request = { op: "kvCreate", bucket: this.#bucket, key, value, ttlMs } as const;
    return (await this.#link.request("write", request)) as number;
  }

  async update(key: string, value: Uint8Array, revision: number, ttlMs = 0): Promise<number> {
    checkKey(key);
    checkValue(value, ttlMs);
    checkRevision(revision);
    const request = { op: "kvUpdate", bucket: this.#bucket, key, value, revision, ttlMs } as const;
    return (await this.#link.request("write", request)) as number;
  }

  async delete(key: string, revision?: number): Promise<void> {
    checkKey(key);
    if (revision !== undefined) checkRevision(revision);
    const expected = revision ?? null;
    const request = { op: "kvDelete", bucket: this.#bucket, key, revision: expected } as const;
    await this.#link.request("write", request);
  }

  async list(prefix: string): Promise<KeyValueEntry[]> {
    checkPrefix(prefix);
    const request = { op: "kvList", bucket: this.#bucket, prefix } as const;
    return (await this.#link.request("read", request)) as KeyValueEntry[];
  }

  async watch(prefix: string, watcher: KeyValueWatcher): Promise<() => void> {
    checkPrefix(prefix);
    const bucket = this.#bucket;
    const watch: Watch = { prefix, watcher };
    // The worker announces every change after this answer, so registering inside it leaves no gap.
    await this.#link.request("read", { op: "kvWatch", bucket, prefix }, (entries) => {
      this.#watches.add(watch);
      for (const entry of entries as KeyValueEntry[]) watcher.onChange(entry);
      watcher.onSynced();
    });
    return () => {
      if (!this.#watches.delete(watch)) return;
      this.#link.request("read", { op: "kvUnwatch", bucket }).catch(ignoreEnded);
    };
  }

  /** Passes a change of this bucket on to its watchers. */
  announce(change: BucketChange): void {
    for (const { prefix, watcher } of this.#watches) {
      if (!change.key.startsWith(prefix)) continue;
      watcher.onChange({ key: change.key, value: change.value, revision: change.revision });
    }
  }
}

/** A watch that ends after the store has ended needs nothing more. */
function ignoreEnded(): void {}

function checkKey(key: string): void {
  if (key.length <= KEY_CHARS_MAX && keyPattern.test(key)) return;
  throw new CodedError(
    "REQUEST_INVALID",
    `key ${JSON.stringify(key.slice(0, 60))} is not 1 to ${KEY_CHARS_MAX} characters of ` +
      "[A-Za-z0-9_=/-] in tokens parted by single dots",
  );
}

function checkPrefix(prefix: string): void {
  if (prefix.length <= KEY_CHARS_MAX && prefixPattern.test(prefix)) return;
  const shown = JSON.stringify(prefix.slice(0, 60));
  throw new CodedError("REQUEST_INVALID", `prefix ${shown} is not "" or tokens ending with a dot`);
}

function checkValue(value: Uint8Array, ttlMs: number): void {
  if (value.length > VALUE_BYTES_MAX) {
    const detail = `a value has ${VALUE_BYTES_MAX} bytes at most, this one ${value.length}`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  if (ttlMs === 0 || (Number.isFinite(ttlMs) && ttlMs >= ttlMsMin)) return;
  throw new CodedError(
    "REQUEST_INVALID",
    `ttlMs is ${ttlMs}; it must be 0 or at least ${ttlMsMin}`,
  );
}

function checkRevision(revision: number): void {
  if (Number.isSafeInteger(revision) && revision >= 1) return;
  throw new CodedError("REQUEST_INVALID", `revision is ${revision}; it must be 1 or more`);
}
