/**
 * Keys with compare-and-set, watch and time to live: the state of control plane, leases and seats.
 *
 * Revisions are fencing tokens: they rise with every change of a bucket and are never re-used.
 */

/** One key as it stands. */
export interface KeyValueEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Of the change that wrote this value; 1 or more. */
  readonly revision: number;
}

/** One change seen by a watcher; `value` is null when the key was deleted or expired. */
export interface KeyValueChange {
  readonly key: string;
  readonly value: Uint8Array | null;
  readonly revision: number;
}

/** One write of several that are done together. */
export interface KeyWrite {
  readonly key: string;
  /** Null deletes it. */
  readonly value: Uint8Array | null;
  /** Of the entry that it replaces; 0: there must be none. */
  readonly revision: number;
  /** Time to live from now, ms, as {@link KeyValue.create} has it. */
  readonly ttlMs?: number;
}

/** Receives a watched prefix: the present entries first, then `onSynced` once, then changes. */
export interface KeyValueWatcher {
  /**
   * In the order of revisions for each key, each at most once. A value that was replaced before it
   * could be told may be skipped, the last one never. Must not throw.
   */
  onChange(change: KeyValueChange): void;
  onSynced(): void;
}

/** Bytes of one value; NATS's default message limit is 1 MB. */
export const VALUE_BYTES_MAX = 512 * 1024;
/** Characters of one key. */
export const KEY_CHARS_MAX = 256;

/** Keys: 1 to KEY_CHARS_MAX of [A-Za-z0-9_=/-], in tokens parted by single dots. */
export interface KeyValue {
  /** The entry, or null when there is none (or it has expired). Throws `UNAVAILABLE`. */
  get(key: string): Promise<KeyValueEntry | null>;

  /**
   * Writes a key that does not exist.
   *
   * @param ttlMs time to live from now, 1000 or more, 0 for ever. Precision one second.
   * @returns its revision.
   * @throws {CodedError} `ALREADY_EXISTS`, `UNAVAILABLE`, `REQUEST_INVALID` for a bad key or value.
   */
  create(key: string, value: Uint8Array, ttlMs?: number): Promise<number>;

  /**
   * Replaces a value if its revision is still `revision`; the time to live is set anew (0: none).
   *
   * @returns the new revision.
   * @throws {CodedError} `ETAG_MISMATCH` when changed, deleted or expired since; as create.
   */
  update(key: string, value: Uint8Array, revision: number, ttlMs?: number): Promise<number>;

  /**
   * Deletes a key; nothing happens when it does not exist and no revision is given.
   *
   * @throws {CodedError} `ETAG_MISMATCH` when `revision` is given and not the present one.
   */
  delete(key: string, revision?: number): Promise<void>;

  /** Every entry whose key starts with `prefix` ("" or ending with a dot), by key. */
  list(prefix: string): Promise<KeyValueEntry[]>;

  /** Watches a prefix as in {@link list}. */
  watch(prefix: string, watcher: KeyValueWatcher): Promise<() => void>;
}
