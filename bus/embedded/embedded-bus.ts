/**
 * The embedded bus: the whole Bus in one process, for the all-in-one, tests and development.
 *
 * Ephemeral messages are passed on in the call. Durable ones go to a worker thread that owns a
 * SQLite file (store-worker.ts): a commit blocks for milliseconds, which the gateway's loop can
 * not afford. An ack, and delivery, follow the commit's fsync. Shards are tables of that file, and
 * the worker alone writes them: a move is one of its transactions (shard-registry.ts).
 */
import { CodedError } from "../../proto/coded-error.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { Answers, checkQuestion } from "../answers.ts";
import type {
  AnswerHandler,
  AppendDone,
  Bus,
  BusStatus,
  MessageId,
  ProcessName,
  ReadAfter,
  ReadBefore,
  RoomListener,
  Unsubscribe,
} from "../bus.ts";
import { checkFloorCount, checkLimit, checkSlot } from "../check-arguments.ts";
import { JournalWriter, NO_JOURNAL } from "../journal/journal-writer.ts";
import type { Journal } from "../journal.ts";
import type { KeyValue } from "../key-value.ts";
import type { Position } from "../position.ts";
import type { RoomAddress } from "../subjects.ts";
import { PUBLISH_LIMITS } from "../void.ts";
import { AppendQueue } from "./append-queue.ts";
import { Interest } from "./interest.ts";
import { EmbeddedJournal } from "./journal-client.ts";
import { EmbeddedKeyValue } from "./key-value-client.ts";
import { decodeAfter, decodeBefore, type EncodedPage } from "./message-page.ts";
import { type EmbeddedBusOptions, validateEmbeddedBusOptions } from "./options.ts";
import { EmbeddedShards } from "./shard-admin.ts";
import type { LogFacts, RoomCount } from "./shard-log.ts";
import { EmbeddedTopology } from "./topology.ts";
import { WorkerLink } from "./worker-link.ts";
import type { AnswerValue, BucketChange, ReadRequest } from "./worker-protocol.ts";

/**
 * Opens the embedded bus on a data folder, which it makes when missing.
 *
 * @throws {CodedError} `OPTION_INVALID`; `STORE_LOCKED` when another process has the folder open;
 *   `STORE_CORRUPT` when its file can not be read; `UNAVAILABLE` when it can not be written.
 */
export async function openEmbeddedBus(options: Partial<EmbeddedBusOptions>): Promise<Bus> {
  const complete = validateEmbeddedBusOptions(options);
  return new EmbeddedBus(await WorkerLink.open(complete), complete);
}

export class EmbeddedBus implements Bus {
  readonly kind = "embedded";
  readonly publishLimits = PUBLISH_LIMITS;
  readonly topology: EmbeddedTopology;
  readonly shards: EmbeddedShards;
  readonly journal: Journal;
  readonly #link: WorkerLink;
  readonly #name: string;
  readonly #dataDir: string;
  readonly #answers = new Answers();
  readonly #interest = new Interest();
  readonly #appends: AppendQueue;
  readonly #buckets = new Map<string, EmbeddedKeyValue>();
  /** Last trouble of the store; empty when there is none. */
  #trouble = "";
  /** Set when the bus has ended, by close or by failure. */
  #end: CodedError | null = null;
  #closed: Promise<void> | null = null;

