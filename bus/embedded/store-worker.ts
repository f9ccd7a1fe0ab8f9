/**
 * The store's turn: takes what waits, commits it once, answers, then reads and trims.
 *
 * One commit for everything that waits keeps the number of fsyncs low however many ask; one failing
 * commit refuses all of it and nothing is half applied. A turn commits first, then reads for some
 * milliseconds at most, then trims a little: neither readers nor trimming hold up appends for long,
 * and appends can not starve readers. worker.ts runs it in a thread.
 */
import { randomInt } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { CodedError } from "../../proto/coded-error.ts";
import { SHARD_BOUNDS, type ShardLimits } from "../shard-limits.ts";
import { Refusal } from "./append-batch.ts";
import { type AppendMessage, AppendStage } from "./append-stage.ts";
import { isFsyncError, storeError } from "./database.ts";
import { JournalTable } from "./journal-table.ts";
import { KeyTable } from "./key-table.ts";
import { MessageLog } from "./message-log.ts";
import { readPageAfter, readPageBefore } from "./message-page.ts";
import type { EmbeddedBusOptions } from "./options.ts";
import { Retention, TRIM_STEP_COUNT } from "./retention.ts";
import { RoomReader } from "./room-reader.ts";
import { ShardLogs } from "./shard-logs.ts";
import { ShardRegistry } from "./shard-registry.ts";
import type {
  AnswerValue,
  CommitRequest,
  FromWorker,
  JournalRequest,
  ReadRequest,
  ShardRequest,
  ToWorker,
} from "./worker-protocol.ts";

/** Time for reads in one turn, milliseconds; a read itself is bounded by PAGE_BYTES_MAX. */
const readBudgetMs = 4;
/**
 * Pages of the write-ahead log after which it is written back: in a turn without work, and in any.
 * Writing back holds up commits by 10 to 40 ms, so under load it is done seldom: 32 MB are read in
 * some 30 ms by the next start.
 */
const checkpointIdlePages = 64;
const checkpointBusyPages = 8192;

type WriteMessage = Extract<ToWorker, { kind: "write" }> & { readonly request: CommitRequest };
type JournalMessage = Extract<ToWorker, { kind: "write" }> & { readonly request: JournalRequest };
type ReadMessage = Extract<ToWorker, { kind: "read" }>;
type WriteResult = number | readonly number[] | CodedError;
type Post = (message: FromWorker, transfer?: ArrayBuffer[]) => void;

/** Clocks in microseconds: the wall clock, and one that never steps. */
export interface Clock {
  wallUs(): number;
  uptimeUs(): number;
}

export class StoreWorker {
  readonly #database: DatabaseSync;
  readonly #options: EmbeddedBusOptions;
  readonly #post: Post;
  readonly #clock: Clock;
  readonly #logs: ShardLogs;
  readonly #log: MessageLog;
  readonly #stage: AppendStage;
  readonly #reader: RoomReader;
  readonly #keys: KeyTable;
  readonly #registry: ShardRegistry;
  readonly #retention: Retention;
  readonly #journal: JournalTable;
  readonly #watchCounts = new Map<string, number>();
  #writes: WriteMessage[] = [];
  #reads: ReadMessage[] = [];
  #journalWrites: JournalMessage[] = [];
  /** Set when the store can not go on: what to tell everyone. */
  #broken: CodedError | null = null;
  #walPages = 0;
  /** Whether the log remembers the names of its tail; appends wait until then. */
  #isRecalled = false;
  /** Whether the last trimming step left work: the next follows at once. */
  #isTrimming = false;

