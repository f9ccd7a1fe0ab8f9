/**
 * Shards on NATS: a stream each, and its record on the bus KV.
 *
 * bus/shard-rules.ts decides; here the stream is made before its record says that it is there, and
 * follows the record in everything else. What dies in between is finished or undone by whoever
 * reconciles (reconcile.ts): a stream is set back to its record, a shard that was not made to its
 * end is removed, one that was to be deleted is.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { holdGroup } from "../hold-group.ts";
import type { KeyValue } from "../key-value.ts";
import { shardKey } from "../record-keys.ts";
import { isMoving } from "../route.ts";
import type {
  Along,
  GroupAlong,
  GroupWish,
  ShardAdmin,
  ShardChange,
  ShardWish,
} from "../shard-admin.ts";
import { encodeShardSettings } from "../shard-record.ts";
import {
  checkKnownSlot,
  checkMove,
  decideChange,
  decideDeletion,
  decideShard,
  isTrimmed,
  missingGroup,
  type ShardUse,
  useOf,
} from "../shard-rules.ts";
import { advanceEpoch, type MoveParts, type MoveWish } from "./advance-epoch.ts";
import { createGroup, deleteGroup, type GroupParts } from "./group-admin.ts";
import { activation, type MadeShard, makeShard, toAdminError, unmakeShard } from "./make-shard.ts";
import type { NatsBusOptions } from "./options.ts";
import type { Reconciler } from "./reconcile.ts";
import { removeShard } from "./remove-shard.ts";
import type { Routes } from "./routes.ts";
import type { ShardRecord, ShardRegistry } from "./shard-registry.ts";
import { acquireLock } from "./shard-streams.ts";
import {
  isStreamMissing,
  newestUs,
  type StreamFacts,
  streamFacts,
  updateStream,
} from "./stream-api.ts";
import { mendedStream, shardStreamConfig } from "./stream-config.ts";
import { shardStream } from "./wire.ts";

/** A change that races with others is decided anew so often. */
const TURN_COUNT_MAX = 5;
/** Clocks of ready machines differ by less (R2), both ways. Microseconds. */
const CLOCK_SKEW_US = 2_000_000;

/** What changes are made with. */
export interface ShardAdminParts {
  readonly connection: NatsConnection;
  /** The bucket "control". */
  readonly control: KeyValue;
  readonly registry: ShardRegistry;
  readonly routes: Routes;
  readonly move: MoveParts;
  readonly reconciler: Reconciler;
  /** What a new shard begins with. */
  readonly options: NatsBusOptions;
  readonly dedupeWindowMs: number;
  /** Runs a change; throws when the bus has ended. */
  run<T>(act: () => Promise<T>): Promise<T>;
}

/** What {@link ShardAdmin} says, on NATS. */
export class NatsShards implements ShardAdmin {
  readonly #parts: ShardAdminParts;

  constructor(parts: ShardAdminParts) {
    this.#parts = parts;
  }

  create(wish: ShardWish, along?: Along): Promise<number> {
    return this.#parts.run(async () => {
      const { registry, options, move } = this.#parts;
      const record = decideShard(wish, options, move.nowUs());
      await registry.reload();
      if (!registry.groups.has(wish.group)) throw missingGroup(wish.group);
      const made = await makeShard(this.#groupParts, record);
      try {
        await this.#activate(made, along);
      } catch (error) {
        await unmakeShard(this.#groupParts, made);
        throw error;
      }
      await registry.refresh(made.shard);
      return made.shard;
    });
  }

