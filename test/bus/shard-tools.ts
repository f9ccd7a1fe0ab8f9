/**
 * What rules of shards share: looking at them, and changes that are asked for until they are made.
 */
import type { Bus } from "../../bus/bus.ts";
import type { ShardWish } from "../../bus/shard-admin.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import type { ShardEntry } from "../../bus/topology.ts";
import { codeOf } from "./contract-tools.ts";

/** A small shard of group 0. */
export const wish: ShardWish = {
  group: 0,
  region: "eu",
  capacity: 2,
  shardBytesMax: 64 * 1024 ** 2,
};

/** A shard as it is now. */
export async function shardOf(bus: Bus, shard: number): Promise<ShardEntry> {
  const [entry] = await bus.topology.shards([shard]);
  if (entry === undefined) throw new Error(`there is no shard ${shard}`);
  return entry;
}

/** Changes a shard at its present revision. */
export async function change(
  bus: Bus,
  shard: number,
  wanted: Parameters<Bus["shards"]["update"]>[1],
) {
  const { settings } = await shardOf(bus, shard);
  await bus.shards.update(shard, wanted, settings?.revision ?? 0);
}

/** A move may meet another process that changes the shard; then it is asked for again. */
export async function move(bus: Bus, slot: number, shard: number): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    const code = await codeOf(() => bus.shards.moveSlot(slot, shard));
    if (code === "no error") return;
    if (code !== "UNAVAILABLE") throw new Error(code);
  }
  throw new Error(`slot ${slot} can not be moved`);
}

/** A shard that a rule made, emptied of slots and kept from getting more. */
export async function retire(
  bus: Bus,
  shard: number,
  rooms: readonly RoomAddress[],
): Promise<void> {
  for (const { slot } of rooms) await move(bus, slot, 0);
  await change(bus, shard, { state: "retired" });
}
