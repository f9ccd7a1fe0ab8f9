/**
 * Options of the embedded bus, their defaults and bounds.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { checkJournalBytes, JOURNAL_BYTES_MAX } from "../journal.ts";

/** How the embedded bus keeps durable rooms and keys, and who its process is. */
export interface EmbeddedBusOptions {
  /** Name of this process, 1 to 32 of [a-z0-9-]; for operators (bus/topology.ts). */
  readonly name: string;
  /** What the process runs; for operators. Default all. */
  readonly parts: "all" | "gateway" | "controlplane";
  /** Version of Tidegate; for operators. */
  readonly version: string;
  /** Folder of the store, made when missing; one process at a time uses it. */
  readonly dataDir: string;
  /**
   * Newest messages kept of each room, 1 to 1 000 000; the oldest go first. Trimming lags: up to
   * an eighth more are kept, and nothing younger than the de-duplication window (30 s) is
   * trimmed, since the log is also the memory of names. This and the next two are what a new shard
   * begins with; the first one follows them until a call changes it.
   */
  readonly roomMessageCountMax: number;
  /**
   * Age at which messages are deleted, milliseconds, 60 000 (1 minute) to 2 592 000 000 (30
   * days).
   */
  readonly retentionMs: number;
  /**
   * Bytes of the file at which appends are refused with `STORE_FULL`, 1 MiB to 1 TiB. Reads and
   * keys go on; appends too, as soon as trimming by age or count has freed space.
   */
  readonly storeBytesMax: number;
  /**
   * Bytes of the journal, 16 MiB to 1 TiB; 0: no journal. Default 1 GiB. They count as bytes of
   * the file, so that they are at most an eighth of `storeBytesMax`.
   */
  readonly journalBytesMax: number;
  /**
   * True: an ack means that the message is on the disk (SQLite's synchronous=FULL). False
   * (synchronous=OFF) breaks that promise: it exists only so that a test can show that the test of
   * durability notices.
   */
  readonly isSynchronous: boolean;
}

const dayMs = 24 * 3600 * 1000;

/** Defaults; 8 GiB hold some 25 million messages of 200 bytes. */
export const EMBEDDED_BUS_DEFAULTS: EmbeddedBusOptions = {
  name: "tidegate",
  parts: "all",
  version: "",
  dataDir: "data",
  roomMessageCountMax: 100_000,
  retentionMs: 30 * dayMs,
  storeBytesMax: 8 * 1024 ** 3,
  journalBytesMax: JOURNAL_BYTES_MAX,
  isSynchronous: true,
};

/**
 * Completes options with the defaults.
 *
 * @throws {CodedError} `OPTION_INVALID` naming the option, its value and its bounds.
 */
export function validateEmbeddedBusOptions(
  partial: Partial<EmbeddedBusOptions>,
): EmbeddedBusOptions {
  const options = { ...EMBEDDED_BUS_DEFAULTS, ...partial };
  if (typeof options.dataDir !== "string" || options.dataDir === "") {
    throw new CodedError("OPTION_INVALID", "dataDir is empty; name a folder");
  }
  if (typeof options.isSynchronous !== "boolean") {
    throw new CodedError("OPTION_INVALID", "isSynchronous must be true or false");
  }
  checkWhole("roomMessageCountMax", options.roomMessageCountMax, 1, 1_000_000);
  checkWhole("retentionMs", options.retentionMs, 60_000, 30 * dayMs);
  checkWhole("storeBytesMax", options.storeBytesMax, 1024 ** 2, 1024 ** 4);
  checkJournalBytes(options.journalBytesMax);
  return options;
}

function checkWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new CodedError(
    "OPTION_INVALID",
    `${name} is ${value}; it must be a whole number from ${min} to ${max}`,
  );
}
