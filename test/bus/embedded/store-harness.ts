/**
 * A StoreWorker in the test's own thread on a real SQLite file, with a clock that the test turns.
 *
 * What takes hours or a frozen process in life takes a number here.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { onTestFinished } from "vitest";
import type { DurableMessage, ReadAfter, ReadBefore } from "../../../bus/bus.ts";
import { AppendBatch, RecordView, recordBytes } from "../../../bus/embedded/append-batch.ts";
import { openDatabase } from "../../../bus/embedded/database.ts";
import { decodeAfter, decodeBefore, type EncodedPage } from "../../../bus/embedded/message-page.ts";
import { EMBEDDED_BUS_DEFAULTS, type EmbeddedBusOptions } from "../../../bus/embedded/options.ts";
import type { LogFacts } from "../../../bus/embedded/shard-log.ts";
import { StoreWorker } from "../../../bus/embedded/store-worker.ts";
import type {
  AnswerValue,
  FromWorker,
  ReadRequest,
  WriteRequest,
} from "../../../bus/embedded/worker-protocol.ts";
import type { KeyValueEntry } from "../../../bus/key-value.ts";
import type { Position } from "../../../bus/position.ts";
import { routeKey } from "../../../bus/record-keys.ts";
import type { ShardLimits } from "../../../bus/shard-limits.ts";
import type { RoomAddress } from "../../../bus/subjects.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { SlotRoute } from "../../../proto/gen/tidegate/bus/v1/slot_route.ts";

/** A record's result: seq above 0 stored, below 0 a duplicate, 0 refused for reason `timeUs`. */
export interface Result {
  readonly seq: number;
  readonly timeUs: number;
  readonly prevSeq: number;
  /** 0 when refused. */
  readonly epoch: number;
}

/** What to append: a message of `room`, named by (producer, seq). */
export interface Append {
  readonly room: RoomAddress;
  readonly producer: string;
  readonly seq: number;
  readonly bytes?: number;
  /** Age of the first try at the time of storing, microseconds. */
  readonly ageUs?: number;
}

