/**
 * A watch of keys that proves itself: it asks the bucket's leader for its newest change every 3 s,
 * and begins anew when that did not come.
 *
 * nats.js follows a bucket by a consumer, which it makes again when it dies; of three kills of a
 * bucket's leader, one left a watch that never told anything again. A watch that begins anew lists
 * what is there and tells the difference, so a change may come late, and none is lost.
 */
import type { KvEntry } from "@nats-io/kv";
import type { KeyValueChange, KeyValueWatcher } from "../key-value.ts";

/** How often the leader is asked, ms. A watch that stood still is known after twice this. */
const CHECK_MS = 3000;

/** What a watch needs of its bucket; each may fail while the bucket has no leader. */
export interface WatchSource {
  /** What is there below the prefix, markers included, then changes; `stop` ends it. */
  open(): Promise<AsyncIterable<KvEntry> & { stop(): void }>;
  /** Keys below the prefix, markers included, and the bucket's last revision. */
  present(): Promise<{ keys: Set<string>; lastRevision: number }>;
  /** Revision of the newest change below the prefix; 0 when there is none. */
  newest(): Promise<number>;
}

/** One turn of following, from its listing on. */
interface Turn {
  readonly changes: AsyncIterable<KvEntry> & { stop(): void };
  /** Keys with a value seen while listing; null when everything is listed. */
  listed: Set<string> | null;
  /** Keys that were there when it began, and have not come yet. */
  readonly missing: Set<string>;
  readonly lastRevision: number;
}

/** As KeyValueWatcher; it is also told when a value was written. */
export interface TimedWatcher extends Pick<KeyValueWatcher, "onSynced"> {
  /** @param writtenMs by the server's clock; null for a key that is gone. */
  onChange(change: KeyValueChange, writtenMs: number | null): void;
}

export class KeyWatch {
  readonly #source: WatchSource;
  readonly #watcher: TimedWatcher;
  /** Revisions of the values told, by key. */
  readonly #told = new Map<string, number>();
  #turn: Turn | null = null;
  #hasSynced = false;
  #isStopped = false;
  #isChecking = false;
  /** Highest revision that came. */
  #seen = 0;
  /** The newest revision at the last check: must have come by the next. */
  #wanted = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: WatchSource, watcher: TimedWatcher) {
    this.#source = source;
    this.#watcher = watcher;
  }

  /** Resolves when it follows; what is there is told from then on. */
  async start(): Promise<void> {
    await this.#begin();
    this.#timer = setInterval(() => void this.#check(), CHECK_MS).unref();
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#turn?.changes.stop();
    this.#turn = null;
  }

  async #begin(): Promise<void> {
    const changes = await this.#source.open();
    const { keys: missing, lastRevision } = await this.#source.present();
    if (this.#isStopped) {
      changes.stop();
      return;
    }
    this.#turn?.changes.stop();
    const turn: Turn = { changes, listed: new Set(), missing, lastRevision };
    this.#turn = turn;
    if (missing.size === 0) this.#sync(turn);
    void this.#follow(turn);
  }

  async #follow(turn: Turn): Promise<void> {
    for await (const entry of turn.changes) {
      if (this.#turn !== turn) return;
      this.#take(turn, entry);
    }
    if (this.#turn === turn) this.#turn = null; // it ended by itself: the next check begins anew
  }

  /**
   * The consumer's own count of what is still to come touches 0 too early when a key is rewritten
   * meanwhile (9 of 400 listings missed one), so each key that was there is waited for.
   */
  #take(turn: Turn, { key, operation, revision, value, created }: KvEntry): void {
    this.#seen = Math.max(this.#seen, revision);
    if (operation === "PUT") {
      turn.listed?.add(key);
      if (this.#told.get(key) !== revision) {
        this.#told.set(key, revision);
        this.#watcher.onChange({ key, value, revision }, created.getTime());
      }
    } else if (turn.listed === null || this.#told.has(key)) {
      this.#told.delete(key);
      this.#watcher.onChange({ key, value: null, revision }, null);
    }
    turn.missing.delete(key);
    if (turn.missing.size === 0) this.#sync(turn);
  }

  /** All that is there has come: what was told before and did not come is gone. */
  #sync(turn: Turn): void {
    if (turn.listed === null) return;
    const { listed, lastRevision: revision } = turn;
    turn.listed = null;
    for (const key of [...this.#told.keys()]) {
      if (listed.has(key)) continue;
      this.#told.delete(key);
      this.#watcher.onChange({ key, value: null, revision }, null);
    }
    if (this.#hasSynced) return;
    this.#hasSynced = true;
    this.#watcher.onSynced();
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      const isBehind = this.#seen < this.#wanted;
      const newest = await this.#source.newest();
      const isOther = newest < this.#seen && (await this.#isOtherBucket());
      if (isBehind || isOther || this.#turn === null) await this.#begin();
      this.#wanted = newest;
      await this.#dropVanished();
    } catch {
      // The bucket has no leader now; the next check asks again.
    } finally {
      this.#isChecking = false;
    }
  }

  /** A marker may reach the end of its life before the watch gets to it: then it never comes. */
  async #dropVanished(): Promise<void> {
    const turn = this.#turn;
    if (turn === null || turn.listed === null) return;
    const { keys } = await this.#source.present();
    for (const key of turn.missing) if (!keys.has(key)) turn.missing.delete(key);
    if (turn === this.#turn && turn.missing.size === 0) this.#sync(turn);
  }

  /** Whether the bucket was deleted and made anew: then its revisions have begun again. */
  async #isOtherBucket(): Promise<boolean> {
    const { lastRevision } = await this.#source.present();
    if (lastRevision >= this.#seen) return false;
    this.#seen = 0;
    this.#wanted = 0;
    for (const key of this.#told.keys()) this.#told.set(key, -1);
    return true;
  }
}
