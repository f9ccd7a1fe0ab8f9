/**
 * R11: streams follow records: their subject lists, and what else is set of them.
 *
 * A stream update replaces the whole list and has no compare-and-set, so a mover that is late can
 * take a slot away, and one that died leaves an epoch that nobody uses. One process at a time
 * compares lists with records: when it becomes the leader, every 5 s, and when one was refused.
 */
import type { KeyValue } from "../key-value.ts";
import { Leadership } from "../leadership.ts";
import { isMoving, isOpen } from "../route.ts";

import { isThere } from "../shard-record.ts";
import { GROUP_COUNT_MAX } from "../subjects.ts";
import type { MoveParts } from "./advance-epoch.ts";
import { MoverLock } from "./mover-lock.ts";
import { removeShard, removeSlots } from "./remove-shard.ts";
import { type Routes, slotsOfGroup } from "./routes.ts";
import type { ShardRegistry } from "./shard-registry.ts";
import { type StreamFacts, streamFacts, updateStream } from "./stream-api.ts";
import {
  compareStream,
  mendedStream,
  type ShardStream,
  shardStreamConfig,
} from "./stream-config.ts";
import type { Troubles } from "./troubles.ts";
import { inSlotSubjects, parseInSlotSubjects, shardStream } from "./wire.ts";

/** How often every shard's list is compared, ms. */
const EVERY_MS = 5000;
/** A shard that refused somebody is looked at by whoever was refused at most this often, ms. */
const REFUSED_EVERY_MS = 1000;

/** A shard that is being made or deleted for longer has lost whoever did it. Microseconds. */
const UNFINISHED_US_MAX = 30_000_000;

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
 *
 * @param slots of the shard's group, as far as it exists.
 */
export function compareList(
  subjects: readonly string[],
  routes: Pick<Routes, "of">,
  shard: number,
  slots: Iterable<number>,
): ListDifference {
  const present = new Set(subjects);
  const leftover = subjects.filter((subject) => {
    const found = parseInSlotSubjects(subject);
    if (found === null) return false;
    const route = routes.of(found.slot);
    const { record } = route;
    return !isMoving(route) && (record.shard !== shard || record.epoch !== found.epoch);
  });
  const missing: string[] = [];
  for (const slot of slots) {
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
  readonly registry: ShardRegistry;
  readonly dedupeWindowMs: number;
  readonly troubles: Troubles;
}

/** Compares all shards with the records while it leads, and repairs them. */
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
    this.#start(() => this.reconcile(shard));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.allSettled(this.#running);
    await this.#leadership?.close();
  }

  /**
   * Makes a shard's stream as the records say, unless it is.
   *
   * @throws {CodedError} `UNAVAILABLE`: not now, for want of a leader or of the lock.
   */
  async reconcile(shard: number): Promise<void> {
    const { move } = this.#parts;
    const { connection } = move;
    if (this.#isRight(shard, await streamFacts(connection, shardStream(shard)))) return;
    const lock = await MoverLock.acquire(move, [shard]);
    try {
      // Under the lock nobody else changes the stream; records are read after it was taken.
      await move.routes.reload();
      await this.follow(shard, () => lock.check());
    } finally {
      await lock.release();
    }
  }

  /**
   * The same by whoever holds the shard's lock, and has read the records.
   *
   * @param check is called before each update; throws when it must not be sent any more.
   */
  async follow(shard: number, check = () => {}): Promise<void> {
    const facts = await streamFacts(this.#parts.move.connection, shardStream(shard));
    if (this.#isRight(shard, facts)) return;
    check();
    const listed = await this.#repairList(shard, facts);
    check();
    await this.#repairSettings(shard, listed);
  }

  #lookAtAll(): void {
    if (this.#leadership?.isLeading !== true) return;
    this.#lookAtGroups();
    const nowUs = this.#parts.move.nowUs();
    for (const [shard, record] of this.#parts.registry.records) {
      if (isThere(record.settings)) this.#start(() => this.reconcile(shard));
      else if (nowUs - Number(record.settings.stateUs) > UNFINISHED_US_MAX) {
        this.#start(() => removeShard(this.#parts.move, shard, record));
      }
    }
  }

  /** Slots that have a record, and no group. */
  #lookAtGroups(): void {
    const { registry, move } = this.#parts;
    for (let group = 1; group < GROUP_COUNT_MAX; group += 1) {
      if (registry.groups.has(group)) continue;
      const isLeft = slotsOfGroup(group).some((slot) => move.routes.of(slot).revision > 0);
      if (isLeft) this.#start(() => removeSlots(move.control, group));
    }
  }

  #start(look: () => Promise<void>): void {
    if (this.#isClosed) return;
    // Not now, for want of a leader or a lock: the next look comes soon.
    const looking = look().catch(() => {});
    this.#running.add(looking);
    void looking.finally(() => this.#running.delete(looking));
  }

  async #repairList(shard: number, facts: StreamFacts): Promise<StreamFacts> {
    const { missing, leftover } = this.#compare(shard, facts);
    if (missing.length === 0 && leftover.length === 0) return facts;
    const gone = new Set(leftover);
    const kept = facts.config.subjects.filter((subject) => !gone.has(subject));
    const config = { ...facts.config, subjects: [...kept, ...missing] };
    const repaired = await updateStream(this.#parts.move.connection, config);
    this.#parts.troubles.note("list_repaired", () => ({ shard, missing, leftover }));
    return repaired;
  }

  /** Whoever changed the record died before the stream followed, or somebody changed the stream. */
  async #repairSettings(shard: number, { config }: StreamFacts): Promise<void> {
    const wanted = this.#wanted(shard);
    if (wanted === null || compareStream(wanted, config).changes.length === 0) return;
    await updateStream(this.#parts.move.connection, mendedStream(wanted, config));
    this.#parts.troubles.note("settings_repaired", () => ({ shard }));
  }

  #isRight(shard: number, facts: StreamFacts): boolean {
    const { missing, leftover } = this.#compare(shard, facts);
    const wanted = this.#wanted(shard);
    const isSet = wanted === null || compareStream(wanted, facts.config).changes.length === 0;
    return missing.length === 0 && leftover.length === 0 && isSet;
  }

  #compare(shard: number, facts: StreamFacts): ListDifference {
    const { move, registry } = this.#parts;
    const group = registry.shards.get(shard)?.group ?? -1;
    const slots = registry.groups.has(group) ? slotsOfGroup(group) : [];
    return compareList(facts.config.subjects, move.routes, shard, slots);
  }

  #wanted(shard: number): ShardStream | null {
    const { registry, dedupeWindowMs } = this.#parts;
    const settings = registry.shards.get(shard);
    return settings === undefined ? null : shardStreamConfig(shard, [], settings, dedupeWindowMs);
  }
}
