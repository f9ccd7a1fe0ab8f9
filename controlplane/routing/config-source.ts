/**
 * The configuration of the bus as a log, and how old what is known of it may be.
 *
 * One watch of all streamed prefixes, so that the log's version means that everything before it
 * has come. Changes of one turn of the loop are told together. The age is proven by reads: a watch
 * alone does not show that nothing has changed.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "../../bus/bus.ts";
import type { KeyValue } from "../../bus/key-value.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { STREAMED_RECORDS } from "../../proto/control-records.ts";
import { ConfigLog } from "./config-log.ts";

/** How often the bucket's leader is asked, ms. */
const PROVE_MS = 2000;
/** Keys that are written to learn the bucket's revision, and go by themselves. */
const MARK_PREFIX = "mark.";
const MARK_TTL_MS = 60_000;
/** Read to learn that the leader answers; nobody writes it. */
const PROOF_KEY = "proof";

export class ConfigSource {
  readonly log = new ConfigLog();
  readonly #keys: KeyValue;
  readonly #abort = new AbortController();
  #onChange: () => void = () => {};
  #unwatch: () => void = () => {};
  #isFlushing = false;
  #provenMs = performance.now();

  private constructor(keys: KeyValue) {
    this.#keys = keys;
  }

  /** Reads everything, then follows. @throws {CodedError} `UNAVAILABLE`. */
  static async open(bus: Bus): Promise<ConfigSource> {
    const keys = await bus.keyValue(CONTROL_BUCKET);
    const source = new ConfigSource(keys);
    // A revision that the watch must come past: what was deleted last has none of its own there.
    const mark = `${MARK_PREFIX}${randomBytes(8).toString("hex")}`;
    const revision = await keys.create(mark, new Uint8Array(0), MARK_TTL_MS);
    const { promise, resolve } = Promise.withResolvers<void>();
    source.#unwatch = await keys.watch([...STREAMED_RECORDS.keys(), MARK_PREFIX], {
      onChange: (change) => {
        source.log.apply(change);
        source.#flushSoon();
      },
      onSynced: resolve,
    });
    await promise;
    source.log.markComplete(revision);
    void source.#prove();
    return source;
  }

  /** Calls `listener` after changes. One listener. */
  follow(listener: () => void): void {
    this.#onChange = listener;
  }

  /** How long ago the bus was known to answer, ms. */
  get ageMs(): number {
    return performance.now() - this.#provenMs;
  }

  close(): void {
    this.#abort.abort();
    this.#unwatch();
  }

  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      if (!this.#abort.signal.aborted) this.#onChange();
    });
  }

  async #prove(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const startedMs = performance.now();
      try {
        await this.#keys.get(PROOF_KEY);
        this.#provenMs = startedMs;
      } catch {
        // The bus does not answer now: the age grows, and gateways are told it.
      }
      // Cut short when it closes: the loop ends by itself then.
      await sleep(PROVE_MS, null, { ref: false, signal }).catch(() => null);
    }
  }
}
