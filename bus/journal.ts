/**
 * The journal: what gateways write down of clients, so that "why did a user (not) get a message"
 * can be answered afterwards, also for a gateway that was killed.
 *
 * Bounded in every way: 24 h and JOURNAL_BYTES_MAX on the bus, a rate and a queue in each process.
 * What does not fit is dropped, and the count of it is itself a record.
 */
import { CodedError } from "../proto/coded-error.ts";
import type { JournalRecord } from "../proto/gen/tidegate/bus/v1/journal.ts";

/** Age at which records go, ms: a day, in which somebody asks. */
export const JOURNAL_AGE_MS = 24 * 3600 * 1000;

/** Bytes of all records unless an option says otherwise: some 8 million joins and leaves. */
export const JOURNAL_BYTES_MAX = 1024 ** 3;

/** A record as it is given: its number, and its time if it has none, are the journal's. */
export type JournalNote = Partial<JournalRecord> & Pick<JournalRecord, "what">;

/** Every kind of record. */
export const JOURNAL_KINDS = [
  "opened",
  "closed",
  "joined",
  "left",
  "gap",
  "skip",
  "refused",
  "dropped",
  "signs",
] as const satisfies readonly NonNullable<JournalRecord["what"]>["$case"][];
/** One of {@link JOURNAL_KINDS}. */
export type JournalKind = NonNullable<JournalRecord["what"]>["$case"];

/** Why a record was dropped. */
export type JournalDropReason = "rate" | "full" | "unavailable";

/** Where records of one kind are kept together, so that one read finds them. */
export type JournalSubject =
  /** What happened to a user. */
  | { readonly kind: "user"; readonly tenant: string; readonly user: string }
  /** What all members of a room were told. */
  | { readonly kind: "room"; readonly tenant: string; readonly room: string }
  /** Signs of life of a process. */
  | { readonly kind: "process"; readonly id: string }
  /** Those of them that are listed, of all processes: who began, and ended in order. */
  | { readonly kind: "lives" }
  /** That records were dropped, by any process. */
  | { readonly kind: "dropped" };

/** A record, and who wrote it. */
export interface JournalEntry {
  readonly process: string;
  readonly incarnation: string;
  readonly record: JournalRecord;
}

/** What a read found. */
export interface JournalRead {
  /** By time; each once. */
  readonly entries: readonly JournalEntry[];
  /** Whether there was more than one read gives: then the newest are missing. */
  readonly isCut: boolean;
}

/** What the journal covers. */
export interface JournalSpan {
  /** Records before this are gone, or there was no journal yet; microseconds since 1970. */
  readonly fromUs: number;
  /** Bytes kept and at most, of all processes. */
  readonly bytes: number;
  readonly bytesMax: number;
}

/** See the file's header. */
export interface Journal {
  /** False: it is switched off, nothing is kept. */
  readonly isOn: boolean;

  /** Keeps a record soon (within some 100 ms), or drops and counts it. Never waits or throws. */
  note(note: JournalNote): void;

  /** Resolves when what was noted before is kept, or could not be. */
  flush(): Promise<void>;

  /**
   * Records of a subject from `sinceUs` on that `wanted` takes.
   *
   * @throws {CodedError} `UNAVAILABLE`.
   */
  read(
    subject: JournalSubject,
    sinceUs: number,
    wanted: (entry: JournalEntry) => boolean,
  ): Promise<JournalRead>;

  /** Null: there is none (off, or nothing was ever noted). @throws {CodedError} `UNAVAILABLE`. */
  span(): Promise<JournalSpan | null>;

  /** Writes what waits, once more, and takes nothing after it; by the bus. */
  close(): Promise<void>;

  /** Records kept, dropped and waiting, since the start of this process. */
  counters(): JournalCounters;
}

/** See {@link Journal.counters}. */
export interface JournalCounters {
  readonly keptCount: number;
  /** Those taken, by kind, whether kept yet or not. */
  readonly records: Readonly<Record<JournalKind, number>>;
  readonly droppedCount: number;
  /** By reason: above a rate, too many wait, or a store that took none for too long. */
  readonly dropped: Readonly<Record<JournalDropReason, number>>;
  readonly waitingCount: number;
}

/** @throws {CodedError} `OPTION_INVALID`. */
export function checkJournalBytes(bytes: number): void {
  const isInBounds = Number.isSafeInteger(bytes) && bytes >= 16 * 1024 ** 2 && bytes <= 1024 ** 4;
  if (bytes === 0 || isInBounds) return;
  const detail = `journalBytesMax is ${bytes}; it must be 0, or 16777216 to 1099511627776`;
  throw new CodedError("OPTION_INVALID", detail);
}
