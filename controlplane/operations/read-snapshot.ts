/**
 * Reads what operations are decided from: the fleet's shards and slots, pins, regions, loads.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import type { Topology } from "../../bus/topology.ts";
import { PlacementGroup } from "../../proto/gen/tidegate/control/v1/placement_group.ts";
import { RoomClass } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { ROOM_CLASS_PREFIX } from "../../proto/room-class.ts";
import { groupName, parseGroupName } from "../fleet-names.ts";
import type { RegionRule } from "../placement/placement.ts";
import { readPins } from "../slot-service.ts";
import { GROUP_PREFIX } from "./placement-keys.ts";
import type { Snapshot, SnapshotShard, SnapshotSlot } from "./snapshot.ts";

/** Observed loads of slots, messages per second; slots that are not in it were not observed. */
export type ReadLoads = () => Promise<ReadonlyMap<number, number>>;

/** Where a snapshot is read from. */
export interface SnapshotParts {
  readonly topology: Topology;
  /** Bucket "control". */
  readonly keys: KeyValue;
  readonly loads: ReadLoads;
}

/** Reads a snapshot. Throws `UNAVAILABLE`. */
export async function readSnapshot({ topology, keys, loads }: SnapshotParts): Promise<Snapshot> {
  const [shards, slots, pins, rules, observed] = await Promise.all([
    readShards(topology),
    topology.slots(),
    readPins(keys),
    readRules(keys),
    loads(),
  ]);
  const bySlot = new Map(
    slots.map(({ slot, shard, state }): [number, SnapshotSlot] => {
      return [slot, { slot, owner: shard, isOpen: state === "open" }];
    }),
  );
  const shardsOfPins = new Map([...pins].map(([slot, { shard }]) => [slot, shard]));
  return { shards, slots: bySlot, pins: shardsOfPins, rules, loads: observed };
}

/** By their records: no shard is asked, as this is read with every look of the leader. */
async function readShards(topology: Topology): Promise<Map<number, SnapshotShard>> {
  const shards = new Map<number, SnapshotShard>();
  for (const { shard, settings } of await topology.shardSettings()) {
    const { group, state, region, capacity } = settings;
    shards.set(shard, { id: shard, group, state, region, capacity });
  }
  return shards;
}

/** What groups and their classes ask for, by group. */
export async function readRules(keys: KeyValue): Promise<Map<number, RegionRule[]>> {
  const rules = new Map<number, RegionRule[]>();
  const add = (group: number, name: string, regions: readonly string[]) => {
    if (regions.length === 0) return;
    rules.set(group, [...(rules.get(group) ?? []), { name, regions }]);
  };
  for (const { key, value } of await keys.list(GROUP_PREFIX)) {
    const group = Number(key.slice(GROUP_PREFIX.length));
    add(group, groupName(group), PlacementGroup.decode(value).regions);
  }
  for (const { value } of await keys.list(ROOM_CLASS_PREFIX)) {
    const { name, deleted, placementGroup, regions } = RoomClass.decode(value);
    if (deleted || regions.length === 0) continue;
    add(parseGroupName(placementGroup || groupName(0), name), name, regions);
  }
  return rules;
}
