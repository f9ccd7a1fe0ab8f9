/**
 * The records of operations as their leader works on them: its own copy, ahead of the store by what
 * it has done in the last second.
 *
 * Callers write the same records (pause, resume, abort), always by compare-and-set: when one was
 * first, its state is taken over and the leader decides anew. The leader's token is in each record
 * that it writes, first of all when it takes over; so an earlier leader that still writes loses
 * each race from then on.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Operation } from "../../proto/gen/tidegate/control/v1/operation.ts";
import {
  decodeOperation,
  encodeOperation,
  hasEnded,
  operationKey,
  type StoredOperation,
} from "./operation-record.ts";

/** Progress of one operation is written at most this often, ms. */
export const PROGRESS_EVERY_MS = 1000;

interface Worked {
  operation: Operation;
  /** KV revision that it is ahead of. */
  revision: number;
  /** As the store has it, encoded without its time: what is the same is not written. */
  stored: Uint8Array;
  writtenMs: number;
}

/** A record that is the leader's to work on. */
export interface WorkedOperation {
  readonly id: string;
  readonly operation: Operation;
  /** KV revision that it is ahead of. */
  readonly revision: number;
}

export class LeaderRecords {
  readonly #keys: KeyValue;
  readonly #token: number;
  readonly #worked = new Map<string, Worked>();

  constructor(keys: KeyValue, token: number) {
    this.#keys = keys;
    this.#token = token;
  }

  /** Those that have not ended, oldest first. */
  list(): WorkedOperation[] {
    return [...this.#worked]
      .map(([id, { operation, revision }]) => ({ id, operation, revision }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * A record as the feed has it.
   *
   * @returns whether somebody else has written it, or it is new.
   */
  take(id: string, stored: StoredOperation | null): boolean {
    const worked = this.#worked.get(id);
    if (stored === null || hasEnded(stored.operation)) return this.#worked.delete(id);
    if (worked === undefined) {
      const { operation, revision } = stored;
      const writtenMs = Number.NEGATIVE_INFINITY;
      this.#worked.set(id, { operation, revision, stored: timeless(operation), writtenMs });
      return true;
    }
    if (stored.revision <= worked.revision) return false;
    // What a caller may change is its state; the rest is ours, and may be ahead.
    const { state, endTime, failure } = stored.operation;
    worked.operation = { ...worked.operation, state, endTime, failure };
    worked.revision = stored.revision;
    worked.stored = timeless(stored.operation);
    return true;
  }

  /**
   * Goes on with this; it is written by {@link write}.
   *
   * @param revision that it was decided on.
   * @returns false when a caller has written the record since, so that it is to be decided anew.
   */
  set(id: string, operation: Operation, revision: number): boolean {
    const worked = this.#worked.get(id);
    if (worked === undefined || worked.revision !== revision) return false;
    worked.operation = operation;
    return true;
  }

  /** Goes on with what a worker made of it; a state that a caller asked for since stays. */
  merge(id: string, operation: Operation): void {
    const worked = this.#worked.get(id);
    if (worked === undefined) return;
    const { state } = hasEnded(operation) ? operation : worked.operation;
    worked.operation = { ...operation, state };
  }

  /** Milliseconds until the record may be written again; 0: now; null: nothing is to be written. */
  dueInMs(id: string, nowMs: number): number | null {
    const worked = this.#worked.get(id);
    if (worked === undefined || !this.#isChanged(worked)) return null;
    return Math.max(0, worked.writtenMs + PROGRESS_EVERY_MS - nowMs);
  }

  /**
   * Writes a record if it has changed.
   *
   * @param nowMs monotonic, for the pace; `timeMs` since 1970, for the record.
   * @returns false when another was first: the record has been read again, decide anew.
   * @throws {CodedError} `UNAVAILABLE`.
   */
  async write(id: string, nowMs: number, timeMs: number): Promise<boolean> {
    const worked = this.#worked.get(id);
    if (worked === undefined || !this.#isChanged(worked)) return true;
    const { revision } = worked;
    const operation = { ...worked.operation, leaderToken: BigInt(this.#token) };
    const bytes = encodeOperation({ ...operation, updateTime: new Date(timeMs) });
    try {
      worked.writtenMs = nowMs;
      worked.revision = await this.#keys.update(operationKey(id), bytes, revision);
      worked.stored = timeless(operation);
      if (hasEnded(operation)) this.#worked.delete(id);
      return true;
    } catch (reason) {
      if (CodedError.from(reason).code !== "ETAG_MISMATCH") throw reason;
      await this.#readBack(id);
      return false;
    }
  }

  async #readBack(id: string): Promise<void> {
    const key = operationKey(id);
    const entry = await this.#keys.get(key);
    const stored = entry === null ? null : decodeOperation(key, entry.value, entry.revision);
    if (stored !== null && stored.operation.leaderToken > BigInt(this.#token)) {
      throw new CodedError("UNAVAILABLE", "another control plane leads");
    }
    this.take(id, stored);
  }

  #isChanged({ operation, stored }: Worked): boolean {
    const present = timeless({ ...operation, leaderToken: BigInt(this.#token) });
    return Buffer.compare(present, stored) !== 0;
  }
}

function timeless(operation: Operation): Uint8Array {
  return encodeOperation({ ...operation, updateTime: undefined });
}
