/**
 * One mover at a time changes a shard's subject list: a stream update replaces the whole list and
 * has no compare-and-set, so a stale one erases slots (R11).
 *
 * A lock is a key with a time to live; its holder sends no update in the last 10 s of it.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { KeyValue } from "../key-value.ts";

/** Time to live of a lock, ms: a move takes less than a second, its worst waits some 15. */
const LOCK_MS = 40_000;
/** No update is sent in the last part of a lock, ms: longer than a late update can take. */
const QUIET_MS = 10_000;

export class MoverLock {
  readonly #kv: KeyValue;
  readonly #held: { readonly key: string; readonly revision: number }[] = [];
  readonly #endMs = performance.now() + LOCK_MS; // from before the keys are written

  private constructor(kv: KeyValue) {
    this.#kv = kv;
  }

  /**
   * Locks shards.
   *
   * @param name of the mover, for people.
   * @throws {CodedError} `UNAVAILABLE` when another holds one of them.
   */
  static async acquire(kv: KeyValue, shards: readonly number[], name: string): Promise<MoverLock> {
    const lock = new MoverLock(kv);
    try {
      for (const shard of [...new Set(shards)].sort((a, b) => a - b)) await lock.#take(shard, name);
      return lock;
    } catch (error) {
      await lock.release();
      const coded = CodedError.from(error);
      if (coded.code !== "ALREADY_EXISTS") throw coded;
      throw new CodedError("UNAVAILABLE", "another process changes this shard; try again", error);
    }
  }

  /** @throws {CodedError} `UNAVAILABLE` when too little of the lock is left to send an update. */
  check(): void {
    if (performance.now() < this.#endMs - QUIET_MS) return;
    throw new CodedError("UNAVAILABLE", "the move took too long; it is finished or undone later");
  }

  /** Gives the shards free; one that can not be given free ends with its time. */
  async release(): Promise<void> {
    const released = this.#held
      .splice(0)
      .map(({ key, revision }) => this.#kv.delete(key, revision));
    await Promise.allSettled(released);
  }

  async #take(shard: number, name: string): Promise<void> {
    const key = `mover.${shard}`;
    this.#held.push({ key, revision: await this.#kv.create(key, Buffer.from(name), LOCK_MS) });
  }
}