  constructor(database: DatabaseSync, options: EmbeddedBusOptions, post: Post, clock: Clock) {
    this.#database = database;
    this.#options = options;
    this.#post = post;
    this.#clock = clock;
    const nowUs = clock.wallUs();
    this.#keys = new KeyTable(database);
    this.#logs = new ShardLogs(database);
    this.#registry = new ShardRegistry(this.#keys, this.#logs, shardDefaults(options), (log) =>
      this.#retention.sweep(log),
    );
    database.exec("BEGIN IMMEDIATE");
    this.#registry.prepare(nowUs);
    this.#journal = new JournalTable(database, journalBytesMax(options), nowUs);
    database.exec("COMMIT");
    this.#keys.takeChanges(); // nobody watches yet; who does later is told what is there
    const { routes } = this.#registry;
    const seed = randomInt(2 ** 32);
    this.#log = new MessageLog(database, this.#logs, routes, nowUs, clock.uptimeUs(), seed);
    this.#stage = new AppendStage(database, options, this.#log, this.#logs);
    this.#reader = new RoomReader(this.#log.rooms, routes);
    this.#retention = new Retention(database, this.#log, this.#logs);
  }

  /** Takes a message; {@link turn} works on it. */
  take(message: Exclude<ToWorker, { kind: "close" }>): void {
    if (message.kind === "append") this.#stage.add(message);
    else if (message.kind === "write") this.#takeWrite(message);
    else this.#reads.push(message);
  }

  #takeWrite(message: Extract<ToWorker, { kind: "write" }>): void {
    if (isOfJournal(message)) this.#journalWrites.push(message);
    else this.#writes.push(message as WriteMessage);
  }

  /** Whether {@link turn} has work at once. */
  get hasWork(): boolean {
    const queues = [this.#writes, this.#reads, this.#journalWrites];
    const isAsked = this.#stage.hasWork || queues.some((queue) => queue.length > 0);
    return isAsked || !this.#isRecalled || this.#isTrimming;
  }

  /** When the next key expires, microseconds of the wall clock; Infinity for never. */
  get nextExpiryUs(): number {
    return this.#broken === null ? this.#keys.nextExpiryUs : Number.POSITIVE_INFINITY;
  }

  /** One turn: commit, read, trim, write back. */
  turn(): void {
    const isIdle = !this.hasWork;
    const isExpiring = this.#clock.wallUs() >= this.nextExpiryUs;
    let storedCount = 0;
    if (!this.#isRecalled) this.#recall();
    if ((this.#stage.hasWork && this.#isRecalled) || this.#writes.length > 0 || isExpiring) {
      storedCount = this.#commit();
    }
    this.#readSome();
    this.#writeJournal();
    if (this.#broken !== null) return;
    this.#trim(Math.max(TRIM_STEP_COUNT, storedCount));
    this.#checkpoint(isIdle ? checkpointIdlePages : checkpointBusyPages);
  }

  /** Ends the store; everything taken has been worked on. */
  close(): void {
    if (this.#broken === null) this.#checkpoint(0);
    this.#database.close();
  }

  /** A log whose tail can not be read must not be written: it would forget names. */
  #recall(): void {
    try {
      this.#isRecalled = this.#log.recall();
    } catch (reason) {
      this.#isRecalled = true;
      this.#break(storeError(reason, this.#options.dataDir));
    }
  }

  #commit(): number {
    const appends = this.#isRecalled ? this.#stage.take() : [];
    const writes = this.#writes.splice(0);
    const results: (number | readonly number[] | CodedError)[] = [];
    let storedCount = 0;
    try {
      if (this.#broken !== null) throw this.#broken;
      this.#database.exec("BEGIN IMMEDIATE");
      const nowUs = this.#log.commitTime(this.#clock.wallUs());
      this.#keys.expire(nowUs);
      storedCount = this.#stage.store(appends, nowUs, this.#clock.uptimeUs());
      for (const { request } of writes) results.push(this.#write(request, nowUs));
      this.#database.exec("COMMIT");
    } catch (reason) {
      this.#rollBack(reason, appends, writes);
      return 0;
    }
    this.#settle();
    this.#walPages += 2 + writes.length * 2 + this.#log.touchedPages;
    this.#answerAppends(appends);
    this.#announce();
    for (const [i, { id }] of writes.entries()) this.#answerWrite(id, results[i]);
    return storedCount;
  }

  /** After a transaction that was committed. */
  #settle(): void {
    for (const log of this.#logs.all) log.settle();
    this.#registry.settle();
  }

  #write(request: WriteMessage["request"], nowUs: number): number | readonly number[] | CodedError {
    try {
      if (isShardRequest(request)) return this.#registry.apply(request, this.#log.lastSeq, nowUs);
      return this.#keys.apply(request, nowUs);
    } catch (reason) {
      if (reason instanceof CodedError) return reason;
      throw reason;
    }
  }

  #rollBack(reason: unknown, appends: AppendMessage[], writes: WriteMessage[]): void {
    const isOpen = isFsyncError(reason);
    const error = storeError(reason, this.#options.dataDir);
    if (this.#broken === null) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (isOpen) this.#break(error);
      else {
        this.#stage.rollBack();
        this.#keys.rollBack();
        this.#registry.rollBack(this.#clock.wallUs());
      }
    }
    let refusal: Refusal = Refusal.UNAVAILABLE;
    if (isOpen) refusal = Refusal.UNKNOWN;
    else if (error.code === "STORE_FULL") refusal = Refusal.FULL;
    else if (error.code === "STORE_CORRUPT") refusal = Refusal.CORRUPT;
    this.#stage.fail(appends, refusal, error.detail);
    this.#answerAppends(appends);
    const unknown = new CodedError("OUTCOME_UNKNOWN", `it may be written: ${error.detail}`);
    for (const { id } of writes) this.#fail(id, isOpen ? unknown : error);
  }

  /** Refuses everything from now on. */
  #break(error: CodedError): void {
    this.#broken = new CodedError(error.code, `${error.detail}; restart to go on`, error);
    this.#post({ kind: "broken", code: error.code, detail: this.#broken.detail });
  }

  #answerAppends(appends: readonly AppendMessage[]): void {
    if (appends.length === 0) return;
    const buffers: ArrayBuffer[] = [];
    for (const { batches } of appends) for (const { buffer } of batches) buffers.push(buffer);
    const { fence, detail } = this.#stage;
    this.#post({ kind: "appended", buffers, fence, detail }, buffers);
  }

  #announce(): void {
    const changes = this.#keys.takeChanges().filter(({ bucket }) => this.#watchCounts.has(bucket));
    if (changes.length > 0) this.#post({ kind: "changes", changes });
  }

  #answerWrite(id: number, result: WriteResult | undefined): void {
    if (result instanceof CodedError) this.#fail(id, result);
    else this.#post({ kind: "answer", id, value: result ?? 0 });
  }

  #fail(id: number, error: CodedError): void {
    this.#post({ kind: "failure", id, code: error.code, detail: error.detail });
  }

  #readSome(): void {
    const endMs = performance.now() + readBudgetMs;
    let done = 0;
    for (const { id, request } of this.#reads) {
      this.#answerRead(id, request);
      done += 1;
      if (performance.now() >= endMs) break;
    }
    this.#reads.splice(0, done);
  }

  #answerRead(id: number, request: ReadRequest): void {
    try {
      if (this.#broken !== null) throw this.#broken;
      const value = this.#read(request);
      const isPage = value !== null && typeof value === "object" && "buffer" in value;
      this.#post({ kind: "answer", id, value }, isPage ? [value.buffer] : []);
    } catch (reason) {
      this.#fail(id, storeError(reason, this.#options.dataDir));
    }
  }

  #read(request: ReadRequest): AnswerValue {
    switch (request.op) {
      case "readAfter":
        return readPageAfter(this.#reader, request, request.position, request.limit);
      case "readBefore":
        return readPageBefore(this.#reader, request, request.position, request.limit);
      case "head":
        return this.#reader.head(request);
      case "floor":
        return this.#reader.floor(request, request.count);
      case "facts":
        return request.shards.map((shard) => this.#logs.of(shard)?.facts() ?? null);
      case "roomCounts":
        return this.#logs.of(request.shard)?.roomCounts(request.afterRoom) ?? [];
      case "kvGet":
        return this.#keys.get(request.bucket, request.key, this.#clock.wallUs());
      case "kvList":
        return this.#keys.list(request.bucket, request.prefix, this.#clock.wallUs());
      case "kvWatch":
        this.#watchCounts.set(request.bucket, (this.#watchCounts.get(request.bucket) ?? 0) + 1);
        return request.prefixes.flatMap((prefix) =>
          this.#keys.list(request.bucket, prefix, this.#clock.wallUs()),
        );
      case "kvUnwatch": {
        const count = (this.#watchCounts.get(request.bucket) ?? 0) - 1;
        if (count > 0) this.#watchCounts.set(request.bucket, count);
        else this.#watchCounts.delete(request.bucket);
        return null;
      }
      case "journalRead":
        return this.#journal.read(request.bucket, request.sinceUs, request.afterId);
      case "journalSpan":
        return this.#journal.span(this.#clock.wallUs());
      default:
        throw request satisfies never;
    }
  }

  /** The journal need not survive a power cut, so its commit does without the fsync. */
  #writeJournal(): void {
    if (this.#journalWrites.length === 0) return;
    const messages = this.#journalWrites.splice(0);
    try {
      if (this.#broken !== null) throw this.#broken;
      if (this.#options.isSynchronous) this.#database.exec("PRAGMA synchronous = NORMAL");
      this.#database.exec("BEGIN IMMEDIATE");
      const batches = messages.flatMap(({ request }) => request.batches);
      this.#journal.add(batches, this.#clock.wallUs());
      this.#database.exec("COMMIT");
      this.#walPages += 2 + batches.length;
      for (const { id } of messages) this.#post({ kind: "answer", id, value: 0 });
    } catch (reason) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (this.#broken === null) this.#journal.rollBack();
      const error = storeError(reason, this.#options.dataDir);
      for (const { id } of messages) this.#fail(id, error);
    } finally {
      if (this.#options.isSynchronous) this.#database.exec("PRAGMA synchronous = FULL");
    }
  }

  /** Trimming need not survive a crash, so its commit does without the fsync. */
  #trim(rowCountMax: number): void {
    const nowUs = this.#clock.wallUs();
    this.#isTrimming = false;
    if (!this.#retention.isDue(nowUs)) return;
    try {
      if (this.#options.isSynchronous) this.#database.exec("PRAGMA synchronous = NORMAL");
      this.#database.exec("BEGIN IMMEDIATE");
      const { count, hasMore } = this.#retention.step(nowUs, rowCountMax);
      this.#database.exec("COMMIT");
      this.#settle();
      this.#walPages += Math.ceil(count / 2);
      this.#isTrimming = hasMore;
    } catch (reason) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      for (const log of this.#logs.all) log.rollBack();
      this.#logs.load();
      this.#retention.rollBack();
      this.#stage.detail = storeError(reason, this.#options.dataDir).detail;
    } finally {
      if (this.#options.isSynchronous) this.#database.exec("PRAGMA synchronous = FULL");
    }
  }

  /** Writes the write-ahead log back into the file when it has grown to about `pages`. */
  #checkpoint(pages: number): void {
    if (this.#walPages <= pages) return;
    this.#walPages = 0;
    try {
      this.#database.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (reason) {
      // Nothing is lost: what it holds is on the disk in the log, and the next one tries again.
      this.#stage.detail = storeError(reason, this.#options.dataDir).detail;
    }
  }
}

function isShardRequest(request: WriteMessage["request"]): request is ShardRequest {
  return !request.op.startsWith("kv");
}

function isOfJournal(message: Extract<ToWorker, { kind: "write" }>): message is JournalMessage {
  return message.request.op === "journalAdd";
}

/** It is part of the file, whose bytes are limited. */
function journalBytesMax({ journalBytesMax: bytesMax, storeBytesMax }: EmbeddedBusOptions): number {
  return Math.min(bytesMax, storeBytesMax / 8);
}

/** What a shard is made with that is wanted without limits: those of the options. */
function shardDefaults(options: EmbeddedBusOptions): ShardLimits {
  const { roomMessageCountMax, retentionMs, storeBytesMax } = options;
  const [bytesMin, bytesMax] = SHARD_BOUNDS.shardBytesMax;
  const shardBytesMax = Math.min(bytesMax, Math.max(bytesMin, storeBytesMax));
  return { replicaCount: 1, roomMessageCountMax, retentionMs, shardBytesMax, placementTags: [] };
}
