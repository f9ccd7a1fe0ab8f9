/**
 * Changes of KV keys by compare-and-set, one write at a time for each key.
 *
 * Changes that come while a write is under way are gathered into the next one, so that a thousand
 * clients that race for one seat cost a few writes. A write without an answer is read back; when it
 * can not be seen whether it will still arrive, the key is written once more, which bars it.
 */
import type { KeyValue, KeyValueEntry } from "../../bus/key-value.ts";
import { CodedError } from "../../proto/coded-error.ts";

/** Waits between tries, ms: random, and longer with each failure. */
const RETRY_MS_MIN = 5;
const RETRY_MS_MAX = 500;
/**
 * A key without anything in it goes by itself after this, ms: it is mostly used again, and a
 * deleted one would leave a marker for a day.
 */
const EMPTY_TTL_MS = 60_000;
/** Values kept to write after them without a read; beyond it the oldest is forgotten. */
const KNOWN_COUNT_MAX = 2048;

/** How a table lies in a key. */
export interface KeyCodec<Table> {
  decode(value: Uint8Array | null): Table;
  encode(table: Table): Uint8Array;
  isEmpty(table: Table): boolean;
}

/** Changes a fresh copy of the table; called again when another write came first. */
export type Step<Table, Result> = (table: Table) => { result: Result; isChanged: boolean };

interface Waiting<Table> {
  readonly step: Step<Table, unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: CodedError) => void;
  readonly timer: NodeJS.Timeout | null;
  /** Rejected: nobody waits for it any more. */
  isOver: boolean;
}

interface Lane<Table> {
  waiting: Waiting<Table>[];
  /** Revision after which a write without an answer goes, 0 for none; null: there is none. */
  unsure: number | null;
  failureCount: number;
}

export class KeyQueue<Table> {
  readonly #open: () => Promise<KeyValue>;
  readonly #codec: KeyCodec<Table>;
  readonly #lanes = new Map<string, Lane<Table>>();
  /** As written last by us, so it may have changed since. Null value: there is no key. */
  readonly #known = new Map<string, KeyValueEntry>();
  #isClosed = false;

  /** @param open gives the bucket; called for every turn, so it keeps what it has opened. */
  constructor(open: () => Promise<KeyValue>, codec: KeyCodec<Table>) {
    this.#open = open;
    this.#codec = codec;
  }

  /** Keys that are being changed. */
  get busyCount(): number {
    return this.#lanes.size;
  }

  /**
   * Changes a key.
   *
   * @param waitMs then `UNAVAILABLE`; the change may still be made. Infinity: until closed.
   * @returns what the step returned when its table was written, or was seen not to need it.
   */
  change<Result>(key: string, step: Step<Table, Result>, waitMs: number): Promise<Result> {
    if (this.#isClosed) return Promise.reject(new CodedError("UNAVAILABLE", "it is closed"));
    return new Promise<Result>((resolve, reject) => {
      const item: Waiting<Table> = {
        step,
        resolve: resolve as (result: unknown) => void,
        reject,
        timer: waitMs === Infinity ? null : setTimeout(() => giveUp(item, waitMs), waitMs),
        isOver: false,
      };
      const lane = this.#lanes.get(key);
      if (lane !== undefined) lane.waiting.push(item);
      else {
        const made: Lane<Table> = { waiting: [item], unsure: null, failureCount: 0 };
        this.#lanes.set(key, made);
        void this.#run(key, made);
      }
    });
  }

  /** Gives up all that waits. */
  close(): void {
    this.#isClosed = true;
    for (const lane of this.#lanes.values()) {
      for (const item of lane.waiting.splice(0)) fail(item, "the gateway is closed");
    }
  }

  async #run(key: string, lane: Lane<Table>): Promise<void> {
    await null; // those that come in the same turn go together
    while (!this.#isClosed && (lane.waiting.length > 0 || lane.unsure !== null)) {
      try {
        await this.#turn(key, lane);
      } catch (error) {
        this.#known.delete(key);
        lane.failureCount += 1;
        if (CodedError.from(error).code !== "UNAVAILABLE") this.#fail(lane, error);
      }
      if (lane.failureCount > 0) await pause(retryMs(lane.failureCount));
    }
    this.#lanes.delete(key);
  }

  /** One read, if what is there is not known, and one write, if one is needed. */
  async #turn(key: string, lane: Lane<Table>): Promise<void> {
    const keys = await this.#open();
    const known = this.#known.get(key);
    const entry = known ?? (await keys.get(key));
    const revision = entry?.revision ?? 0;
    // Another revision than it goes after: it has arrived, and is seen here, or never will.
    if (lane.unsure !== null && lane.unsure !== revision) lane.unsure = null;
    const batch = lane.waiting.filter(({ isOver }) => !isOver);
    lane.waiting = [];
    const table = this.#codec.decode(entry?.value ?? null);
    const done = batch.map((item) => ({ item, ...item.step(table) }));
    if (lane.unsure === null && !done.some(({ isChanged }) => isChanged)) {
      if (known === undefined) {
        lane.failureCount = 0;
        settle(done);
      } else {
        this.#known.delete(key); // it may be old: look once more before it is believed
        lane.waiting.unshift(...batch);
      }
      return;
    }
    try {
      const written = await this.#write(keys, key, table, revision);
      this.#remember(written);
      lane.unsure = null;
      lane.failureCount = 0;
      settle(done);
    } catch (error) {
      this.#known.delete(key);
      lane.waiting.unshift(...batch);
      const { code } = CodedError.from(error);
      if (code === "UNAVAILABLE") lane.unsure = revision;
      else if (code !== "ETAG_MISMATCH" && code !== "ALREADY_EXISTS") throw error;
      lane.failureCount += 1;
    }
  }

  async #write(keys: KeyValue, key: string, table: Table, after: number): Promise<KeyValueEntry> {
    const value = this.#codec.encode(table);
    const ttlMs = this.#codec.isEmpty(table) ? EMPTY_TTL_MS : 0;
    const revision =
      after === 0
        ? await keys.create(key, value, ttlMs)
        : await keys.update(key, value, after, ttlMs);
    return { key, value, revision };
  }

  #remember(entry: KeyValueEntry): void {
    this.#known.delete(entry.key);
    this.#known.set(entry.key, entry);
    if (this.#known.size <= KNOWN_COUNT_MAX) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }

  /** What is in the key is none of ours, or a step is wrong: trying again would not help. */
  #fail(lane: Lane<Table>, error: unknown): void {
    lane.unsure = null;
    for (const item of lane.waiting.splice(0)) {
      end(item);
      item.reject(CodedError.from(error));
    }
  }
}

function settle<Table>(done: readonly { item: Waiting<Table>; result: unknown }[]): void {
  for (const { item, result } of done) {
    end(item);
    item.resolve(result);
  }
}

function giveUp(item: Waiting<never>, waitMs: number): void {
  fail(item, `the bus's keys gave no answer within ${waitMs} ms`);
}

function fail(item: Waiting<never>, why: string): void {
  end(item);
  item.reject(new CodedError("UNAVAILABLE", why));
}

function end(item: Waiting<never>): void {
  item.isOver = true;
  if (item.timer !== null) clearTimeout(item.timer);
}

/** By the global timer, which a simulated clock can drive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}

function retryMs(failureCount: number): number {
  const max = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failureCount, 10));
  return Math.random() * max;
}
