/**
 * KeyValue on the embedded store: checks what it is given, asks the worker, keeps the watchers.
 */
import {
  checkBucket,
  checkKey,
  checkPrefix,
  checkPrefixes,
  checkRevision,
  checkValue,
  checkWrites,
} from "../check-key-value.ts";
import type { KeyValue, KeyValueEntry, KeyValueWatcher, KeyWrite } from "../key-value.ts";
import type { WorkerLink } from "./worker-link.ts";
import type { BucketChange } from "./worker-protocol.ts";

interface Watch {
  readonly prefixes: readonly string[];
  readonly watcher: KeyValueWatcher;
}

/** One bucket of the embedded store; one object a bucket, so that it knows all its watchers. */
export class EmbeddedKeyValue implements KeyValue {
  readonly #link: WorkerLink;
  readonly #bucket: string;
  readonly #watches = new Set<Watch>();

  /** @throws {CodedError} `REQUEST_INVALID` for a bad bucket name. */
  constructor(link: WorkerLink, bucket: string) {
    checkBucket(bucket);
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

  async commit(writes: readonly KeyWrite[]): Promise<number[]> {
    checkWrites(writes);
    const request = { op: "kvCommit", bucket: this.#bucket, writes } as const;
    return (await this.#link.request("write", request)) as number[];
  }

  async list(prefix: string): Promise<KeyValueEntry[]> {
    checkPrefix(prefix);
    const request = { op: "kvList", bucket: this.#bucket, prefix } as const;
    return (await this.#link.request("read", request)) as KeyValueEntry[];
  }

  async watch(prefix: string | readonly string[], watcher: KeyValueWatcher): Promise<() => void> {
    const prefixes = checkPrefixes(prefix);
    const bucket = this.#bucket;
    const watch: Watch = { prefixes, watcher };
    // The worker announces every change after this answer, so registering inside it leaves no gap.
    await this.#link.request("read", { op: "kvWatch", bucket, prefixes }, (entries) => {
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
    for (const { prefixes, watcher } of this.#watches) {
      if (!prefixes.some((prefix) => change.key.startsWith(prefix))) continue;
      watcher.onChange({ key: change.key, value: change.value, revision: change.revision });
    }
  }
}

/** A watch that ends after the store has ended needs nothing more. */
function ignoreEnded(): void {}
