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

/** One write of {@link KeyValue.commit}. */
export interface KeyWrite {
  readonly key: string;
  /** null deletes the key. */
  readonly value: Uint8Array | null;
  /** Of the entry that is replaced or deleted; 0: the key must not exist. */
  readonly revision: number;
  /** Time to live as in {@link KeyValue.create}; 0 (the default) for ever. */
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
/** Writes of one commit; NATS takes 1000, and each is read before. */
export const COMMIT_COUNT_MAX = 128;
/** Bytes of the values of one commit: they are held in memory until all have come. */
export const COMMIT_BYTES_MAX = 2 * 1024 * 1024;
/** Prefixes of one watch: more than there are kinds of records. */
export const PREFIX_COUNT_MAX = 16;
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

  /**
   * Writes several keys, all or nothing, in this order and with consecutive revisions. Whoever has
   * seen one of the writes finds all of them in what it reads after that; of a commit made while a
   * list is read, a part may be listed.
   *
   * @param writes 1 to COMMIT_COUNT_MAX, each key once, COMMIT_BYTES_MAX bytes of values.
   * @returns the new revisions, in the order of `writes`.
   * @throws {CodedError} `ETAG_MISMATCH` when any of them does not meet its revision: nothing is
   *   written; `REQUEST_INVALID`; `UNAVAILABLE`, after which all or nothing is written.
   */
  commit(writes: readonly KeyWrite[]): Promise<number[]>;

  /** Every entry whose key starts with `prefix` ("" or ending with a dot), by key. */
  list(prefix: string): Promise<KeyValueEntry[]>;

  /**
   * Watches a prefix as in {@link list}, or several, 1 to PREFIX_COUNT_MAX, of which none begins
   * with another: their changes come in one order, so that whoever has seen a revision has seen
   * all changes before it.
   */
  watch(prefix: string | readonly string[], watcher: KeyValueWatcher): Promise<() => void>;
}
