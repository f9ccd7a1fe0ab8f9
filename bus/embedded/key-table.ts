/**
 * Keys with compare-and-set and time to live, in the worker's database.
 *
 * Every change, also an expiry, takes the bucket's next revision, which is stored with it:
 * revisions are fencing tokens. Times to live are stored as wall-clock times, so they go on over
 * a restart. Runs inside the transactions of the worker; changes are announced only after the
 * commit.
 */
import type { DatabaseSync } from "node:sqlite";
import { CodedError } from "../../proto/coded-error.ts";
import type { KeyValueEntry } from "../key-value.ts";
import { prepareArrays } from "./database.ts";
import type { BucketChange, KeyRequest } from "./worker-protocol.ts";

/** Keys that one step expires at most, so that appends wait some milliseconds at worst. */
export const EXPIRE_STEP_COUNT_MAX = 512;

type Row = readonly (number | string | Uint8Array)[];

type CommitRequest = Extract<KeyRequest, { op: "kvCommit" }>;
type Put = Omit<Extract<KeyRequest, { op: "kvCreate" }>, "op">;

export class KeyTable {
  readonly #statements: ReturnType<typeof prepare>;
  /** Changes of the present transaction. */
  #changes: BucketChange[] = [];
  /** When the next key expires, microseconds; Infinity for never. */
  #nextExpiryUs: number;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
    this.#nextExpiryUs = this.#readNextExpiry();
  }

  /** When {@link expire} has something to do. */
  get nextExpiryUs(): number {
    return this.#nextExpiryUs;
  }

  /** Takes what changed since the last call; to be announced after the commit. */
  takeChanges(): BucketChange[] {
    const changes = this.#changes;
    if (changes.length > 0) this.#changes = [];
    return changes;
  }

  /** Forgets the changes of a transaction that was rolled back. */
  rollBack(): void {
    this.#changes = [];
    this.#nextExpiryUs = this.#readNextExpiry();
  }

  /** Deletes keys whose time is over, at most EXPIRE_STEP_COUNT_MAX. */
  expire(nowUs: number): void {
    if (nowUs < this.#nextExpiryUs) return;
    const due = this.#statements.due.all(nowUs, EXPIRE_STEP_COUNT_MAX) as unknown as Row[];
    for (const [id, bucketId, bucket, key] of due) {
      this.#statements.deleteEntry.run(id as number);
      const revision = this.#nextRevision(bucketId as number);
      this.#changes.push({ bucket: String(bucket), key: String(key), value: null, revision });
    }
    this.#nextExpiryUs = this.#readNextExpiry();
  }

  /**
   * Applies one change.
   *
   * @returns the new revision, or those of a commit; 0 when there was nothing to delete.
   * @throws {CodedError} `ALREADY_EXISTS`, `ETAG_MISMATCH`; nothing was changed then.
   */
  apply(request: KeyRequest, nowUs: number): number | number[] {
    const bucketId = this.#bucketId(request.bucket, true);
    if (request.op === "kvCommit") return this.#applyCommit(bucketId, request, nowUs);
    const { bucket, key } = request;
    const row = this.#entry(bucketId, key, nowUs);
    const revision = row === undefined ? 0 : (row[1] as number);
    switch (request.op) {
      case "kvCreate":
        if (row !== undefined) {
          throw new CodedError(
            "ALREADY_EXISTS",
            `key ${key} of ${bucket} has revision ${revision}`,
          );
        }
        return this.#put(bucketId, request, nowUs);
      case "kvUpdate":
        if (revision !== request.revision) throw mismatch(bucket, key, request.revision, revision);
        return this.#put(bucketId, request, nowUs);
      case "kvDelete":
        if (request.revision !== null && revision !== request.revision) {
          throw mismatch(bucket, key, request.revision, revision);
        }
        return row === undefined ? 0 : this.#remove(bucketId, bucket, key, row[0] as number);
      default:
        throw request satisfies never;
    }
  }

  /** The entry, or null. */
  get(bucket: string, key: string, nowUs: number): KeyValueEntry | null {
    const row = this.#entry(this.#bucketId(bucket, false), key, nowUs);
    if (row === undefined) return null;
    return { key, revision: row[1] as number, value: row[2] as Uint8Array };
  }

  /** Every entry whose key starts with `prefix`, by key. */
  list(bucket: string, prefix: string, nowUs: number): KeyValueEntry[] {
    const bucketId = this.#bucketId(bucket, false);
    // Keys are ASCII, and a prefix ends with a dot: "/" is the character after it.
    const end = prefix === "" ? "\u007f" : `${prefix.slice(0, -1)}/`;
    const rows = this.#statements.list.all(bucketId, prefix, end, nowUs) as unknown as Row[];
    return rows.map(([key, revision, value]) => ({
      key: String(key),
      revision: revision as number,
      value: value as Uint8Array,
    }));
  }

  /** Looks at all before it changes one: the transaction holds other requests too. */
  #applyCommit(bucketId: number, { bucket, writes }: CommitRequest, nowUs: number): number[] {
    const rows = writes.map(({ key, revision }) => {
      const row = this.#entry(bucketId, key, nowUs);
      const present = row === undefined ? 0 : (row[1] as number);
      if (present !== revision) throw mismatch(bucket, key, revision, present);
      return row;
    });
    return writes.map(({ key, value, ttlMs = 0 }, i) => {
      if (value !== null) return this.#put(bucketId, { bucket, key, value, ttlMs }, nowUs);
      return this.#remove(bucketId, bucket, key, rows[i]?.[0] as number);
    });
  }

  #put(bucketId: number, write: Put, nowUs: number): number {
    const { bucket, key, value, ttlMs } = write;
    const revision = this.#nextRevision(bucketId);
    const expiresUs = ttlMs === 0 ? 0 : nowUs + ttlMs * 1000;
    this.#statements.put.run(bucketId, key, value, revision, expiresUs);
    if (expiresUs > 0 && expiresUs < this.#nextExpiryUs) this.#nextExpiryUs = expiresUs;
    this.#changes.push({ bucket, key, value, revision });
    return revision;
  }

  #remove(bucketId: number, bucket: string, key: string, id: number): number {
    this.#statements.deleteEntry.run(id);
    const revision = this.#nextRevision(bucketId);
    this.#changes.push({ bucket, key, value: null, revision });
    return revision;
  }

  /** Id, revision and value of a key that has not expired. */
  #entry(bucketId: number, key: string, nowUs: number): Row | undefined {
    return this.#statements.get.get(bucketId, key, nowUs) as unknown as Row | undefined;
  }

  #bucketId(bucket: string, isMade: boolean): number {
    const row = this.#statements.bucketId.get(bucket) as unknown as Row | undefined;
    if (row !== undefined) return row[0] as number;
    return isMade ? Number(this.#statements.addBucket.run(bucket).lastInsertRowid) : 0;
  }

  #nextRevision(bucketId: number): number {
    const row = this.#statements.nextRevision.get(bucketId) as unknown as [number];
    return row[0];
  }

  #readNextExpiry(): number {
    const [expiresUs] = this.#statements.nextExpiry.get() as unknown as [number | null];
    return expiresUs ?? Number.POSITIVE_INFINITY;
  }
}