  /** For {@link openEmbeddedBus}, and for tests that hold the link. */
  constructor(link: WorkerLink, options: EmbeddedBusOptions) {
    this.#link = link;
    this.#name = options.name;
    this.#dataDir = options.dataDir;
    this.topology = new EmbeddedTopology(options, {
      check: () => {
        if (this.#end !== null) throw this.#end;
      },
      control: () => this.keyValue(CONTROL_BUCKET),
      facts: async (shards) =>
        (await this.#request({ op: "facts", shards })) as readonly (LogFacts | null)[],
      roomCounts: async (shard, afterRoom) =>
        (await this.#request({ op: "roomCounts", shard, afterRoom })) as readonly RoomCount[],
    });
    this.shards = new EmbeddedShards({
      shardSettings: () => this.topology.shardSettings(),
      write: (request) => this.#link.request("write", request),
    });
    this.journal = options.journalBytesMax === 0 ? NO_JOURNAL : this.#openJournal();
    this.#appends = new AppendQueue(link, (room, message) =>
      this.#interest.deliverDurable(room, message),
    );
    link.events = {
      onAppended: (buffers, fence, detail) => {
        this.#trouble = detail;
        this.#appends.settle(buffers, fence, detail);
      },
      onChanges: (changes) => this.#announce(changes),
      onBroken: (error, isGone) => this.#break(error, isGone),
    };
  }

  publish(room: RoomAddress, envelope: Uint8Array): void {
    if (this.#end !== null) throw this.#end;
    this.#interest.deliverEphemeral(room, envelope);
  }

  append(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ): void {
    this.#appends.append(room, id, firstSentUs, envelope, done);
  }

  subscribeRoom(room: RoomAddress, listener: RoomListener): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    return this.#interest.subscribeRoom(room, listener);
  }

  subscribeSlot(slot: number, listener: RoomListener): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    checkSlot(slot);
    return this.#interest.subscribeSlot(slot, listener);
  }

  async readAfter(room: RoomAddress, after: Position | null, limit: number): Promise<ReadAfter> {
    const request = { op: "readAfter", ...readArguments(room, after, limit) } as const;
    return decodeAfter((await this.#request(request)) as EncodedPage);
  }

  async readBefore(room: RoomAddress, before: Position | null, limit: number): Promise<ReadBefore> {
    const request = { op: "readBefore", ...readArguments(room, before, limit) } as const;
    return decodeBefore((await this.#request(request)) as EncodedPage);
  }

  async head(room: RoomAddress): Promise<Position | null> {
    return (await this.#request({ op: "head", ...roomKey(room) })) as Position | null;
  }

  async floor(room: RoomAddress, count: number): Promise<Position | null> {
    checkFloorCount(count);
    return (await this.#request({ op: "floor", ...roomKey(room), count })) as Position | null;
  }

  async keyValue(bucket: string): Promise<KeyValue> {
    if (this.#end !== null) throw this.#end;
    const known = this.#buckets.get(bucket);
    if (known !== undefined) return known;
    const made = new EmbeddedKeyValue(this.#link, bucket);
    this.#buckets.set(bucket, made);
    return made;
  }

  async ask(
    process: string,
    kind: string,
    body: Uint8Array,
    timeoutMs: number,
  ): Promise<Uint8Array> {
    if (this.#end !== null) throw this.#end;
    checkQuestion(kind, body, timeoutMs);
    if (process !== this.#name) {
      const detail = `no process of the id "${process.slice(0, 32)}" is there`;
      throw new CodedError("NOT_FOUND", detail);
    }
    return answerInTime(this.#answers.answer(kind, body), process, timeoutMs);
  }

  answer(kind: string, handle: AnswerHandler): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    return this.#answers.add(kind, handle);
  }

  /** Nothing is faster here than what this process has written itself. */
  hint(): void {}

  status(): BusStatus {
    if (this.#end !== null) return { isConnected: false, detail: this.#end.detail };
    if (this.#trouble !== "") return { isConnected: true, detail: this.#trouble };
    return { isConnected: true, detail: `store in ${this.#dataDir}` };
  }

  /** One process is cut off from nobody. */
  get self(): ProcessName {
    return this.topology.self;
  }

  /** There is no lease to lose. */
  beforeResume(): void {}

  get isCutOff(): boolean {
    return false;
  }

  followCutOff(): Unsubscribe {
    return () => {};
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closed = new CodedError("UNAVAILABLE", "the bus is closed");
    this.#end ??= closed;
    this.#appends.refuseNew(closed);
    await Promise.all([this.#appends.drained(), this.journal.close()]);
    await this.#link.close();
  }

  #openJournal(): Journal {
    return new JournalWriter({
      store: new EmbeddedJournal(this.#link),
      self: () => this.self,
      nowUs: () => Date.now() * 1000,
      onFail: (error) => {
        this.#trouble = `the journal can not be written: ${CodedError.from(error).detail}`;
      },
    });
  }

  #request(request: ReadRequest): Promise<AnswerValue> {
    if (this.#end !== null) return Promise.reject(this.#end);
    return this.#link.request("read", request);
  }

  #announce(changes: readonly BucketChange[]): void {
    for (const change of changes) this.#buckets.get(change.bucket)?.announce(change);
  }

  #break(error: CodedError, isGone: boolean): void {
    this.#end ??= error;
    if (isGone) this.#appends.abort(error);
    else this.#appends.refuseNew(error);
  }
}

function readArguments(room: RoomAddress, position: Position | null, limit: number) {
  return { ...roomKey(room), position, limit: checkLimit(limit) };
}

function roomKey({ token, slot }: RoomAddress) {
  return { token, slot };
}

/** The answer, or `UNAVAILABLE` when it does not come in time. */
async function answerInTime(
  answer: Promise<Uint8Array>,
  process: string,
  timeoutMs: number,
): Promise<Uint8Array> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const detail = `${process} did not answer within ${timeoutMs} ms`;
    reject(new CodedError("UNAVAILABLE", detail));
  }, timeoutMs);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
