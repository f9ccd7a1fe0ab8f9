/**
 * The journal of a process: gathers records, writes them to a store, and counts what it drops.
 *
 * A lone record is written at once; after a write, records gather for GATHER_MS and then go in one
 * batch for each bucket, so that a join in a storm costs some microseconds, not a message. A store
 * that fails is tried again, with what waits bounded.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { JournalBatch, type JournalRecord } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import {
  JOURNAL_KINDS,
  type Journal,
  type JournalCounters,
  type JournalDropReason,
  type JournalEntry,
  type JournalKind,
  type JournalNote,
  type JournalRead,
  type JournalSpan,
  type JournalSubject,
} from "../journal.ts";
import { bucketOf, subjectOf } from "./buckets.ts";
import { kindOf, NOTE_RATES, NoteBucket, type NoteKind, type NoteRate } from "./note-rate.ts";

/** Records gather for so long after the last write, ms: what a crash can cost. */
export const GATHER_MS = 100;
/** A failed write is tried again after this, ms. */
const RETRY_MS = 1000;
/** A stop waits so long for a store that takes none, ms. */
const CLOSE_MS_MAX = 1000;
/** Records that wait for a store that takes none; the next ones are dropped. */
export const WAITING_COUNT_MAX = 300_000;
/** What these may take, bytes, counted by an upper bound: most records take a third of it. */
export const WAITING_BYTES_MAX = 128 * 1024 ** 2;
/** Records of one turn of writing: 10 ms of work. */
const TURN_COUNT_MAX = 5000;
/** Bytes of one batch, but for a last record: small beside NATS's 1 MB. */
const BATCH_BYTES_MAX = 128 * 1024;
/** Records that one read gives at most. */
export const READ_ENTRY_COUNT_MAX = 20_000;

/** A batch, encoded, and its bucket. */
export interface StoredBatch {
  readonly bucket: string;
  readonly bytes: Uint8Array;
}

/** Where batches are kept. */
export interface JournalStore {
  /** Rejects when one of them may not be kept; all may then be written again. */
  write(batches: readonly StoredBatch[]): Promise<void>;
  /** Calls `visit` with a bucket's batches since then, oldest first, while it returns true. */
  read(bucket: string, sinceUs: number, visit: (bytes: Uint8Array) => boolean): Promise<void>;
  span(): Promise<JournalSpan | null>;
}

/** A record that waits, and the bytes that it takes at most. */
interface Waiting {
  readonly record: JournalRecord;
  readonly bytes: number;
}

/** What the writer is told of its process, and tells it. */
export interface JournalWriterParts {
  readonly store: JournalStore;
  /** This process. */
  readonly self: () => { readonly id: string; readonly incarnation: string };
  readonly nowUs: () => number;
  /** Called when a write has failed. */
  readonly onFail: (error: unknown) => void;
  /** For tests. */
  readonly rates?: Readonly<Record<NoteKind, NoteRate>>;
}

/** See the file's header. */
export class JournalWriter implements Journal {
  readonly isOn = true;
  readonly #parts: JournalWriterParts;
  readonly #buckets: Readonly<Record<NoteKind, NoteBucket>>;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #isClosed = false;
  #seq = 0;
  #keptCount = 0;
  readonly #records = noRecords();
  readonly #dropped: Record<JournalDropReason, number> = { rate: 0, full: 0, unavailable: 0 };
  /** Drops that no record tells yet. */
  #untoldCount = 0;
  #untoldSinceUs = 0;
  /** When the last write ended, by performance.now(). */
  #writtenMs = Number.NEGATIVE_INFINITY;

