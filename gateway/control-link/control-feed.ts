/**
 * The configuration as it reaches this gateway: the bus's KV, which is the truth, and the control
 * plane's stream, which is a second way for the same records. Each alone is enough.
 *
 * A record is applied once, by whoever brings it first; of one key the newer revision wins. What
 * applies a record may refuse it, and keeps the last good one: that is logged, shown and told to
 * the control plane.
 */
import assert from "node:assert/strict";
import type { Bus } from "../../bus/bus.ts";
import type { KeyValue, KeyValueChange } from "../../bus/key-value.ts";
import { isBusRecord } from "../../bus/record-keys.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import type { Log } from "../log.ts";
import { RecordBook } from "./record-book.ts";

/**
 * Applies a record; null when it is deleted.
 *
 * @returns null, or a sentence: why it is refused. What was applied before stays in force then.
 */
export type ApplyRecord = (key: string, value: Uint8Array | null) => string | null;

/** A key whose record is refused again is told of this often at most, ms. */
const TELL_MS = 60_000;
/** Such keys remembered; beyond it all are forgotten, and told of again. */
const TOLD_COUNT_MAX = 1000;
/** Without a word from the control plane the bus is asked whether it is there, this often, ms. */
const PROVE_MS = 5000;
/** Read to learn that the bucket's leader answers; nobody writes it. */
const PROOF_KEY = "proof";

/** All records of the configuration that this gateway applies. */
export class ControlFeed {
  readonly #log: Log;
  readonly #appliers = new Map<string, ApplyRecord>();
  readonly #book = new RecordBook();
  readonly #toldAtMs = new Map<string, number>();
  #bus: Bus | null = null;
  #keys: KeyValue | null = null;
  #unwatch: () => void = () => {};
  #timer: NodeJS.Timeout | null = null;
  #isReceived = false;
  #version = 0;
  #provenMs = performance.now();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Records whose keys begin with `prefix` go to `apply`; before {@link open}. */
  follow(prefix: string, apply: ApplyRecord): void {
    assert(this.#keys === null && !this.#appliers.has(prefix), prefix);
    this.#appliers.set(prefix, apply);
  }

  /** Reads all records that are followed, then their changes. Throws `UNAVAILABLE`. */
  async open(bus: Bus): Promise<void> {
    this.#bus = bus;
    this.#keys = await bus.keyValue(CONTROL_BUCKET);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#unwatch = await this.#keys.watch([...this.#appliers.keys()], {
      onChange: (change) => this.#take(change, true),
      onSynced: resolve,
    });
    await promise;
    this.#isReceived = true;
    this.proven(0);
    this.#timer = setInterval(() => void this.#prove(), PROVE_MS).unref();
  }

  /** Whether all records have been read once. */
  get isReceived(): boolean {
    return this.#isReceived;
  }

  /** Highest revision that is applied. */
  get version(): number {
    return this.#version;
  }

  /** How long ago what is here was known to be the newest, ms. */
  get ageMs(): number {
    return performance.now() - this.#provenMs;
  }

  /** A record that is refused, and why; empty when there is none. */
  get trouble(): string {
    return this.#book.trouble;
  }

  /**
   * A record that the control plane sent. Older ones, and those nobody follows, change nothing;
   * where slots are, the bus itself follows.
   */
  take(change: KeyValueChange): void {
    if (isBusRecord(change.key)) this.#bus?.hint(change);
    else this.#take(change, false);
  }

  /** Why this revision of a key's record is refused; null when it is not. */
  refusal(key: string, revision: number): string | null {
    return this.#book.refusal(key, revision);
  }

  /** All records up to `version` have come; if as a snapshot, `keys` are all there are. */
  reached(version: number, keys: ReadonlySet<string> | null): void {
    for (const key of keys === null ? [] : this.#book.missing(keys, version)) {
      this.#take({ key, value: null, revision: version }, false);
    }
    this.#version = Math.max(this.#version, version);
  }

  /** What is here was the newest so many milliseconds ago. */
  proven(ageMs: number): void {
    this.#provenMs = Math.max(this.#provenMs, performance.now() - ageMs);
  }

  /** Follows no more; what is known stays in force. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#unwatch();
  }

  #take(change: KeyValueChange, isFromBus: boolean): void {
    const { key, value, revision } = change;
    const apply = this.#appliers.get(key.slice(0, key.indexOf(".") + 1));
    if (apply === undefined || !this.#book.isNew(change, isFromBus)) return;
    const reason = this.#apply(apply, key, value);
    this.#book.note(change, isFromBus, reason);
    this.#version = Math.max(this.#version, revision);
    if (reason !== null) this.#tell(key, revision, reason);
  }

  #apply(apply: ApplyRecord, key: string, value: Uint8Array | null): string | null {
    try {
      return apply(key, value);
    } catch (error) {
      return `it does not decode: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** Says what is wrong with a key, once a minute: somebody may write junk all the time. */
  #tell(key: string, revision: number, reason: string): void {
    const nowMs = performance.now();
    if (nowMs - (this.#toldAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < TELL_MS) return;
    if (this.#toldAtMs.size >= TOLD_COUNT_MAX) this.#toldAtMs.clear();
    this.#toldAtMs.set(key, nowMs);
    const text = "a record of the configuration is refused; keeping the last good one";
    this.#log.error({ key, revision, reason }, text);
  }

  async #prove(): Promise<void> {
    if (this.#keys === null || this.ageMs < 2 * PROVE_MS) return; // the control plane says it
    const startedMs = performance.now();
    try {
      await this.#keys.get(PROOF_KEY);
      this.proven(performance.now() - startedMs);
    } catch {
      // The bus does not answer now: the age grows, and is seen.
    }
  }
}
