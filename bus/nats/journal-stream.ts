/**
 * The journal on NATS: one stream, one subject for each bucket, the oldest goes first.
 *
 * Made with the first record, and again when somebody has removed it. Batches are published with
 * reply subjects of our own, as appends are (append-mux.ts), and kept once they are acknowledged.
 */
import { setTimeout as wait } from "node:timers/promises";
import { DiscardPolicy, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import {
  type JournalStore,
  JournalWriter,
  NO_JOURNAL,
  type StoredBatch,
} from "../journal/journal-writer.ts";
import { JOURNAL_AGE_MS, type Journal, type JournalSpan } from "../journal.ts";
import { directGet } from "./direct-get.ts";
import type { Lease } from "./lease.ts";
import { Outbox } from "./outbox.ts";
import { parseAck, readPlainAck } from "./pub-ack.ts";
import {
  createStream,
  isStreamMissing,
  newestOf,
  streamFacts,
  updateStream,
} from "./stream-api.ts";
import type { Troubles } from "./troubles.ts";

/** Name of the stream. */
export const JOURNAL_STREAM = "TG_JOURNAL";
/** Its subjects: this and a bucket. */
const PREFIX = "tg.journal.";
/** Batches without an ack after this are written again, ms. */
const ACK_MS_MAX = 5000;
/** Batches of one page of a read, and their bytes. */
const PAGE_COUNT = 1000;
const PAGE_BYTES = 4 * 1024 ** 2;
/** A replica that lags is asked again after this, ms, so often. */
const STALE_WAIT_MS = 50;
const STALE_COUNT_MAX = 20;
const nanosOfMs = 1_000_000;

/** What the stream is made with. */
export interface JournalStreamOptions {
  readonly replicaCount: number;
  readonly journalBytesMax: number;
}

/** The journal of a process with a lease. */
export function openJournal(
  connection: NatsConnection,
  lease: Lease,
  options: JournalStreamOptions,
  troubles: Troubles,
): Journal {
  if (options.journalBytesMax === 0) return NO_JOURNAL;
  return new JournalWriter({
    store: new JournalStream(connection, `${lease.id}.${lease.incarnation}`, options, troubles),
    self: () => lease,
    nowUs: () => Date.now() * 1000,
    onFail: (error) => troubles.note("journal_not_written", () => ({ error })),
  });
}

/** See the file's header. */
export class JournalStream implements JournalStore {
  readonly #connection: NatsConnection;
  readonly #options: JournalStreamOptions;
  readonly #outbox: Outbox;
  readonly #inbox: string;
  /** By the number in the reply subject. */
  readonly #unacked = new Map<number, (error: CodedError | null) => void>();
  #isSubscribed = false;
  #number = 0;
  #isThere = false;
  /** Bounds are set once in a process's life: two with other options would take turns. */
  #isBounded = false;

  /** @param inbox a name for reply subjects that no other process has. */
  constructor(
    connection: NatsConnection,
    inbox: string,
    options: JournalStreamOptions,
    troubles: Troubles,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#outbox = new Outbox(connection, troubles.noteUnsent);
    this.#inbox = `_INBOX.${inbox}.journal.`;
  }

  async write(batches: readonly StoredBatch[]): Promise<void> {
    if (!this.#isThere) await this.#ensure();
    this.#subscribe();
    try {
      await Promise.all(batches.map((batch) => this.#publish(batch)));
    } catch (error) {
      this.#isThere = false; // looked at before the next try
      throw error;
    }
  }

  async read(
    bucket: string,
    sinceUs: number,
    visit: (bytes: Uint8Array) => boolean,
  ): Promise<void> {
    const subject = PREFIX + bucket;
    const newest = await newestOf(this.#connection, JOURNAL_STREAM, subject);
    if (newest === null || newest.timeUs < sinceUs) return;
    const query = { next_by_subj: subject, batch: PAGE_COUNT, max_bytes: PAGE_BYTES };
    const startMs = Math.max(0, Math.floor(sinceUs / 1000));
    let start: { seq: number } | { start_time: string } = {
      start_time: new Date(startMs).toISOString(),
    };
    for (let staleCount = 0; staleCount < STALE_COUNT_MAX; ) {
      const page = await directGet(this.#connection, JOURNAL_STREAM, { ...query, ...start });
      for (const { data } of page.messages) if (!visit(data)) return;
      const last = page.messages.at(-1);
      if (last !== undefined && last.seq >= newest.seq) return;
      if (last !== undefined) start = { seq: last.seq + 1 };
      if (last !== undefined && last.pendingCount > 0) continue;
      // This replica lags behind the leader, or the newest was removed meanwhile.
      staleCount += 1;
      await wait(STALE_WAIT_MS);
    }
  }

  async span(): Promise<JournalSpan | null> {
    try {
      const facts = await streamFacts(this.#connection, JOURNAL_STREAM);
      const { firstSeq, messageCount, createdMs, firstMs, bytes, serverMs, config } = facts;
      // Nothing was removed yet; else what is left, or, of nothing, what age leaves.
      const oldestMs = messageCount > 0 ? firstMs : serverMs - JOURNAL_AGE_MS;
      const fromMs = firstSeq <= 1 ? createdMs : oldestMs;
      return { fromUs: fromMs * 1000, bytes, bytesMax: config.max_bytes };
    } catch (error) {
      if (isStreamMissing(error)) return null;
      throw error;
    }
  }

  /** Makes the stream, or gives it these bounds; who has made it meanwhile has made it the same. */
  async #ensure(): Promise<void> {
    const { replicaCount, journalBytesMax } = this.#options;
    const bounds = { max_age: JOURNAL_AGE_MS * nanosOfMs, max_bytes: journalBytesMax };
    try {
      const { config } = await streamFacts(this.#connection, JOURNAL_STREAM);
      const isSame = config.max_age === bounds.max_age && config.max_bytes === bounds.max_bytes;
      if (!isSame && !this.#isBounded) {
        await updateStream(this.#connection, { ...config, ...bounds });
      }
    } catch (error) {
      if (!isStreamMissing(error)) throw error;
      await createStream(this.#connection, {
        ...{ name: JOURNAL_STREAM, subjects: [`${PREFIX}>`], num_replicas: replicaCount },
        ...bounds,
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        discard: DiscardPolicy.Old,
        allow_direct: true,
      });
    }
    this.#isBounded = true;
    this.#isThere = true;
  }

  #publish({ bucket, bytes }: StoredBatch): Promise<void> {
    const bytesMax = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (bytes.length > bytesMax) return Promise.reject(tooLarge(bytes.length, bytesMax));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#number += 1;
    const number = this.#number;
    const end = (error: CodedError | null) => {
      clearTimeout(timer);
      this.#unacked.delete(number);
      if (error === null) resolve();
      else reject(error);
    };
    const timer = setTimeout(() => end(noAck()), ACK_MS_MAX).unref();
    this.#unacked.set(number, end);
    const reply = this.#inbox + number;
    this.#outbox.publish(PREFIX + bucket, bytes, { reply });
    return promise;
  }

  #subscribe(): void {
    if (this.#isSubscribed) return;
    this.#isSubscribed = true;
    this.#connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
  }

  #take(message: Msg): void {
    const end = this.#unacked.get(Number(message.subject.slice(this.#inbox.length)));
    if (end === undefined) return;
    if (readPlainAck(message.data) > 0) end(null);
    else if (message.data.length === 0) end(nobody());
    else {
      const ack = parseAck(message.data);
      if (ack !== null) end(ack.error === null ? null : refused(ack.error));
    }
  }
}

function tooLarge(byteCount: number, bytesMax: number): CodedError {
  const detail = `a batch of ${byteCount} bytes, and NATS takes ${bytesMax} (max_payload)`;
  return new CodedError("PAYLOAD_TOO_LARGE", detail);
}

function noAck(): CodedError {
  return new CodedError("UNAVAILABLE", `${JOURNAL_STREAM}: no ack within ${ACK_MS_MAX} ms`);
}

function nobody(): CodedError {
  return new CodedError("UNAVAILABLE", `${JOURNAL_STREAM} has no leader now, or is gone`);
}

function refused({ code, description }: { code: number; description: string }): CodedError {
  return new CodedError("UNAVAILABLE", `${JOURNAL_STREAM}: ${code} ${description}`);
}
