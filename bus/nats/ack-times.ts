/**
 * When an acknowledged message was stored: a pub-ack tells its sequence, but not its time, and a
 * position has both.
 *
 * A process that publishes to a room hears the room too (own-rooms.ts, interest.ts), so the time
 * comes with the republished message, a moment before or after the ack. Else it is read from the
 * stream's leader: for duplicates, and when the republished message does not come.
 */

/** Wait for the republished message before it is read, ms; looked at as often. */
const HEAR_MS_MAX = 100;
/** Times heard before their acks, per shard; older ones are read when asked for. */
const HEARD_COUNT_MAX = 16_384;
/** Reads at once; more only queue at the leader. */
const READS_AT_ONCE_MAX = 64;
/** A read that fails is tried again after this, for so long: longer than a shard has no leader. */
const RETRY_MS = 250;
const READ_MS_MAX = 10_000;

/** What is known of a stored message; `subject` is empty when it was heard, not read. */
export interface Stored {
  readonly timeUs: number;
  readonly subject: string;
}

/** Waits for the time of one message. */
export interface TimeWaiter {
  /** Told once; null: it is not stored any more, or nobody answers. */
  onStored(stored: Stored | null): void;
}

/** Reads a stored message; null when it is not there. @throws {CodedError} `UNAVAILABLE`. */
export type ReadStored = (shard: number, seq: number) => Promise<Stored | null>;

interface Waiting {
  readonly waiter: TimeWaiter;
  readonly sinceMs: number;
}

/** What is known of one shard. */
class ShardTimes {
  /** Publishes sent and not acknowledged: nothing is remembered while there are none. */
  unackedCount = 0;
  /** By sequence, in the order they were heard. */
  readonly heard = new Map<number, number>();
  readonly waiting = new Map<number, Waiting>();
}

export class AckTimes {
  readonly #read: ReadStored;
  readonly #shards: ShardTimes[] = [];
  readonly #toRead: { shard: number; seq: number; waiter: TimeWaiter; untilMs: number }[] = [];
  #readingCount = 0;
  /** Times being looked for. */
  #pendingCount = 0;
  #look: NodeJS.Timeout | null = null;
  #onIdle: (() => void) | null = null;

  constructor(read: ReadStored) {
    this.#read = read;
  }

  /** A publish is sent to a shard; {@link AckTimes.settle} must follow. */
  expect(shard: number): void {
    this.#of(shard).unackedCount += 1;
  }

  /** It is answered, in whatever way. After {@link AckTimes.find}. */
  settle(shard: number): void {
    const times = this.#of(shard);
    times.unackedCount -= 1;
    if (times.unackedCount === 0 && times.heard.size > 0) times.heard.clear();
  }

  /** A republished message was heard. Hot path: most are of others. */
  hear(shard: number, seq: number, timeUs: number): void {
    const times = this.#shards[shard];
    if (times === undefined) return;
    const waiting = times.waiting.get(seq);
    if (waiting !== undefined) {
      times.waiting.delete(seq);
      this.#tell(waiting.waiter, { timeUs, subject: "" });
    } else if (times.unackedCount > 0) {
      times.heard.set(seq, timeUs);
      if (times.heard.size > HEARD_COUNT_MAX) dropFirst(times.heard);
    }
  }

  /** Finds the time of a message that was just acknowledged. */
  find(shard: number, seq: number, isDuplicate: boolean, waiter: TimeWaiter): void {
    const times = this.#of(shard);
    this.#pendingCount += 1;
    const timeUs = isDuplicate ? undefined : times.heard.get(seq);
    if (timeUs !== undefined) {
      times.heard.delete(seq);
      this.#tell(waiter, { timeUs, subject: "" });
    } else if (isDuplicate || times.waiting.has(seq)) {
      this.#readSoon(shard, seq, waiter);
    } else {
      times.waiting.set(seq, { waiter, sinceMs: performance.now() });
      this.#look ??= setTimeout(() => this.#lookForLate(), HEAR_MS_MAX);
    }
  }

  /** Resolves when every time that was looked for is told. */
  idle(): Promise<void> {
    if (this.#pendingCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #of(shard: number): ShardTimes {
    const known = this.#shards[shard];
    if (known !== undefined) return known;
    while (this.#shards.length < shard) this.#shards.push(new ShardTimes());
    const times = new ShardTimes();
    this.#shards.push(times);
    return times;
  }

  /** What was not heard in its time is read. */
  #lookForLate(): void {
    this.#look = null;
    const dueMs = performance.now() - HEAR_MS_MAX;
    for (const [shard, times] of this.#shards.entries()) {
      for (const [seq, { waiter, sinceMs }] of times.waiting) {
        if (sinceMs > dueMs) break; // in the order they were acknowledged
        times.waiting.delete(seq);
        this.#readSoon(shard, seq, waiter);
      }
      if (times.waiting.size > 0) {
        this.#look ??= setTimeout(() => this.#lookForLate(), HEAR_MS_MAX);
      }
    }
  }

  #readSoon(shard: number, seq: number, waiter: TimeWaiter): void {
    this.#toRead.push({ shard, seq, waiter, untilMs: performance.now() + READ_MS_MAX });
    this.#readNext();
  }

  #readNext(): void {
    while (this.#readingCount < READS_AT_ONCE_MAX) {
      const next = this.#toRead.shift();
      if (next === undefined) return;
      this.#readingCount += 1;
      this.#read(next.shard, next.seq)
        .then(
          (stored) => this.#tell(next.waiter, stored),
          () => {
            if (performance.now() > next.untilMs) this.#tell(next.waiter, null);
            else setTimeout(() => this.#readAgain(next), RETRY_MS);
          },
        )
        .finally(() => {
          this.#readingCount -= 1;
          this.#readNext();
        });
    }
  }

  #readAgain(read: { shard: number; seq: number; waiter: TimeWaiter; untilMs: number }): void {
    this.#toRead.push(read);
    this.#readNext();
  }

  #tell(waiter: TimeWaiter, stored: Stored | null): void {
    this.#pendingCount -= 1;
    waiter.onStored(stored);
    if (this.#pendingCount === 0) this.#onIdle?.();
  }
}

function dropFirst(map: Map<number, number>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
