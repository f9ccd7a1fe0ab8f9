/**
 * Changing shards, groups and slots of the embedded bus: asks the worker, where each change is one
 * transaction (shard-registry.ts).
 */
import { CodedError } from "../../proto/coded-error.ts";
import { checkWrites } from "../check-key-value.ts";
import type { KeyWrite } from "../key-value.ts";
import {
  type Along,
  GROUP_SHARD_COUNT_MAX,
  type GroupAlong,
  type GroupWish,
  type ShardAdmin,
  type ShardChange,
  type ShardWish,
} from "../shard-admin.ts";
import { freeShard } from "../shard-rules.ts";
import type { ShardSettingEntry } from "../topology.ts";
import { NUMBER_TAKEN, type ShardRequest } from "./worker-protocol.ts";

/** What the changes are asked of. */
export interface ShardAdminStore {
  /** All shards, ascending. */
  shardSettings(): Promise<readonly ShardSettingEntry[]>;
  /** Has the worker apply a change. */
  write(request: ShardRequest): Promise<unknown>;
}

const nothing: Along = () => [];

/** ShardAdmin of the embedded bus. */
export class EmbeddedShards implements ShardAdmin {
  readonly #store: ShardAdminStore;

  constructor(store: ShardAdminStore) {
    this.#store = store;
  }

  async create(wish: ShardWish, along = nothing): Promise<number> {
    for (;;) {
      const shard = freeShard(await this.#taken());
      const request = { op: "shardCreate", shard, wish, along: written(along, shard) } as const;
      if ((await this.#write(request)) !== NUMBER_TAKEN) return shard;
    }
  }

  async update(
    shard: number,
    change: ShardChange,
    revision: number,
    along = nothing,
  ): Promise<void> {
    const writes = written(along, shard);
    await this.#write({ op: "shardUpdate", shard, change, revision, along: writes });
  }

  async delete(
    shard: number,
    { discardHistory }: { readonly discardHistory: boolean },
    along = nothing,
  ): Promise<void> {
    const writes = written(along, shard);
    await this.#write({ op: "shardDelete", shard, discardHistory, along: writes });
  }

  async createGroup(wish: GroupWish, along: GroupAlong = () => []): Promise<readonly number[]> {
    for (;;) {
      const taken = await this.#taken();
      const shards = wish.shards.slice(0, GROUP_SHARD_COUNT_MAX).map(() => {
        const shard = freeShard(taken);
        taken.add(shard);
        return shard;
      });
      const writes = checked(along(shards));
      const request = { op: "groupCreate", wish, shards, along: writes } as const;
      if ((await this.#write(request)) !== NUMBER_TAKEN) return shards;
    }
  }

  async deleteGroup(group: number, revision: number, along: GroupAlong = () => []): Promise<void> {
    for (;;) {
      const all = await this.#store.shardSettings();
      const own = all.filter(({ settings }) => settings.group === group);
      const shards = own.map(({ shard }) => shard);
      const writes = checked(along(shards));
      const request = { op: "groupDelete", group, revision, shards, along: writes } as const;
      if ((await this.#write(request)) !== NUMBER_TAKEN) return;
    }
  }

  async moveSlot(slot: number, shard: number, mayAct = () => {}): Promise<void> {
    mayAct();
    await this.#write({ op: "moveSlot", slot, shard });
  }

  async #taken(): Promise<Set<number>> {
    return new Set((await this.#store.shardSettings()).map(({ shard }) => shard));
  }

  async #write(request: ShardRequest): Promise<unknown> {
    try {
      return await this.#store.write(request);
    } catch (error) {
      const { code, detail } = CodedError.from(error);
      // Its store ended over it: the next start shows whether it was done.
      if (code !== "OUTCOME_UNKNOWN") throw error;
      throw new CodedError("UNAVAILABLE", detail, error);
    }
  }
}

/** What is to be written along, checked. */
function written(along: Along, shard: number): readonly KeyWrite[] {
  return checked(along(shard));
}

function checked(writes: readonly KeyWrite[]): readonly KeyWrite[] {
  if (writes.length > 0) checkWrites(writes);
  return writes;
}
