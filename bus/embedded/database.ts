/**
 * Opens the SQLite file of a data folder: lock, schema, settings; and turns SQLite's errors into
 * codes.
 *
 * One connection holds the file in exclusive locking mode: a second process gets SQLITE_BUSY, the
 * kernel frees the lock when the process dies however it dies, and the WAL index lives in our
 * memory instead of a shared mapping. Checkpoints are ours (checkpointIfDue), after the acks of a
 * commit.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { CodedError } from "../../proto/coded-error.ts";

/** File of the store inside the data folder; beside it live SQLite's `-wal` files. */
export const STORE_FILE = "tidegate.sqlite";

/** "TGEB": says whose SQLite file it is. */
const applicationId = 0x54474542;
/** Counts changes of the schema; a file of a later one is refused. */
const schemaVersion = 1;

// `message` is keyed by seq, so that appends go to its end and age trims its start. The index holds
// (room_id, seq), since an index entry ends with the row's key.
const schema = `
CREATE TABLE room (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE);
CREATE TABLE message (
  seq INTEGER PRIMARY KEY, room_id INTEGER NOT NULL, prev_seq INTEGER NOT NULL,
  time_us INTEGER NOT NULL, producer BLOB NOT NULL, producer_seq INTEGER NOT NULL,
  envelope BLOB NOT NULL);
CREATE INDEX message_by_room ON message (room_id);
CREATE TABLE trimmed (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
INSERT INTO trimmed VALUES (1, 0);
CREATE TABLE bucket (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL);
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, bucket_id INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
  revision INTEGER NOT NULL, expires_us INTEGER NOT NULL);
CREATE UNIQUE INDEX entry_by_key ON entry (bucket_id, key);
CREATE INDEX entry_by_expiry ON entry (expires_us) WHERE expires_us > 0;
`;

/**
 * Opens or makes the store of a folder.
 *
 * @throws {CodedError} `STORE_LOCKED`, `STORE_CORRUPT`, or `UNAVAILABLE` when the folder can not be
 *   written.
 */
export function openDatabase(dataDir: string, isSynchronous: boolean): DatabaseSync {
  makeFolder(dataDir);
  const file = path.join(dataDir, STORE_FILE);
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(file);
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${isSynchronous ? "FULL" : "OFF"};
      PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;
      PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;`);
    prepareSchema(database, file);
    return database;
  } catch (reason) {
    database?.close();
    throw storeError(reason, dataDir);
  }
}

/** Makes the folder, readable by its owner only, and puts the names made on the disk. */
function makeFolder(dataDir: string): void {
  try {
    const missing: string[] = [];
    let folder = path.resolve(dataDir);
    for (; !existsSync(folder); folder = path.dirname(folder)) missing.unshift(folder);
    // Not mkdir's "recursive", which never ends on a file system that refuses folders (/proc).
    for (const name of missing) {
      mkdirSync(name, { mode: 0o700 });
      const parent = openSync(path.dirname(name), "r");
      fsyncSync(parent);
      closeSync(parent);
    }
  } catch (reason) {
    const text = reason instanceof Error ? reason.message : String(reason);
    throw new CodedError("UNAVAILABLE", `data folder ${dataDir} can not be made: ${text}`, reason);
  }
}

function prepareSchema(database: DatabaseSync, file: string): void {
  // Taking the write lock now makes a second opener fail here and not at its first append.
  database.exec("BEGIN IMMEDIATE");
  const version = pragmaNumber(database, "user_version");
  const owner = pragmaNumber(database, "application_id");
  if (version === 0 && owner === 0 && pragmaNumber(database, "page_count") <= 1) {
    database.exec(schema);
    database.exec(
      `PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`,
    );
  } else if (owner !== applicationId || version < 1 || version > schemaVersion) {
    throw new CodedError(
      "STORE_CORRUPT",
      `${file} is not a store that this version can read (application ${owner}, schema ${version})`,
    );
  }
  database.exec("COMMIT");
}

/** A statement whose rows are arrays, which cost less than objects. */
export function prepareArrays(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  return statement;
}

/** Reads a PRAGMA that is one number. */
export function pragmaNumber(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row === undefined ? 0 : Object.values(row)[0]);
}

/** Bytes of pages in use; free pages inside the file do not count. */
export function usedBytes(database: DatabaseSync): number {
  const pages = pragmaNumber(database, "page_count") - pragmaNumber(database, "freelist_count");
  return pages * 4096;
}

/** SQLite's primary result codes that mean something to us. */
const resultCodes = { BUSY: 5, LOCKED: 6, CORRUPT: 11, FULL: 13, NOTADB: 26 } as const;
/** Extended codes of a failed fsync, of a file and of a folder. */
const fsyncCodes: readonly number[] = [10 | (4 << 8), 10 | (5 << 8)];

/**
 * Whether the error is of an fsync: then nobody knows what of that commit is on the disk, and
 * trying again proves nothing, since the kernel may have dropped the pages.
 */
export function isFsyncError(reason: unknown): boolean {
  return fsyncCodes.includes(sqliteCode(reason));
}

/** Turns an error of SQLite into one of ours: what failed, why, and what to do. */
export function storeError(reason: unknown, dataDir: string): CodedError {
  if (reason instanceof CodedError) return reason;
  const text = reason instanceof Error ? reason.message : String(reason);
  switch (sqliteCode(reason) & 0xff) {
    case resultCodes.BUSY:
    case resultCodes.LOCKED:
      return new CodedError(
        "STORE_LOCKED",
        `another process uses data folder ${dataDir}; stop it, or choose another folder`,
        reason,
      );
    case resultCodes.CORRUPT:
    case resultCodes.NOTADB:
      return new CodedError(
        "STORE_CORRUPT",
        `the store in ${dataDir} is damaged (${text}); stop, then restore a backup of the folder, ` +
          "or move it away to start empty",
        reason,
      );
    case resultCodes.FULL:
      return new CodedError("STORE_FULL", `the disk of ${dataDir} is full`, reason);
    default:
      return new CodedError("UNAVAILABLE", `the store in ${dataDir} failed: ${text}`, reason);
  }
}

/** SQLite's extended result code of a thrown error, 0 when it is none of SQLite's. */
function sqliteCode(reason: unknown): number {
  if (!(reason instanceof Error) || !("errcode" in reason)) return 0;
  return Number(reason.errcode);
}
