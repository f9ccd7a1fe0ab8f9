/**
 * When an acknowledged message was stored: a pub-ack tells its sequence, but not its time, and a
 * position has both.
 *
 * A process that publishes to a room hears the room too (nats-bus.ts), so the time comes with the
 * republished message, a moment before or after the ack. Else it is read: for duplicates, and when
 * the republished message does not come.
 */

/** Wait for the republished message before the time is read, ms. */
const HEAR_MS_MAX = 20;
/** Times remembered for acks to come, per shard; older ones are read when asked for. */
const HEARD_COUNT_MAX = 8192;

/** What is known of a stored message; `subject` is empty when it was heard, not read. */
export interface Stored {
  readonly timeUs: number;
  readonly subject: string;
}

/** Told what was found, or null. */
export type TimeListener = (stored: Stored | null) => void;

/** Reads a stored message; null when it is not there. */
export type ReadTime = (shard: number, seq: number) => Promise<Stored | null>;

interface Waiting {
  readonly onTime: TimeListener;
  readonly timer: NodeJS.Timeout;
}

export class AckTimes {
  readonly #read: ReadTime;
  /** By "shard.seq", in the order they were heard. */
  readonly #heard = new Map<string, number>();
  readonly #waiting = new Map<string, Waiting>();
  /** Times being looked for. */
  #pendingCount = 0;
  #onIdle: (() => void) | null = null;

  constructor(read: ReadTime) {
    this.#read = read;
  }

  /** A republished message was heard. */
  hear(shard: number, seq: number, timeUs: number): void {
    const key = `${shard}.${seq}`;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      this.#waiting.delete(key);
      clearTimeout(waiting.timer);
      this.#tell(waiting.onTime, { timeUs, subject: "" });
      return;
    }
    this.#heard.set(key, timeUs);
    if (this.#heard.size > HEARD_COUNT_MAX) {
      for (const oldest of this.#heard.keys()) {
        this.#heard.delete(oldest);
        break;
      }
    }
  }

  /** Finds the time of a message that was just acknowledged. */
  find(shard: number, seq: number, isDuplicate: boolean, onTime: TimeListener): void {
    const key = `${shard}.${seq}`;
    const heard = isDuplicate ? undefined : this.#heard.get(key);
    this.#pendingCount += 1;
    if (heard !== undefined) this.#tell(onTime, { timeUs: heard, subject: "" });
    else if (isDuplicate || this.#waiting.has(key)) this.#readTime(shard, seq, onTime);
    else {
      const timer = setTimeout(() => {
        this.#waiting.delete(key);
        this.#readTime(shard, seq, onTime);
      }, HEAR_MS_MAX);
      this.#waiting.set(key, { onTime, timer });
    }
  }

  /** Resolves when every time that was looked for is told. */
  idle(): Promise<void> {
    if (this.#pendingCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #readTime(shard: number, seq: number, onTime: TimeListener): void {
    this.#read(shard, seq).then(
      (stored) => this.#tell(onTime, stored),
      () => this.#tell(onTime, null),
    );
  }

  #tell(onTime: TimeListener, stored: Stored | null): void {
    this.#pendingCount -= 1;
    onTime(stored);
    if (this.#pendingCount === 0) this.#onIdle?.();
  }
}
