/**
 * Tables of the store's file, and how an older file becomes one of this version.
 *
 * Messages of a shard are a table of their own, `message_<log>`: appends go to its end, age trims
 * its start, and deleting a shard touches no other. `shard_log` says which table is whose; one
 * whose shard was deleted has no number and is emptied in steps (retention.ts).
 */
import type { DatabaseSync } from "node:sqlite";
import { CodedError } from "../../proto/coded-error.ts";

/** "TGEB": says whose SQLite file it is. */
const applicationId = 0x54474542;
/** Counts changes of the schema; a file of a later one is refused. */
const schemaVersion = 2;

/** `forgotten`: up to where messages of a slot were given up, since it moved too often. */
const shardTables = `
CREATE TABLE shard_log (
  id INTEGER PRIMARY KEY, shard INTEGER UNIQUE, counted_seq INTEGER NOT NULL,
  message_count INTEGER NOT NULL, bytes INTEGER NOT NULL, trimmed_seq INTEGER NOT NULL);
CREATE TABLE forgotten (slot INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
`;

// A room's `trimmed_seq` is the highest that was deleted of it for its count.
const schema = `
CREATE TABLE room (
  id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, trimmed_seq INTEGER NOT NULL DEFAULT 0);
CREATE TABLE trimmed (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
INSERT INTO trimmed VALUES (1, 0);
CREATE TABLE bucket (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL);
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, bucket_id INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
  revision INTEGER NOT NULL, expires_us INTEGER NOT NULL);
CREATE UNIQUE INDEX entry_by_key ON entry (bucket_id, key);
CREATE INDEX entry_by_expiry ON entry (expires_us) WHERE expires_us > 0;
${shardTables}`;

/**
 * From version 1, where one table `message` had everything. Nothing is copied: columns that are
 * added read as their default in the rows that are there. Its bytes are taken for those of the
 * file: counting them would read all of it.
 */
const migration1 = `
ALTER TABLE message RENAME TO message_0;
ALTER TABLE message_0 ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
ALTER TABLE room ADD COLUMN trimmed_seq INTEGER NOT NULL DEFAULT 0;
${shardTables}
INSERT INTO shard_log
  SELECT 0, 0, coalesce((SELECT max(seq) FROM message_0), 0), (SELECT count(*) FROM message_0),
    (SELECT page_count FROM pragma_page_count) * 4096, (SELECT seq FROM trimmed);
`;

/** Name of the table of a log. */
export function messageTable(log: number): string {
  return `message_${log}`;
}

/** Makes the table of a log, inside a transaction. */
export function createMessageTable(database: DatabaseSync, log: number): void {
  const table = messageTable(log);
  // Keyed by seq; the index holds (room_id, seq), since an index entry ends with the row's key.
  database.exec(`
    CREATE TABLE ${table} (
      seq INTEGER PRIMARY KEY, room_id INTEGER NOT NULL, prev_seq INTEGER NOT NULL,
      time_us INTEGER NOT NULL, producer BLOB NOT NULL, producer_seq INTEGER NOT NULL,
      epoch INTEGER NOT NULL, envelope BLOB NOT NULL);
    CREATE INDEX ${table}_by_room ON ${table} (room_id);`);
}

/**
 * Makes the tables of an empty file, or brings those of an older version up to date, in one
 * transaction: a crash inside leaves the file as it was.
 *
 * @throws {CodedError} `STORE_CORRUPT` for a file that is not ours, or of a later version.
 */
export function prepareSchema(database: DatabaseSync, file: string): void {
  // Taking the write lock now makes a second opener fail here and not at its first append.
  database.exec("BEGIN IMMEDIATE");
  const version = pragmaNumber(database, "user_version");
  const owner = pragmaNumber(database, "application_id");
  if (version === 0 && owner === 0 && pragmaNumber(database, "page_count") <= 1) {
    database.exec(schema);
  } else if (owner !== applicationId || version < 1 || version > schemaVersion) {
    throw new CodedError(
      "STORE_CORRUPT",
      `${file} is not a store that this version can read (application ${owner}, schema ${version})`,
    );
  } else if (version === 1) {
    database.exec(migration1);
  }
  if (version !== schemaVersion) {
    database.exec(
      `PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`,
    );
  }
  database.exec("COMMIT");
}

/** Reads a PRAGMA that is one number. */
export function pragmaNumber(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row === undefined ? 0 : Object.values(row)[0]);
}
