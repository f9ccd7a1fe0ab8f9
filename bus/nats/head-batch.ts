/**
 * Newest messages of rooms, asked for together: all that are wanted of a shard in one loop turn are
 * one read (R6 holds for it as for a read of one).
 *
 * When a gateway dies or starts, its rooms are opened by the hundred. One request each cost 20 000
 * rooms 27 s; a server finds a further newest message in 10 us.
 */
import type { DirectAnswer, DirectQuery, StoredMessage } from "./direct-get.ts";
import { anchorSubject } from "./wire.ts";

/** Rooms of one read: with the largest messages (64 kB unless set otherwise) 6 MB in one answer. */
export const HEADS_AT_ONCE_MAX = 100;

/** Asks until an answer is fresh. @throws {CodedError} `UNAVAILABLE`. */
export type AskFresh = (
  shard: number,
  query: DirectQuery,
  isFresh: (answer: DirectAnswer, leaderSeq: number) => boolean,
) => Promise<DirectAnswer>;

/** What is wanted of one shard. */
interface Batch {
  /** Waiting for the newest message of each subject. */
  readonly wanted: Map<string, PromiseWithResolvers<StoredMessage | null>>;
  /** Sequence that a fresh answer knows. */
  seenSeq: number;
}

export class HeadBatch {
  readonly #ask: AskFresh;
  readonly #batches = new Map<number, Batch>();

  constructor(ask: AskFresh) {
    this.#ask = ask;
  }

  /**
   * The newest message of a subject, proven; null when there is none.
   *
   * @param seenSeq what a fresh answer knows of the shard; from this process, not from a client,
   *   since all that ask in this turn wait for the highest.
   */
  head(shard: number, subject: string, seenSeq: number): Promise<StoredMessage | null> {
    const batch = this.#batches.get(shard) ?? this.#open(shard);
    batch.seenSeq = Math.max(batch.seenSeq, seenSeq);
    const known = batch.wanted.get(subject);
    if (known !== undefined) return known.promise;
    const head = Promise.withResolvers<StoredMessage | null>();
    batch.wanted.set(subject, head);
    if (batch.wanted.size >= HEADS_AT_ONCE_MAX) this.#send(shard, batch);
    return head.promise;
  }

  #open(shard: number): Batch {
    const batch: Batch = { wanted: new Map(), seenSeq: 0 };
    this.#batches.set(shard, batch);
    setImmediate(() => this.#send(shard, batch));
    return batch;
  }

  #send(shard: number, batch: Batch): void {
    if (this.#batches.get(shard) !== batch) return; // sent when it was full
    this.#batches.delete(shard);
    void this.#read(shard, batch);
  }

  async #read(shard: number, { wanted, seenSeq }: Batch): Promise<void> {
    const query = {
      multi_last: [...wanted.keys(), anchorSubject(shard)],
      batch: wanted.size + 1,
    };
    const isFresh = ({ upToSeq }: DirectAnswer, leaderSeq: number): boolean =>
      upToSeq >= Math.min(leaderSeq, seenSeq);
    try {
      const { messages } = await this.#ask(shard, query, isFresh);
      for (const message of messages) wanted.get(message.subject)?.resolve(message);
      for (const head of wanted.values()) head.resolve(null); // those that are not there
    } catch (error) {
      for (const head of wanted.values()) head.reject(error);
    }
  }
}
