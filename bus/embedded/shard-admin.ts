/**
 * Shards of the embedded bus: its one store. Nothing can be changed about it yet.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { ShardAdmin } from "../shard-admin.ts";

/** Refuses every change. */
export class EmbeddedShards implements ShardAdmin {
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

  deleteGroup(): Promise<void> {
    return refuse();
  }

  moveSlot(): Promise<void> {
    return refuse();
  }
}

function refuse(): Promise<never> {
  const detail = "the embedded bus has one shard, which can not be changed";
  return Promise.reject(new CodedError("UNAVAILABLE", detail));
}
