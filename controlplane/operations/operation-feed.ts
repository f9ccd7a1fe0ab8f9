/**
 * Every operation's record, as the bus KV has it: a live copy in each control plane.
 *
 * At most RUNNING_COUNT_MAX + ENDED_COUNT_MAX of them, so all are kept in memory. Reads that must
 * not be behind (changes) go to the KV; this serves the leader, watchers and lists.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import { decodeOperation, OPERATION_PREFIX, type StoredOperation } from "./operation-record.ts";

/** Told of a change; null when the record was deleted. Must not throw. */
export type OperationListener = (id: string, stored: StoredOperation | null) => void;

export class OperationFeed {
  readonly #records = new Map<string, StoredOperation>();
  readonly #listeners = new Set<OperationListener>();
  #stop: () => void = () => {};

  /** Opens it; resolves when all records are there. Throws `UNAVAILABLE`. */
  static async open(keys: KeyValue): Promise<OperationFeed> {
    const feed = new OperationFeed();
    const { promise, resolve } = Promise.withResolvers<void>();
    feed.#stop = await keys.watch(OPERATION_PREFIX, {
      onChange: ({ key, value, revision }) => {
        const id = key.slice(OPERATION_PREFIX.length);
        if (value === null) feed.#records.delete(id);
        else feed.#records.set(id, decodeOperation(key, value, revision));
        const stored = feed.#records.get(id) ?? null;
        for (const listener of feed.#listeners) listener(id, stored);
      },
      onSynced: resolve,
    });
    await promise;
    return feed;
  }

  /** One of them. */
  get(id: string): StoredOperation | undefined {
    return this.#records.get(id);
  }

  /** All, oldest first. */
  list(): StoredOperation[] {
    return [...this.#records.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Calls `listener` after each change from now on, until the returned function is called. */
  follow(listener: OperationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#stop();
    this.#listeners.clear();
  }
}