  constructor(parts: JournalWriterParts) {
    this.#parts = parts;
    const { membership, loss, refusal } = parts.rates ?? NOTE_RATES;
    this.#buckets = {
      membership: new NoteBucket(membership),
      loss: new NoteBucket(loss),
      refusal: new NoteBucket(refusal),
    };
  }

  note(note: JournalNote): void {
    if (this.#isClosed) return;
    const timeUs = note.timeUs ?? BigInt(this.#parts.nowUs());
    const kind = kindOf(note.what);
    if (this.#isFull()) {
      this.#drop("full", 1, Number(timeUs));
      return;
    }
    if (kind !== null && !this.#buckets[kind].take(Number(timeUs))) {
      this.#drop("rate", 1, Number(timeUs));
      return;
    }
    this.#push({ ...EMPTY_RECORD, ...note, timeUs });
  }

  async flush(): Promise<void> {
    if (this.#writing !== null) await this.#writing; // may have begun before the last note
    if (this.#waiting.length > 0 || this.#untoldCount > 0) await this.#write();
  }

  async read(
    subject: JournalSubject,
    sinceUs: number,
    wanted: (entry: JournalEntry) => boolean,
  ): Promise<JournalRead> {
    const found = new Map<string, JournalEntry>();
    let isCut = false;
    await this.#parts.store.read(bucketOf(subject), sinceUs, (bytes) => {
      const { process, incarnation, records } = JournalBatch.decode(bytes);
      for (const record of records) {
        const entry = { process, incarnation, record };
        if (Number(record.timeUs) < sinceUs || !wanted(entry)) continue;
        found.set(`${process} ${record.timeUs} ${record.seq}`, entry);
      }
      isCut = found.size >= READ_ENTRY_COUNT_MAX;
      return !isCut;
    });
    const entries = [...found.values()].sort(byTime);
    return { entries, isCut };
  }

  span(): Promise<JournalSpan | null> {
    return this.#parts.store.span();
  }

  counters(): JournalCounters {
    return {
      keptCount: this.#keptCount,
      records: this.#records,
      droppedCount: this.#dropped.rate + this.#dropped.full + this.#dropped.unavailable,
      dropped: this.#dropped,
      waitingCount: this.#waiting.length,
    };
  }

  async close(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_MS_MAX);
    await Promise.race([this.flush(), late]);
    clearTimeout(timer);
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #push(record: JournalRecord): void {
    this.#seq += 1;
    record.seq = BigInt(this.#seq);
    const bytes = sizeOf(record);
    this.#waiting.push({ record, bytes });
    this.#waitingBytes += bytes;
    if (record.what !== undefined) this.#records[record.what.$case] += 1;
    this.#schedule(Math.max(0, this.#writtenMs + GATHER_MS - performance.now()));
  }

  #drop(reason: JournalDropReason, count: number, nowUs: number): void {
    this.#dropped[reason] += count;
    if (this.#untoldCount === 0) this.#untoldSinceUs = nowUs;
    this.#untoldCount += count;
    this.#schedule(RETRY_MS); // told once a second at most
  }

  #schedule(ms: number): void {
    if (this.#timer !== null || this.#writing !== null || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#write();
    }, ms);
    this.#timer.unref();
  }

  /** One turn at a time. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeTurn().then((isKept) => {
      this.#writing = null;
      this.#writtenMs = performance.now();
      if (this.#waiting.length > 0) this.#schedule(isKept ? GATHER_MS : RETRY_MS);
    });
    return this.#writing;
  }

  async #writeTurn(): Promise<boolean> {
    this.#tellDrops();
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.slice(0, TURN_COUNT_MAX);
      this.#waiting = this.#waiting.slice(TURN_COUNT_MAX);
      this.#waitingBytes -= bytesOf(taken);
      try {
        await this.#parts.store.write(this.#batches(taken));
      } catch (error) {
        this.#parts.onFail(error);
        if (CodedError.from(error).code === "PAYLOAD_TOO_LARGE") {
          this.#dropUnkept(taken);
          continue; // it would be refused again, for ever
        }
        this.#keepForLater(taken);
        return false;
      }
      this.#keptCount += taken.length;
    }
    return true;
  }

  #isFull(): boolean {
    return this.#waiting.length >= WAITING_COUNT_MAX || this.#waitingBytes >= WAITING_BYTES_MAX;
  }

  #tellDrops(): void {
    if (this.#untoldCount === 0) return;
    const value = { count: BigInt(this.#untoldCount), sinceUs: BigInt(this.#untoldSinceUs) };
    this.#untoldCount = 0;
    const timeUs = BigInt(this.#parts.nowUs());
    this.#push({ ...EMPTY_RECORD, timeUs, what: { $case: "dropped", value } });
  }

  #keepForLater(taken: readonly Waiting[]): void {
    const room = this.#isFull() ? 0 : WAITING_COUNT_MAX - this.#waiting.length;
    const kept = taken.slice(0, room);
    this.#waiting = [...kept, ...this.#waiting];
    this.#waitingBytes += bytesOf(kept);
    if (kept.length < taken.length) this.#dropUnkept(taken, taken.length - kept.length);
  }

  /** What was taken from those that wait, and is not kept. */
  #dropUnkept(taken: readonly Waiting[], count = taken.length): void {
    this.#drop("unavailable", count, Number(taken[0]?.record.timeUs ?? 0));
  }

  #batches(taken: readonly Waiting[]): StoredBatch[] {
    const { id: process, incarnation } = this.#parts.self();
    const open = new Map<string, { records: JournalRecord[]; bytes: number }>();
    const done: StoredBatch[] = [];
    const end = (bucket: string, batch: JournalRecord[]) => {
      const bytes = JournalBatch.encode({ process, incarnation, records: batch }).finish();
      done.push({ bucket, bytes });
    };
    for (const { record, bytes } of taken) {
      const bucket = bucketOf(subjectOf(record, process));
      const batch = open.get(bucket) ?? { records: [], bytes: 0 };
      batch.records.push(record);
      batch.bytes += bytes;
      open.set(bucket, batch);
      if (batch.bytes < BATCH_BYTES_MAX) continue;
      end(bucket, batch.records);
      open.delete(bucket);
    }
    for (const [bucket, { records: rest }] of open) end(bucket, rest);
    return done;
  }
}

