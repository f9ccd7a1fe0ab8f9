/**
 * Remembering, after a start, the names of what was stored within the window before it (R1): the
 * logs' tails are all that knows them. Runs in the worker.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { DEDUPE_WINDOW_US } from "../void.ts";
import { prepareArrays } from "./database.ts";
import type { DedupeWindow } from "./dedupe-window.ts";
import type { ShardLog } from "./shard-log.ts";

/** Rows whose names are recalled in one step. */
const stepCount = 4096;

/** Seq, room id, time, producer, producer seq, epoch. */
type NameRow = [number, number, number, Uint8Array, number, number];

export class NameRecall {
  readonly #dedupe: DedupeWindow;
  readonly #nowUs: number;
  readonly #uptimeUs: number;
  /** Rows of all logs from a seq on, in the order of storing; null when no log has any. */
  readonly #names: StatementSync | null;
  #nextSeq: number;

  /** @param nowUs, uptimeUs as of the start. */
  constructor(
    database: DatabaseSync,
    logs: readonly ShardLog[],
    dedupe: DedupeWindow,
    nowUs: number,
    uptimeUs: number,
  ) {
    this.#dedupe = dedupe;
    this.#nowUs = nowUs;
    this.#uptimeUs = uptimeUs;
    const sinceUs = nowUs - DEDUPE_WINDOW_US;
    const recent = logs.filter(({ newestUs }) => newestUs >= sinceUs);
    this.#nextSeq = Math.min(...recent.map((log) => firstSeqSince(log, sinceUs)));
    const selects = recent.map(
      ({ table }) =>
        "SELECT seq, room_id, time_us, producer, producer_seq, epoch " +
        `FROM ${table} WHERE seq >= ?1`,
    );
    const sql = `${selects.join(" UNION ALL ")} ORDER BY seq LIMIT ?2`;
    this.#names = recent.length === 0 ? null : prepareArrays(database, sql);
  }

  /**
   * Recalls some.
   *
   * @returns true when all are recalled.
   */
  step(): boolean {
    if (this.#names === null) return true;
    const rows = this.#names.iterate(this.#nextSeq, stepCount) as Iterable<unknown>;
    let count = 0;
    for (const row of rows as Iterable<NameRow>) {
      const [seq, roomId, timeUs, producer, producerSeq, epoch] = row;
      const storedUs = this.#uptimeUs - Math.max(0, this.#nowUs - timeUs);
      if (this.#dedupe.hasSpace) {
        this.#dedupe.add(roomId, producer, producerSeq, { seq, timeUs, epoch }, storedUs);
      }
      this.#nextSeq = seq + 1;
      count += 1;
    }
    return count < stepCount;
  }
}

/** Where the names of the window begin in a log, found by steps back from its end. */
function firstSeqSince(log: ShardLog, sinceUs: number): number {
  const oldest = log.firstFrom(0);
  if (oldest === undefined) return 0;
  let seq = log.lastSeq;
  while (seq > oldest[0]) {
    seq = Math.max(0, seq - stepCount);
    const row = log.firstFrom(seq);
    if (row !== undefined && row[1] < sinceUs) return row[0];
  }
  return 0;
}
