/**
 * Holds kinds of keys that only ever grow to a number: beyond it the oldest are deleted.
 *
 * Audit entries and remembered requests end by their time to live as a rule; this is the bound for
 * times with very many. The leader of the control planes does it, from a watch that keeps names and
 * revisions alone. Deleting by revision, it harms nothing when two do it at once.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { REQUEST_PREFIX } from "../request-memory.ts";
import { AUDIT_PREFIX } from "./audit-entry.ts";

/** Audit entries kept: some 20 MB, read whole by nobody but a new leader. */
export const AUDIT_COUNT_MAX = 20_000;
/** Requests remembered: a repeat of an older one is carried out again. */
export const REQUEST_COUNT_MAX = 10_000;
/** Deleted at once: this many more than the maximum are let stand. */
const STEP_COUNT = 100;

/** How many keys of each prefix are kept. */
const defaults: ReadonlyMap<string, number> = new Map([
  [AUDIT_PREFIX, AUDIT_COUNT_MAX],
  [REQUEST_PREFIX, REQUEST_COUNT_MAX],
]);

export class KeyTrimmer {
  readonly #keys: KeyValue;
  /** By prefix: revisions by key. */
  readonly #known = new Map<string, Map<string, number>>();
  readonly #countsMax: ReadonlyMap<string, number>;
  #stopWatch: () => void = () => {};
  #trimming: Promise<void> | null = null;
  #isStopped = false;

  private constructor(keys: KeyValue, countsMax: ReadonlyMap<string, number>) {
    this.#keys = keys;
    this.#countsMax = countsMax;
    for (const prefix of countsMax.keys()) this.#known.set(prefix, new Map());
  }

  /**
   * Begins; what is too many already is deleted at once.
   *
   * @param keys bucket "control".
   * @throws {CodedError} `UNAVAILABLE`.
   */
  static async start(keys: KeyValue, countsMax = defaults): Promise<KeyTrimmer> {
    const trimmer = new KeyTrimmer(keys, countsMax);
    let isSynced = false;
    trimmer.#stopWatch = await keys.watch([...countsMax.keys()], {
      onChange: ({ key, value, revision }) => {
        const known = trimmer.#known.get(key.slice(0, key.indexOf(".") + 1));
        if (value === null) known?.delete(key);
        else known?.set(key, revision);
        if (isSynced) trimmer.#trim();
      },
      onSynced: () => {
        isSynced = true;
        trimmer.#trim();
      },
    });
    return trimmer;
  }

  /** Ends; resolves when nothing is being deleted any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopWatch();
    await this.#trimming;
  }

  #trim(): void {
    if (this.#trimming !== null || this.#isStopped || this.#excess() === null) return;
    this.#trimming = this.#deleteExcess().finally(() => {
      this.#trimming = null;
    });
  }

  /** The oldest keys of a prefix that has too many; null when none has. */
  #excess(): [string, number][] | null {
    for (const [prefix, known] of this.#known) {
      const countMax = this.#countsMax.get(prefix) ?? 0;
      if (known.size < countMax + STEP_COUNT) continue;
      const byAge = [...known].sort(([, left], [, right]) => left - right);
      return byAge.slice(0, known.size - countMax);
    }
    return null;
  }

  async #deleteExcess(): Promise<void> {
    for (let excess = this.#excess(); excess !== null; excess = this.#excess()) {
      for (const [key, revision] of excess) {
        if (this.#isStopped) return;
        try {
          await this.#keys.delete(key, revision);
        } catch (reason) {
          // The bus is away: it goes on with the next key that is written.
          if (CodedError.from(reason).code !== "ETAG_MISMATCH") return;
        }
        this.#known.get(key.slice(0, key.indexOf(".") + 1))?.delete(key);
      }
    }
  }
}
