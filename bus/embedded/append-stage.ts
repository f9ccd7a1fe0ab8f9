/**
 * The appends of a transaction: takes as many as one commit may have, stores them, and says which
 * shards refuse. Runs in the worker.
 */
import type { DatabaseSync } from "node:sqlite";
import { RecordView, Refusal } from "./append-batch.ts";
import { usedBytes } from "./database.ts";
import type { AppendSummary, MessageLog } from "./message-log.ts";
import type { EmbeddedBusOptions } from "./options.ts";
import type { ShardLog } from "./shard-log.ts";
import type { ShardLogs } from "./shard-logs.ts";
import type { ToWorker } from "./worker-protocol.ts";

/** Appends of one commit at most: some 20 ms of inserting. The rest waits for the next one. */
const commitCountMax = 8192;

/** One message of appends. */
export type AppendMessage = Extract<ToWorker, { kind: "append" }>;

export class AppendStage {
  readonly #database: DatabaseSync;
  readonly #storeBytesMax: number;
  readonly #messages: MessageLog;
  readonly #logs: ShardLogs;
  #waiting: AppendMessage[] = [];
  /** See worker-protocol.ts, "appended". */
  fence = 0;
  /** Why records were refused last; empty when none was since. */
  detail = "";

  constructor(
    database: DatabaseSync,
    options: EmbeddedBusOptions,
    messages: MessageLog,
    logs: ShardLogs,
  ) {
    this.#database = database;
    this.#storeBytesMax = options.storeBytesMax;
    this.#messages = messages;
    this.#logs = logs;
  }

  /** Whether any wait. */
  get hasWork(): boolean {
    return this.#waiting.length > 0;
  }

  /** Adds what {@link take} will give. */
  add(message: AppendMessage): void {
    this.#waiting.push(message);
  }

  /** Takes waiting appends up to a commit's worth, at least one message when there is any. */
  take(): AppendMessage[] {
    let count = 0;
    let taken = 0;
    for (const message of this.#waiting) {
      for (const batch of message.batches) count += batch.count;
      if (taken > 0 && count > commitCountMax) break;
      taken += 1;
    }
    return this.#waiting.splice(0, taken);
  }

  /**
   * Stores them, inside a transaction.
   *
   * @returns how many were stored.
   */
  store(appends: readonly AppendMessage[], nowUs: number, uptimeUs: number): number {
    this.#messages.begin(uptimeUs);
    if (appends.length === 0) return 0;
    const refusal = this.#fullness(appends);
    const summary: AppendSummary = { storedCount: 0, refusedCount: 0, refusing: null };
    for (const { batches, fence } of appends) {
      for (const { buffer, count } of batches) {
        const view = new RecordView(buffer);
        this.#messages.append(view, count, fence, nowUs, uptimeUs, refusal, summary);
      }
    }
    if (summary.refusing !== null) this.#raiseFence(summary.refusing, refusal !== null);
    else if (summary.refusedCount === 0) this.detail = "";
    for (const log of this.#logs.all) if (log.isUnsaved) log.saveCounts();
    return summary.storedCount;
  }

  /** The transaction failed: refuses all of it, and what was sent before that is heard. */
  fail(appends: readonly AppendMessage[], refusal: Refusal, detail: string): void {
    if (appends.length === 0) return;
    this.fence += 1;
    this.detail = detail;
    for (const log of this.#logs.all) {
      log.fence = this.fence;
      log.refusal = refusal;
    }
    for (const { batches } of appends) for (const batch of batches) refuseAll(batch, refusal);
  }

  /** Forgets what was stored by a transaction that was rolled back. */
  rollBack(): void {
    this.#messages.rollBack();
    for (const log of this.#logs.all) {
      log.rollBack();
      log.isRefusing = false;
    }
  }

  #fullness(appends: readonly AppendMessage[]): Refusal | null {
    let bytes = usedBytes(this.#database);
    for (const { batches } of appends) for (const batch of batches) bytes += batch.bytes;
    return bytes > this.#storeBytesMax ? Refusal.FULL : null;
  }

  #raiseFence(refusing: ShardLog, isStoreFull: boolean): void {
    this.fence += 1;
    for (const log of this.#logs.all) {
      if (!log.isRefusing) continue;
      log.fence = this.fence;
      log.isRefusing = false;
    }
    this.detail = isStoreFull
      ? `the store holds storeBytesMax (${this.#storeBytesMax} bytes)`
      : detailOf(refusing);
  }
}

function detailOf({ refusal, shard, limits }: ShardLog): string {
  if (refusal === Refusal.FULL) {
    return `shard ${shard} holds shardBytesMax (${limits.bytesMax} bytes)`;
  }
  return "too many messages were stored within 30 s to remember their names";
}

function refuseAll(batch: { buffer: ArrayBuffer; count: number }, refusal: Refusal): void {
  const view = new RecordView(batch.buffer);
  let at = 0;
  for (let i = 0; i < batch.count; i += 1) {
    const next = view.next(at);
    if (!view.isPreRefused(at)) view.refuse(at, refusal);
    at = next;
  }
}
