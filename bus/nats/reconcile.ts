/**
 * R11: subject lists follow records.
 *
 * A stream update replaces the whole list and has no compare-and-set, so a mover that is late can
 * take a slot away, and one that died leaves an epoch that nobody uses. One process at a time
 * compares lists with records: when it becomes the leader, every 5 s, and when one was refused.
 */
import type { KeyValue } from "../key-value.ts";
import { Leadership } from "../leadership.ts";
import type { MoveParts } from "./advance-epoch.ts";
import { MoverLock } from "./mover-lock.ts";
import { isOpen } from "./route.ts";
import type { Routes } from "./routes.ts";
import { type StreamFacts, streamFacts, updateStream } from "./stream-api.ts";
import type { Troubles } from "./troubles.ts";
import { inSlotSubjects, parseInSlotSubjects, shardStream } from "./wire.ts";

/** How often every shard's list is compared, ms. */
const EVERY_MS = 5000;
/** A shard that refused somebody is looked at by whoever was refused at most this often, ms. */
const REFUSED_EVERY_MS = 1000;

/** What a list must have more, and what it has too much. */
export interface ListDifference {
  readonly missing: readonly string[];
  readonly leftover: readonly string[];
}

/**
 * Compares a shard's list with the records.
 *
 * A slot that moves is left alone: its mover, or who finishes its move, knows (R10). Of an open one
 * the owner needs its epoch; every other epoch of it is a leftover, the next one too. What is not
 * an epoch of a slot (the shard's markers) is never touched.
 */
export function compareList(
  subjects: readonly string[],
  routes: Pick<Routes, "of">,
  shard: number,
  slotCount: number,
): ListDifference {
  const present = new Set(subjects);
  const leftover = subjects.filter((subject) => {
    const found = parseInSlotSubjects(subject);
    if (found === null || found.slot >= slotCount) return false;
    const route = routes.of(found.slot);
    const { record } = route;
    return isOpen(route) && (record.shard !== shard || record.epoch !== found.epoch);
  });
  const missing: string[] = [];
  for (let slot = 0; slot < slotCount; slot += 1) {
    const route = routes.of(slot);
    if (!isOpen(route) || route.record.shard !== shard) continue;
    const subject = inSlotSubjects(slot, route.record.epoch);
    if (!present.has(subject)) missing.push(subject);
  }
  return { missing, leftover };
}

/** What reconciling works with. */
export interface ReconcileParts {
  readonly move: MoveParts;
  readonly troubles: Troubles;
  readonly shardCount: number;
  readonly slotCount: number;
}

/** Compares the lists of all shards with the records while it leads, and repairs them. */
export class Reconciler {
  readonly #parts: ReconcileParts;
  readonly #lookedMs = new Map<number, number>();
  readonly #running = new Set<Promise<void>>();
  #leadership: Leadership | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(parts: ReconcileParts) {
    this.#parts = parts;
  }

  /** Takes part in the leadership. @throws {CodedError} `UNAVAILABLE`. */
  async start(kv: KeyValue): Promise<void> {
    this.#leadership = await Leadership.join(kv, "reconcile", this.#parts.move.name, {
      onLeading: () => {
        this.#lookAtAll();
        this.#timer = setInterval(() => this.#lookAtAll(), EVERY_MS).unref();
      },
      onStopped: () => {
        if (this.#timer !== null) clearInterval(this.#timer);
      },
    });
    if (this.#isClosed) await this.#leadership.close();
  }

  /** A publish to an open slot of the shard was answered by nobody: perhaps it is not listed. */
  onRefused(shard: number): void {
    const nowMs = performance.now();
    if (nowMs - (this.#lookedMs.get(shard) ?? Number.NEGATIVE_INFINITY) < REFUSED_EVERY_MS) return;
    this.#lookedMs.set(shard, nowMs);
    this.#look(shard);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.allSettled(this.#running);
    await this.#leadership?.close();
  }

  #lookAtAll(): void {
    if (this.#leadership?.isLeading !== true) return;
    for (let shard = 0; shard < this.#parts.shardCount; shard += 1) this.#look(shard);
  }

  #look(shard: number): void {
    if (this.#isClosed) return;
    // Not now, for want of a leader or a lock: the next look comes soon.
    const looking = this.#reconcile(shard).catch(() => {});
    this.#running.add(looking);
    void looking.finally(() => this.#running.delete(looking));
  }

  async #reconcile(shard: number): Promise<void> {
    const { move } = this.#parts;
    const { connection, routing, name } = move;
    if (this.#isRight(shard, await streamFacts(connection, shardStream(shard)))) return;
    const lock = await MoverLock.acquire(routing, [shard], name);
    try {
      // Under the lock nobody else changes the list; records are read after it was taken.
      await move.routes.reload();
      const facts = await streamFacts(connection, shardStream(shard));
      if (this.#isRight(shard, facts)) return;
      const { missing, leftover } = this.#compare(shard, facts);
      const gone = new Set(leftover);
      const kept = facts.config.subjects.filter((subject) => !gone.has(subject));
      lock.check();
      await updateStream(connection, { ...facts.config, subjects: [...kept, ...missing] });
      this.#parts.troubles.note("list_repaired", () => ({ shard, missing, leftover }));
    } finally {
      await lock.release();
    }
  }

  #isRight(shard: number, facts: StreamFacts): boolean {
    const { missing, leftover } = this.#compare(shard, facts);
    return missing.length === 0 && leftover.length === 0;
  }

  #compare(shard: number, facts: StreamFacts): ListDifference {
    const { move, slotCount } = this.#parts;
    return compareList(facts.config.subjects, move.routes, shard, slotCount);
  }
}
