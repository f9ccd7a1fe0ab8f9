/**
 * Shards on NATS: a stream each, and its record on the bus KV.
 *
 * bus/shard-rules.ts decides; here the stream is made before its record says that it is there, and
 * follows the record in everything else. What dies in between is finished or undone by whoever
 * reconciles (reconcile.ts): a stream is set back to its record, a shard that was not made to its
 * end is removed, one that was to be deleted is.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { type ShardSettings, ShardState } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { encodeGroup } from "../group-record.ts";
import type { KeyValue, KeyWrite } from "../key-value.ts";
import { groupKey, shardKey } from "../record-keys.ts";
import { isMoving } from "../route.ts";
import type { Along, GroupWish, ShardAdmin, ShardChange, ShardWish } from "../shard-admin.ts";
import { encodeShardSettings } from "../shard-record.ts";
import {
  checkGroupWish,
  checkKnownSlot,
  checkMove,
  decideChange,
  decideDeletion,
  decideShard,
  freeShard,
  isTrimmed,
  type ShardUse,
  useOf,
} from "../shard-rules.ts";
import { advanceEpoch, type MoveParts } from "./advance-epoch.ts";
import type { NatsBusOptions } from "./options.ts";
import type { Reconciler } from "./reconcile.ts";
import { removeShard, removeSlots } from "./remove-shard.ts";
import type { Routes } from "./routes.ts";
import type { ShardRecord, ShardRegistry } from "./shard-registry.ts";
import { acquireLock } from "./shard-streams.ts";
import {
  createStream,
  isStreamMissing,
  newestUs,
  refusalCode,
  type StreamFacts,
  streamFacts,
  updateStream,
  writeAnchor,
} from "./stream-api.ts";
import { mendedStream, shardStreamConfig } from "./stream-config.ts";
import { sealSubjects, shardStream } from "./wire.ts";

/** A new stream takes its first message within this, ms: servers hear of it one after the other. */
const FIRST_ANCHOR_MS_MAX = 5000;
/** Between two tries of it, ms. */
const FIRST_ANCHOR_WAIT_MS = 50;

/** A change that races with others is decided anew so often. */
const TURN_COUNT_MAX = 5;
/** Clocks of ready machines differ by less (R2), both ways. Microseconds. */
const CLOCK_SKEW_US = 2_000_000;
/** JetStream: another stream has this name. */
const nameInUseCode = 10058;
/** JetStream's codes for what waiting does not mend: servers, storage, tags, copies. */
const unsuitableCodes = [10005, 10023, 10026, 10028, 10040, 10047, 10052, 10065, 10074];

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
      const foreign = new Set<number>();
      for (;;) {
        const has = (shard: number) => registry.records.has(shard) || foreign.has(shard);
        const shard = freeShard({ has });
        const claim = await this.#claim(shard, record);
        if (claim === null) await registry.refresh(shard);
        else if (await this.#make(shard, claim, along)) return shard;
        else foreign.add(shard);
      }
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

  createGroup(wish: GroupWish, along?: Along): Promise<void> {
    return this.#parts.run(() =>
      this.#locked(wish.shards, async () => {
        const { control, registry, reconciler } = this.#parts;
        await registry.reload();
        checkGroupWish(wish, registry.groups, registry.shards);
        const record = { firstShards: [...wish.shards], dedupeWindowMs: 0, isMade: true };
        const write = { key: groupKey(wish.group), value: encodeGroup(record), revision: 0 };
        await commit(control, write, along?.(wish.group) ?? []).catch((error: unknown) => {
          if (CodedError.from(error).code !== "ETAG_MISMATCH") throw error;
          throw new CodedError("ALREADY_EXISTS", `group ${wish.group} exists`, error);
        });
        await registry.reload();
        for (const shard of wish.shards) await reconciler.follow(shard);
      }),
    );
  }

  deleteGroup(group: number, along?: Along): Promise<void> {
    const { registry, reconciler, control } = this.#parts;
    const own = () =>
      registry.numbers().filter((each) => registry.shards.get(each)?.group === group);
    return this.#parts.run(async () => {
      await registry.reload();
      await this.#locked(own(), async () => {
        await registry.reload();
        if (group === 0) throw new CodedError("GROUP_IN_USE", "group 0 is there for ever");
        const kept = await control.get(groupKey(group));
        if (kept === null) throw new CodedError("NOT_FOUND", `there is no group ${group}`);
        const write = { key: groupKey(group), value: null, revision: kept.revision };
        await commit(control, write, along?.(group) ?? []);
        // What is left of it when this process dies goes with the next look (reconcile.ts).
        await removeSlots(control, group);
        await registry.reload();
        for (const shard of own()) await reconciler.follow(shard);
      });
    });
  }

  moveSlot(slot: number, shard: number, mayAct?: () => void): Promise<void> {
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
      await advanceEpoch(move, slot, shard, { checkTarget, ...(mayAct && { mayAct }) });
    });
  }

  /** Takes a number; null when another has it already. */
  async #claim(shard: number, settings: ShardSettings): Promise<ShardRecord | null> {
    try {
      const value = encodeShardSettings(settings);
      return { settings, revision: await this.#parts.control.create(shardKey(shard), value) };
    } catch (error) {
      if (CodedError.from(error).code !== "ALREADY_EXISTS") throw error;
      return null;
    }
  }

  /** @returns false when a stream that is none of ours has the name. */
  async #make(shard: number, claim: ShardRecord, along: Along | undefined): Promise<boolean> {
    const { connection, control, registry, dedupeWindowMs } = this.#parts;
    const subjects = [sealSubjects(shard)];
    const config = shardStreamConfig(shard, subjects, claim.settings, dedupeWindowMs);
    try {
      await createStream(connection, config);
    } catch (error) {
      const code = refusalCode(error);
      if (code === nameInUseCode || unsuitableCodes.includes(code)) {
        await control.delete(shardKey(shard), claim.revision); // nothing was made
        if (code === nameInUseCode) return false;
      }
      throw toAdminError(error); // else: undone by whoever reconciles
    }
    await firstAnchor(connection, shard);
    await this.#put(shard, { ...claim.settings, state: ShardState.ACTIVE }, claim.revision, along);
    await registry.refresh(shard);
    return true;
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
    const written = await commit(this.#parts.control, write, along?.(shard) ?? []);
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

/** @returns the new revision of the first. */
async function commit(
  control: KeyValue,
  write: KeyWrite,
  along: readonly KeyWrite[],
): Promise<number> {
  const [revision = 0] = await control.commit([write, ...along]);
  return revision;
}

function toAdminError(error: unknown): unknown {
  if (!unsuitableCodes.includes(refusalCode(error))) return error;
  const { detail } = CodedError.from(error);
  return new CodedError("BUS_UNSUITABLE", `the NATS servers can not hold it: ${detail}`, error);
}

function unlessMissing<T>(otherwise: T): (error: unknown) => T {
  return (error) => {
    if (isStreamMissing(error)) return otherwise;
    throw error;
  };
}

/** The anchor of a stream that was just made: until all servers know it, there is no responder. */
async function firstAnchor(connection: NatsConnection, shard: number): Promise<void> {
  const endMs = performance.now() + FIRST_ANCHOR_MS_MAX;
  for (;;) {
    try {
      await writeAnchor(connection, shard);
      return;
    } catch (error) {
      if (performance.now() >= endMs) throw error;
    }
    await sleep(FIRST_ANCHOR_WAIT_MS);
  }
}