  update(shard: number, change: ShardChange, revision: number, along?: Along): Promise<void> {
    return this.#parts.run(() =>
      isPolicy(change)
        ? this.#update(shard, change, revision, () => {}, along)
        : this.#locked([shard], (check) => this.#update(shard, change, revision, check, along)),
    );
  }

  delete(
    shard: number,
    options: { readonly discardHistory: boolean },
    along?: Along,
  ): Promise<void> {
    return this.#parts.run(() =>
      this.#locked([shard], async () => {
        const { connection, registry, move, dedupeWindowMs } = this.#parts;
        const kept = await registry.refresh(shard);
        const use = await this.#useOf(shard);
        const newest = await newestUs(connection, shardStream(shard)).catch(unlessMissing(0));
        const nowUs = move.nowUs();
        const leftUsMin = nowUs - dedupeWindowMs * 1000 - CLOCK_SKEW_US;
        const { discardHistory } = options;
        const settings = kept?.settings;
        const gone = decideDeletion(shard, settings, use, newest, discardHistory, leftUsMin, nowUs);
        const after = await this.#put(shard, gone, kept?.revision ?? 0, along);
        // Decided: whoever reconciles does the rest when this process can not.
        await removeShard(move, shard, after).catch(() => {});
        await registry.refresh(shard);
      }),
    );
  }

  createGroup(wish: GroupWish, along: GroupAlong = () => []): Promise<readonly number[]> {
    return this.#parts.run(() => createGroup(this.#groupParts, wish, along));
  }

  deleteGroup(group: number, revision: number, along: GroupAlong = () => []): Promise<void> {
    return this.#parts.run(() => deleteGroup(this.#groupParts, group, revision, along));
  }

  moveSlot(
    slot: number,
    shard: number,
    mayAct = () => {},
    onStep: MoveWish["onStep"] = () => {},
  ): Promise<void> {
    return this.#parts.run(async () => {
      const { registry, routes, move } = this.#parts;
      checkKnownSlot(slot, registry.groups);
      const checkTarget = async () => {
        await registry.refresh(shard);
        checkMove(slot, shard, registry.groups, registry.shards);
      };
      const route = await routes.refresh(slot);
      if (!isMoving(route) && route.record.shard === shard) return;
      await checkTarget();
      await advanceEpoch(move, slot, shard, { checkTarget, mayAct, onStep });
    });
  }

  /** The shard is there from now on, if its group still is. */
  async #activate(made: MadeShard, along: Along | undefined): Promise<void> {
    const { control } = this.#parts;
    for (let turn = 1; ; turn += 1) {
      const held = await holdGroup(control, made.settings.group);
      try {
        await control.commit([activation(made), ...held, ...(along?.(made.shard) ?? [])]);
        return;
      } catch (error) {
        const isRaced = CodedError.from(error).code === "ETAG_MISMATCH";
        if (!isRaced || turn === TURN_COUNT_MAX) throw error;
      }
    }
  }

  get #groupParts(): GroupParts {
    const { connection, control, registry, reconciler, options, move } = this.#parts;
    const { dedupeWindowMs } = this.#parts;
    return {
      ...{ connection, control, registry, reconciler, options, move, dedupeWindowMs },
      nowUs: () => move.nowUs(),
      locked: (shards, act) => this.#locked(shards, () => act()),
    };
  }

  async #update(
    shard: number,
    change: ShardChange,
    revision: number,
    check: () => void,
    along: Along | undefined,
  ): Promise<void> {
    const { connection, control, registry, move } = this.#parts;
    for (let turn = 1; ; turn += 1) {
      const kept = await registry.refresh(shard);
      const use = await this.#useOf(shard);
      const facts = isPolicy(change)
        ? null
        : await streamFacts(connection, shardStream(shard)).catch(unlessMissing(null));
      const bytes = facts?.bytes ?? 0;
      const settings = kept?.settings;
      const nowUs = move.nowUs();
      const changed = decideChange(shard, settings, change, revision, use, bytes, nowUs);
      try {
        let last = kept?.revision ?? 0;
        if (settings !== undefined && isTrimmed(settings, changed)) {
          // Before the stream may lose anything: whoever dies, nothing counts as whole that is not.
          const warned = { ...settings, wholeFromUs: changed.wholeFromUs };
          last = await control.update(shardKey(shard), encodeShardSettings(warned), last);
        }
        if (facts !== null) await this.#putLimits(shard, changed, facts, check);
        await this.#put(shard, changed, last, along);
        await registry.refresh(shard);
        return;
      } catch (error) {
        const isRaced = CodedError.from(error).code === "ETAG_MISMATCH";
        if (!isRaced || turn === TURN_COUNT_MAX) throw error;
      }
    }
  }

  async #putLimits(
    shard: number,
    settings: ShardSettings,
    { config }: StreamFacts,
    check: () => void,
  ): Promise<void> {
    const { connection, dedupeWindowMs } = this.#parts;
    const wanted = shardStreamConfig(shard, [], settings, dedupeWindowMs);
    check();
    try {
      await updateStream(connection, mendedStream(wanted, config));
    } catch (error) {
      throw toAdminError(error);
    }
  }

  async #put(
    shard: number,
    settings: ShardSettings,
    revision: number,
    along: Along | undefined,
  ): Promise<ShardRecord> {
    const write = { key: shardKey(shard), value: encodeShardSettings(settings), revision };
    const [written = 0] = await this.#parts.control.commit([write, ...(along?.(shard) ?? [])]);
    return { settings, revision: written };
  }

  async #useOf(shard: number): Promise<ShardUse> {
    const { routes } = this.#parts;
    await routes.reload();
    return useOf(
      shard,
      [...routes.slots()].map((slot) => routes.of(slot).record),
    );
  }

  /** While no other process changes these shards' streams. */
  async #locked<T>(shards: readonly number[], act: (check: () => void) => Promise<T>): Promise<T> {
    const lock = await acquireLock(this.#parts.move, shards);
    if (lock === null) {
      const detail = "another process changes this shard and does not end; try again";
      throw new CodedError("UNAVAILABLE", detail);
    }
    try {
      return await act(() => lock.check());
    } finally {
      await lock.release();
    }
  }
}

/** Whether a change leaves the stream alone, and can not meet a slot that arrives. */
function isPolicy({ state, region, capacity, ...limits }: ShardChange): boolean {
  return state !== "retired" && Object.values(limits).every((value) => value === undefined);
}

function unlessMissing<T>(otherwise: T): (error: unknown) => T {
  return (error) => {
    if (isStreamMissing(error)) return otherwise;
    throw error;
  };
}