/** A folder that is removed when the test ends. */
export function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export class StoreHarness {
  readonly #options: EmbeddedBusOptions;
  #worker: StoreWorker;
  readonly #posted: FromWorker[] = [];
  #database: DatabaseSync | null = null;
  #lastId = 0;
  #isOpen = true;
  fence = 0;
  /** The wall clock and the clock that never steps, microseconds. */
  wallUs: number;
  uptimeUs = 5_000_000;

  constructor(options: Partial<EmbeddedBusOptions> = {}, wallUs = 1_800_000_000_000_000) {
    this.wallUs = wallUs;
    const quick = { ...EMBEDDED_BUS_DEFAULTS, isSynchronous: false };
    this.#options = { ...quick, dataDir: newFolder(), ...options };
    this.#worker = this.#open();
    onTestFinished(() => this.close());
  }

  get dataDir(): string {
    return this.#options.dataDir;
  }

  /** Both clocks go on. */
  pass(seconds: number): void {
    this.wallUs += seconds * 1e6;
    this.uptimeUs += seconds * 1e6;
  }

  close(): void {
    if (this.#isOpen) this.#worker.close();
    this.#isOpen = false;
  }

  /** Ends and opens again; the clock that never steps begins anew, as in a new process. */
  restart(): void {
    this.close();
    this.uptimeUs = 1_000_000;
    this.fence = 0;
    this.#posted.length = 0;
    this.#worker = this.#open();
    this.#isOpen = true;
  }

  /** Rooms in the file. */
  countRooms(): number {
    return Number(this.#database?.prepare("SELECT count(*) AS n FROM room").get()?.n);
  }

  /** Tables of messages in the file. */
  tables(): string[] {
    const sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'message%'";
    const rows = this.#database?.prepare(sql).all() ?? [];
    return rows.map(({ name }) => String(name)).sort();
  }

  /** The routing record of a room's slot. */
  routeOf({ slot }: RoomAddress): SlotRoute {
    const key = routeKey(slot);
    const entry = this.read({ op: "kvGet", bucket: CONTROL_BUCKET, key }) as KeyValueEntry;
    return SlotRoute.decode(entry.value);
  }

  /** Whether SQLite reports a full disk when the file would have to grow. */
  set isDiskFull(isFull: boolean) {
    this.#database?.exec(`PRAGMA max_page_count = ${isFull ? 1 : 4294967294}`);
  }

  /** Turns until the worker has nothing to do at once; the number of turns. */
  turn(): number {
    let count = 0;
    do {
      this.#worker.turn();
      count += 1;
    } while (this.#worker.hasWork);
    return count;
  }

  /** Appends in one batch and turns. */
  append(...appends: readonly Append[]): Result[] {
    this.take(...appends);
    this.turn();
    return this.results();
  }

  /** Hands a batch over without turning. */
  take(...appends: readonly Append[]): void {
    let total = 0;
    for (const { room, bytes = 20 } of appends) total += recordBytes(room.token.length, bytes);
    const batch = new AppendBatch(new ArrayBuffer(total));
    for (const { room, producer, seq, bytes = 20, ageUs = 0 } of appends) {
      const id = { producer: producer.padEnd(16, "."), seq };
      batch.add(room, id, this.wallUs - ageUs, new Uint8Array(bytes).fill(seq), () => {});
    }
    const batches = [{ buffer: batch.buffer, count: batch.count, bytes: total }];
    this.#worker.take({ kind: "append", batches, fence: this.fence });
    this.#counts.push(batch.count);
  }
  readonly #counts: number[] = [];

  /** Results of the batches answered since the last call. */
  results(): Result[] {
    const results: Result[] = [];
    for (const message of this.#take("appended")) {
      this.fence = message.fence;
      this.detail = message.detail;
      for (const buffer of message.buffers) {
        const view = new RecordView(buffer);
        let at = 0;
        for (let i = this.#counts.shift() ?? 0; i > 0; i -= 1) {
          const [seq, timeUs, prevSeq] = [
            view.number(at, 0),
            view.number(at, 1),
            view.number(at, 2),
          ];
          results.push({ seq, timeUs, prevSeq, epoch: seq === 0 ? 0 : view.epoch(at) });
          at = view.next(at);
        }
      }
    }
    return results;
  }
  detail = "";

  read(request: ReadRequest): AnswerValue {
    return this.#ask({ kind: "read", id: 0, request });
  }

  /** Hands a change over without turning: it is in one commit with the next one. */
  hold(request: WriteRequest): void {
    this.#worker.take({ kind: "write", id: -1, request });
  }

  write(request: WriteRequest): AnswerValue {
    return this.#ask({ kind: "write", id: 0, request });
  }

  /** Makes a shard of group 0, with limits of its own if wanted; its number is the one given. */
  createShard(shard: number, limits: Partial<ShardLimits> = {}): void {
    const wish = { group: 0, region: "", capacity: 1, ...limits };
    const made = this.write({ op: "shardCreate", shard, wish, along: [] });
    if (made !== shard) throw new Error(`shard ${shard} was not made: ${made}`);
  }

  /** Gives a room's slot its next epoch in a shard. */
  move({ slot }: RoomAddress, shard: number): void {
    this.write({ op: "moveSlot", slot, shard });
  }

  /** Reads on from a position, one page. */
  readAfter({ token, slot }: RoomAddress, position: Position | null, limit = 500): ReadAfter {
    return decodeAfter(this.read({ op: "readAfter", token, slot, position, limit }) as EncodedPage);
  }

  /** Reads back from a position, one page. */
  readBefore({ token, slot }: RoomAddress, position: Position | null, limit = 500): ReadBefore {
    return decodeBefore(
      this.read({ op: "readBefore", token, slot, position, limit }) as EncodedPage,
    );
  }

  /** What a shard says of itself; null when there is none. */
  factsOf(shard: number): LogFacts | null {
    return (this.read({ op: "facts", shards: [shard] }) as (LogFacts | null)[])[0] ?? null;
  }

  /** Every seq stored of a room, oldest first. */
  seqsOf(room: RoomAddress): number[] {
    return this.messagesOf(room).map(({ seq }) => seq);
  }

  /** Every message stored of a room, oldest first. */
  messagesOf(room: RoomAddress): DurableMessage[] {
    const messages: DurableMessage[] = [];
    for (let from: Position | null = null; ; ) {
      const page = this.readAfter(room, from);
      messages.push(...page.messages);
      from = page.messages.at(-1) ?? from;
      if (page.isEnd) return messages;
    }
  }

  #ask(message: Extract<Parameters<StoreWorker["take"]>[0], { id: number }>): AnswerValue {
    this.#lastId += 1;
    this.#worker.take({ ...message, id: this.#lastId } as typeof message);
    this.turn();
    const answer = this.#take("answer").find(({ id }) => id === this.#lastId);
    const failure = this.#take("failure").find(({ id }) => id === this.#lastId);
    if (answer === undefined) throw new Error(failure?.code ?? "no answer");
    return answer.value;
  }

  #take<K extends FromWorker["kind"]>(kind: K): Extract<FromWorker, { kind: K }>[] {
    const found: Extract<FromWorker, { kind: K }>[] = [];
    for (let i = 0; i < this.#posted.length; ) {
      const message = this.#posted[i] as FromWorker;
      if (message.kind === kind) {
        found.push(message as Extract<FromWorker, { kind: K }>);
        this.#posted.splice(i, 1);
      } else i += 1;
    }
    return found;
  }

  #open(): StoreWorker {
    const { dataDir, isSynchronous } = this.#options;
    const database = openDatabase(dataDir, isSynchronous);
    this.#database = database;
    const clock = { wallUs: () => this.wallUs, uptimeUs: () => this.uptimeUs };
    return new StoreWorker(database, this.#options, (message) => this.#posted.push(message), clock);
  }
}
