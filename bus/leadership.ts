/**
 * One leader among the processes of a bus, for background work: a key with a time to live.
 *
 * The key's revision at the take-over is the fencing token: it rises with each leader. A leader
 * that can not renew stops by its own monotonic clock before the key can expire, so two never lead
 * at once as long as loops stand still for less than {@link STOP_BEFORE_MS}; work that must be safe
 * against longer stalls checks {@link Leadership.isLeading} before each act, and writes by
 * compare-and-set.
 *
 * A key that was not renewed for its whole life is taken over by compare-and-set, also when the
 * store has not deleted it yet: one that has just changed its own leader may take its time.
 */
import { randomUUID } from "node:crypto";
import { CodedError } from "../proto/coded-error.ts";
import type { KeyValue } from "./key-value.ts";

/** Life of the key, ms: longer than the store's own leader is away (4 to 9 s). */
export const LEADER_TTL_MS = 18_000;
/** The leader renews this often, ms, and others look this often whether there is one. */
const RENEW_MS = 4000;
/** It stops leading this long before the key can expire, ms. */
const STOP_BEFORE_MS = 3000;
/** Others try to take over a free key at random within this, ms. */
const JITTER_MS = 300;

/** What follows a change of leadership. */
export interface LeadershipEvents {
  /** This process leads; `token` is higher than that of every leader before. */
  onLeading(token: number): void;
  /** It does not lead any more: nothing may be begun. */
  onStopped(): void;
}

/** A candidate for leadership of one key. */
export class Leadership {
  readonly #kv: KeyValue;
  readonly #key: string;
  readonly #value: Uint8Array;
  readonly #events: LeadershipEvents;
  readonly #ttlMs: number;
  #stopWatch: () => void = () => {};
  #timer: NodeJS.Timeout | null = null;
  /** Of the key as this process wrote it last; 0: another leads, or nobody. */
  #revision = 0;
  #token = 0;
  #untilMs = 0;
  /** What another wrote last, and when it was seen; it was written before. */
  #seen: { readonly revision: number; readonly atMs: number } | null = null;
  #running: Promise<void> | null = null;
  #isClosed = false;

  private constructor(
    kv: KeyValue,
    key: string,
    name: string,
    events: LeadershipEvents,
    ttlMs: number,
  ) {
    this.#kv = kv;
    this.#key = key;
    this.#value = Buffer.from(`${name} ${randomUUID()}`);
    this.#events = events;
    this.#ttlMs = ttlMs;
  }

  /**
   * Takes part from now on.
   *
   * @param key tokens; the key itself is "<key>.leader".
   * @param name of this process, for people.
   * @param ttlMs LEADER_TTL_MS, but in tests; 5000 or more.
   * @throws {CodedError} `UNAVAILABLE`.
   */
  static async join(
    kv: KeyValue,
    key: string,
    name: string,
    events: LeadershipEvents,
    ttlMs = LEADER_TTL_MS,
  ): Promise<Leadership> {
    const leadership = new Leadership(kv, `${key}.leader`, name, events, ttlMs);
    // A key that goes is taken at once, and not at the next look.
    leadership.#stopWatch = await kv.watch(`${key}.`, {
      onChange: ({ value, revision }) => {
        leadership.#seen = value === null ? null : { revision, atMs: performance.now() };
        if (value === null) leadership.#later(Math.random() * JITTER_MS);
      },
      onSynced: () => leadership.#later(0),
    });
    return leadership;
  }

  /** Whether this process may begin an act of the leader now. Looks at the clock. */
  get isLeading(): boolean {
    if (this.#token > 0 && performance.now() >= this.#untilMs) this.#stop();
    return this.#token > 0;
  }

  /** Gives leadership up, so that another takes it at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWatch();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
    const revision = this.#revision;
    this.#stop();
    if (revision > 0) await this.#kv.delete(this.#key, revision).catch(() => {}); // it expires
  }

  #later(ms: number): void {
    if (this.#isClosed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#running ??= this.#turn().finally(() => {
        this.#running = null;
        this.#later(this.isLeading ? RENEW_MS : RENEW_MS + Math.random() * JITTER_MS);
      });
    }, ms).unref();
  }

  /** Renews, or tries to take over. */
  async #turn(): Promise<void> {
    const startedMs = performance.now();
    try {
      const replaced = this.#revision || this.#expiredRevision(startedMs);
      this.#revision =
        replaced > 0
          ? await this.#kv.update(this.#key, this.#value, replaced, this.#ttlMs)
          : await this.#kv.create(this.#key, this.#value, this.#ttlMs);
      this.#untilMs = startedMs + this.#ttlMs - STOP_BEFORE_MS;
      if (this.#token === 0 && this.#untilMs > performance.now() && !this.#isClosed) {
        this.#token = this.#revision;
        this.#events.onLeading(this.#token);
      }
    } catch (error) {
      if (CodedError.from(error).code !== "UNAVAILABLE") await this.#readBack();
    }
  }

  /** Revision of a key that nobody has renewed for its whole life; 0 when there is none. */
  #expiredRevision(nowMs: number): number {
    if (this.#seen === null || nowMs - this.#seen.atMs < this.#ttlMs) return 0;
    return this.#seen.revision;
  }

  /** A write was refused: another has the key, or an earlier write of ours had no answer. */
  async #readBack(): Promise<void> {
    const entry = await this.#kv.get(this.#key).catch(() => null);
    const isOurs = entry !== null && Buffer.compare(entry.value, this.#value) === 0;
    this.#revision = isOurs ? entry.revision : 0;
    if (!isOurs) this.#stop();
  }

  #stop(): void {
    if (this.#token === 0) return;
    this.#token = 0;
    this.#events.onStopped();
  }
}