function mismatch(bucket: string, key: string, expected: number, present: number): CodedError {
  const state = present === 0 ? "does not exist" : `has revision ${present}`;
  const wanted = expected === 0 ? "but must not exist" : `not ${expected}`;
  return new CodedError("ETAG_MISMATCH", `key ${key} of ${bucket} ${state}, ${wanted}`);
}

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => prepareArrays(database, sql);
  const isAlive = "(expires_us = 0 OR expires_us > ?)";
  return {
    bucketId: statement("SELECT id FROM bucket WHERE name = ?"),
    addBucket: statement("INSERT INTO bucket (name, revision) VALUES (?, 0)"),
    nextRevision: statement(
      "UPDATE bucket SET revision = revision + 1 WHERE id = ? RETURNING revision",
    ),
    get: statement(
      `SELECT id, revision, value FROM entry WHERE bucket_id = ? AND key = ? AND ${isAlive}`,
    ),
    list: statement(
      "SELECT key, revision, value FROM entry WHERE bucket_id = ? AND key >= ? AND key < ? " +
        `AND ${isAlive} ORDER BY key`,
    ),
    put: statement(
      // An empty array without memory is bound as NULL.
      "INSERT INTO entry (bucket_id, key, value, revision, expires_us) " +
        "VALUES (?, ?, ifnull(?, x''), ?, ?) ON CONFLICT (bucket_id, key) DO UPDATE SET value = excluded.value, " +
        "revision = excluded.revision, expires_us = excluded.expires_us",
    ),
    deleteEntry: statement("DELETE FROM entry WHERE id = ?"),
    due: statement(
      "SELECT entry.id, bucket_id, bucket.name, key FROM entry JOIN bucket ON " +
        "bucket.id = bucket_id WHERE expires_us > 0 AND expires_us <= ? ORDER BY expires_us LIMIT ?",
    ),
    nextExpiry: statement("SELECT min(expires_us) FROM entry WHERE expires_us > 0"),
  };
}
