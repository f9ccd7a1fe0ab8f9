/**
 * Changing shards, groups and slots of the embedded bus: asks the worker, where each change is one
 * transaction (shard-registry.ts).
 */
import { CodedError } from "../../proto/coded-error.ts";
import { checkWrites } from "../check-key-value.ts";
import type { KeyWrite } from "../key-value.ts";
import type { Along, GroupWish, ShardAdmin, ShardChange, ShardWish } from "../shard-admin.ts";
import { freeShard } from "../shard-rules.ts";
import { NUMBER_TAKEN, type ShardRequest } from "./worker-protocol.ts";

/** What the changes are asked of. */
export interface ShardAdminStore {
  /** Numbers of all shards. */
  shardNumbers(): Promise<readonly number[]>;
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
      const shard = freeShard(new Set(await this.#store.shardNumbers()));
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

  async createGroup(wish: GroupWish, along = nothing): Promise<void> {
    await this.#write({ op: "groupCreate", wish, along: written(along, wish.group) });
  }

  async deleteGroup(group: number, along = nothing): Promise<void> {
    await this.#write({ op: "groupDelete", group, along: written(along, group) });
  }

  async moveSlot(slot: number, shard: number, mayAct = () => {}): Promise<void> {
    mayAct();
    await this.#write({ op: "moveSlot", slot, shard });
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
function written(along: Along, number: number): readonly KeyWrite[] {
  const writes = along(number);
  if (writes.length > 0) checkWrites(writes);
  return writes;
}