const EMPTY_RECORD: JournalRecord = {
  ...{ seq: 0n, timeUs: 0n, tenant: "", user: "", connection: "", room: "" },
  what: undefined,
};

/** At least the bytes that a record takes: a batch that is too large for NATS is never kept. */
function sizeOf({ tenant, user, room, what }: JournalRecord): number {
  const fixed = FIXED_BYTES_MAX + utf8Max(tenant, user, room);
  switch (what?.$case) {
    case "opened": {
      const { clientName, clientVersion, clientPlatform, clientRegion, gate } = what.value;
      const build = utf8Max(clientName, clientVersion, clientPlatform, clientRegion, gate);
      return fixed + build + utf8Max(what.value.attributesJson);
    }
    case "joined":
      return fixed + utf8Max(what.value.gate, what.value.named);
    case "closed":
      return what.value.places.reduce((sum, { room: of }) => sum + 50 + utf8Max(of), fixed);
    case "refused":
      return fixed + utf8Max(what.value.code, what.value.limit, what.value.detail);
    default:
      return fixed;
  }
}

function bytesOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Numbers, positions, a connection's id and the names of fields, of one record. */
const FIXED_BYTES_MAX = 250;

/** Bytes that texts take as UTF-8 at most. */
function utf8Max(...texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length * 3, 0);
}

function byTime(a: JournalEntry, b: JournalEntry): number {
  const ofTime = Number(a.record.timeUs - b.record.timeUs);
  return ofTime || Number(a.record.seq - b.record.seq);
}

function noRecords(): Record<JournalKind, number> {
  const rows = JOURNAL_KINDS.map((kind) => [kind, 0]);
  return Object.fromEntries(rows) as Record<JournalKind, number>;
}

/** The journal of a bus without one. */
export const NO_JOURNAL: Journal = {
  isOn: false,
  note: () => {},
  flush: async () => {},
  close: async () => {},
  read: async () => ({ entries: [], isCut: false }),
  span: async () => null,
  counters: () => ({
    ...{ keptCount: 0, records: noRecords(), waitingCount: 0 },
    ...{ droppedCount: 0, dropped: { rate: 0, full: 0, unavailable: 0 } },
  }),
};
