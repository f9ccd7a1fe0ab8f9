/**
 * Opens the SQLite file of a data folder, locked; and turns SQLite's errors into codes.
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
import { pragmaNumber, prepareSchema } from "./schema.ts";

/** File of the store inside the data folder; beside it live SQLite's `-wal` files. */
export const STORE_FILE = "tidegate.sqlite";

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

/** A statement whose rows are arrays, which cost less than objects. */
export function prepareArrays(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  return statement;
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
