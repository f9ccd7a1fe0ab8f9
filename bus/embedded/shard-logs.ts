/**
 * Every shard's log, and those of deleted shards that are still being emptied. Runs in the worker.
 *
 * One file holds all: one commit and one fsync for whatever a turn stores, however many shards it
 * goes to, and a move is one transaction (docs/adr/0020-embedded-shards-are-tables.md).
 */
import type { DatabaseSync } from "node:sqlite";
import { prepareArrays } from "./database.ts";
import { createMessageTable } from "./schema.ts";
import { type LogLimits, ORPHAN_LIMITS, ShardLog } from "./shard-log.ts";

export class ShardLogs {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  #logs: ShardLog[] = [];

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
    this.load();
  }

  /** Reads which logs there are: at the start, and after a transaction that changed it failed. */
  load(): void {
    const rows = this.#statements.all.all() as unknown as [number, number | null][];
    const known = new Map(this.#logs.map((log) => [log.id, log]));
    this.#logs = rows.map(([id, shard]) => {
      const log = known.get(id) ?? new ShardLog(this.#database, id, shard);
      log.shard = shard;
      return log;
    });
  }

  /** All of them. */
  get all(): readonly ShardLog[] {
    return this.#logs;
  }

  /** Of a shard; undefined when there is no such shard. */
  of(shard: number): ShardLog | undefined {
    return this.#logs.find((log) => log.shard === shard);
  }

  /** Newest seq that was ever given out. */
  get lastSeq(): number {
    const [trimmedSeq] = this.#statements.trimmed.get() as unknown as [number];
    return this.#logs.reduce((highest, { lastSeq }) => Math.max(highest, lastSeq), trimmedSeq);
  }

  /**
   * Makes the log of a new shard, inside a transaction.
   *
   * @param lastSeq newest seq given out: nothing up to it is in this log, nor ever was.
   */
  create(shard: number, limits: LogLimits, lastSeq: number): ShardLog {
    const id = this.#logs.reduce((highest, log) => Math.max(highest, log.id), -1) + 1;
    createMessageTable(this.#database, id);
    this.#statements.add.run(id, shard, lastSeq, lastSeq);
    const log = new ShardLog(this.#database, id, shard);
    log.limits = limits;
    this.#logs = [...this.#logs, log];
    return log;
  }

  /** The shard is deleted, inside a transaction: its log is emptied by and by. */
  abandon(log: ShardLog): void {
    this.#statements.abandon.run(log.id);
    log.shard = null;
    log.limits = ORPHAN_LIMITS;
  }

  /** Deletes an emptied log of no shard, inside a transaction. */
  drop(log: ShardLog): void {
    this.#statements.setTrimmed.run(this.lastSeq);
    this.#database.exec(`DROP TABLE ${log.table}`);
    this.#statements.delete.run(log.id);
    this.#logs = this.#logs.filter((other) => other !== log);
  }

  /** A slot's messages up to `seq` can not be read any more, inside a transaction. */
  forget(slot: number, seq: number): void {
    this.#statements.forget.run(slot, seq);
  }

  /** Up to where a slot's messages can not be read any more; 0 for nowhere. */
  forgottenSeq(slot: number): number {
    const row = this.#statements.forgotten.get(slot) as unknown as [number] | undefined;
    return row?.[0] ?? 0;
  }

  /** Whether any log has a message of the room. */
  hasRoom(roomId: number): boolean {
    return this.#logs.some((log) => log.newestOf(roomId, 0, Number.MAX_SAFE_INTEGER) !== undefined);
  }
}

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => prepareArrays(database, sql);
  return {
    all: statement("SELECT id, shard FROM shard_log ORDER BY id"),
    add: statement("INSERT INTO shard_log VALUES (?, ?, ?, 0, 0, ?)"),
    abandon: statement("UPDATE shard_log SET shard = NULL WHERE id = ?"),
    delete: statement("DELETE FROM shard_log WHERE id = ?"),
    trimmed: statement("SELECT seq FROM trimmed"),
    forget: statement("INSERT OR REPLACE INTO forgotten VALUES (?, ?)"),
    forgotten: statement("SELECT seq FROM forgotten WHERE slot = ?"),
    setTrimmed: statement("UPDATE trimmed SET seq = ?"),
  };
}
