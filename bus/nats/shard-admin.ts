/**
 * Shards on NATS: a stream each, and its record on the bus KV.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { ShardAdmin } from "../shard-admin.ts";

/** What changes are made with. */
export interface ShardAdminParts {
  /** R10: the slot's next epoch, in `shard`. */
  advanceEpoch(slot: number, shard: number, mayAct: () => void): Promise<unknown>;
}

/** What {@link ShardAdmin} says, on NATS. */
export class NatsShards implements ShardAdmin {
  readonly #parts: ShardAdminParts;

  constructor(parts: ShardAdminParts) {
    this.#parts = parts;
  }

  create(): Promise<number> {
    return refuse();
  }

  update(): Promise<void> {
    return refuse();
  }

  delete(): Promise<void> {
    return refuse();
  }

  createGroup(): Promise<void> {
    return refuse();
  }

  async moveSlot(slot: number, shard: number, mayAct: () => void = () => {}): Promise<void> {
    await this.#parts.advanceEpoch(slot, shard, mayAct);
  }
}

function refuse(): Promise<never> {
  return Promise.reject(new CodedError("UNAVAILABLE", "shards can not be changed yet"));
}
