/**
 * One mover at a time changes a shard's subject list: a stream update replaces the whole list and
 * has no compare-and-set, so a stale one erases slots (R11).
 *
 * A lock is a key with a time to live; its holder sends no update in the last 10 s of it, nor after
 * it stood still or was cut off. So a lock whose holder died is free for whoever wants it after a
 * second, and one whose holder is silent after ten (as leases are, R12).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { KeyValue } from "../key-value.ts";
import type { Lease } from "./lease.ts";
import { type ControlProbe, probeControl } from "./lease-records.ts";

/** Time to live of a lock, ms: a move takes less than a second, its worst waits some 15. */
const LOCK_MS = 40_000;
/** No update is sent in the last part of a lock, ms: longer than a late update can take. */
const QUIET_MS = 10_000;
/** A holder that does not answer is silent after this, ms, and is asked again after it. */
const PROBE_MS = 1000;
/** A holder with no responder may be one that reconnects: it is dead when it was so twice. */
const ABSENT_COUNT = 2;
/** A holder that is silent for this long, ms, has lost its lock. */
const SILENT_MS = 10_000;

/** A lock that could not be given free is tried again after this, ms. */
const FREE_AGAIN_MS = 500;

interface HeldLock {
  readonly key: string;
  readonly revision: number;
}

/** What a lock needs of this process. */
export interface LockParts {
  /** The bucket "control". */
  readonly control: KeyValue;
  readonly connection: NatsConnection;
  readonly lease: Pick<Lease, "id" | "incarnation" | "isHeld" | "stopCount">;
}

export class MoverLock {
  readonly #parts: LockParts;
  readonly #held: HeldLock[] = [];
  readonly #endMs = performance.now() + LOCK_MS; // from before the keys are written
  readonly #stopCount: number;

  private constructor(parts: LockParts) {
    this.#parts = parts;
    this.#stopCount = parts.lease.stopCount;
  }

  /**
   * Locks shards. Takes over what a dead or silent holder left, which lasts up to 10 s.
   *
   * @throws {CodedError} `UNAVAILABLE` when another holds one of them.
   */
  static async acquire(parts: LockParts, shards: readonly number[]): Promise<MoverLock> {
    const lock = new MoverLock(parts);
    try {
      for (const shard of [...new Set(shards)].sort((a, b) => a - b)) await lock.#take(shard);
      return lock;
    } catch (error) {
      await lock.release();
      const coded = CodedError.from(error);
      if (coded.code !== "ALREADY_EXISTS" && coded.code !== "ETAG_MISMATCH") throw coded;
      throw new CodedError("UNAVAILABLE", "another process changes this shard; try again", error);
    }
  }

  /** @throws {CodedError} `UNAVAILABLE` when no update may be sent under the lock any more. */
  check(): void {
    const { lease } = this.#parts;
    const isSteady = lease.isHeld && lease.stopCount === this.#stopCount;
    if (isSteady && performance.now() < this.#endMs - QUIET_MS) return;
    const why = isSteady ? "the move took too long" : "this process stood still or was cut off";
    throw new CodedError("UNAVAILABLE", `${why}; the move is finished or undone later`);
  }

  /** Gives the shards free; one that can not be now is tried again until its time ends. */
  async release(): Promise<void> {
    const held = this.#held.splice(0);
    await Promise.all(held.map((lock) => this.#free(lock)));
  }

  async #free(lock: HeldLock): Promise<void> {
    try {
      await this.#parts.control.delete(lock.key, lock.revision);
    } catch (error) {
      const isOurs =
        CodedError.from(error).code === "UNAVAILABLE" && performance.now() < this.#endMs;
      if (isOurs) setTimeout(() => void this.#free(lock), FREE_AGAIN_MS).unref();
    }
  }

  async #take(shard: number): Promise<void> {
    const { control, lease } = this.#parts;
    const key = `mover.${shard}`;
    const value = Buffer.from(`${lease.id} ${lease.incarnation}`);
    const revision = await control.create(key, value, LOCK_MS).catch(async (error: unknown) => {
      if (CodedError.from(error).code !== "ALREADY_EXISTS") throw error;
      const present = await control.get(key);
      if (present === null) return control.create(key, value, LOCK_MS);
      if (!(await this.#isAbandoned(present.value))) throw error;
      return control.update(key, value, present.revision, LOCK_MS);
    });
    this.#held.push({ key, revision });
  }

  /** Whether the holder is dead, another incarnation by now, or silent for long. */
  async #isAbandoned(holder: Uint8Array): Promise<boolean> {
    const { connection, lease } = this.#parts;
    const [id = "", incarnation = ""] = Buffer.from(holder).toString().split(" ");
    if (id === lease.id && incarnation === lease.incarnation) return false;
    const endMs = performance.now() + SILENT_MS;
    let absentCount = 0;
    while (absentCount < ABSENT_COUNT && performance.now() < endMs) {
      const probed: ControlProbe = await probeControl(connection, id, PROBE_MS);
      if (typeof probed === "object") return probed.incarnation !== incarnation;
      absentCount = probed === "absent" ? absentCount + 1 : 0;
      if (absentCount === 1) await sleep(PROBE_MS, null, { ref: false });
    }
    return true;
  }
}
