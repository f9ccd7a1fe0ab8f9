/**
 * What decisions on operations are made from: shards, slots, pins, rules and loads at one time.
 *
 * Pure. read-snapshot.ts fills it from the bus.
 */
import { groupOfSlot, SLOT_COUNT } from "../../bus/subjects.ts";
import type {
  PlacementGroup,
  PlacementShard,
  RegionRule,
  ShardState,
} from "../placement/placement.ts";
import { isRegionAllowed } from "../placement/region-rules.ts";

/** A shard of any group. */
export interface SnapshotShard extends PlacementShard {
  readonly group: number;
}

/** A slot of any group. */
export interface SnapshotSlot {
  /** Counted over all groups. */
  readonly slot: number;
  /** Shard that owns it. */
  readonly owner: number;
  /** False while a move of it is on its way (R10). */
  readonly isOpen: boolean;
}

/** The installation, as far as placement goes. Slots are counted over all groups. */
export interface Snapshot {
  readonly shards: ReadonlyMap<number, SnapshotShard>;
  readonly slots: ReadonlyMap<number, SnapshotSlot>;
  /** Shard that a slot is tied to. */
  readonly pins: ReadonlyMap<number, number>;
  /** Of each group that has some. */
  readonly rules: ReadonlyMap<number, readonly RegionRule[]>;
  /** Observed, in messages per second; a slot that is missing was not observed. */
  readonly loads: ReadonlyMap<number, number>;
}

/**
 * What a slot costs its shard without any message, in messages per second: its rooms may wake, and
 * its epochs are kept. Without it, one message in a quiet installation would outweigh all slots.
 */
const SLOT_LOAD = 1;

/** What is assumed to be otherwise than it stands. */
export interface Assumptions {
  readonly states?: ReadonlyMap<number, ShardState>;
  /** Where slots will be once the moves of other operations are made. */
  readonly owners?: ReadonlyMap<number, number>;
  readonly pins?: ReadonlyMap<number, number>;
  readonly regions?: ReadonlyMap<number, string>;
  readonly rules?: readonly RegionRule[];
}

/** One group as placeSlots takes it: its slots are numbered within the group there. */
export function placementGroupOf(
  snapshot: Snapshot,
  group: number,
  assumed: Assumptions = {},
): PlacementGroup {
  const shards = [...snapshot.shards.values()]
    .filter((shard) => shard.group === group)
    .map(({ id, state, region, capacity }) => ({
      id,
      state: assumed.states?.get(id) ?? state,
      region: assumed.regions?.get(id) ?? region,
      capacity,
    }));
  const slots = [...snapshot.slots.values()]
    .filter(({ slot }) => groupOfSlot(slot) === group)
    .map(({ slot, owner }) => ({
      slot: slot % SLOT_COUNT,
      owner: assumed.owners?.get(slot) ?? owner,
      load: loadOf(snapshot, slot),
      pin: assumed.pins?.get(slot) ?? snapshot.pins.get(slot) ?? null,
    }));
  return { shards, slots, regionRules: assumed.rules ?? snapshot.rules.get(group) ?? [] };
}

function loadOf({ loads }: Snapshot, slot: number): number | null {
  const observed = loads.get(slot);
  return observed === undefined ? null : observed + SLOT_LOAD;
}

/** Whether slots of the group may be moved to the shard now. */
export function isOpenTo(snapshot: Snapshot, group: number, shard: number): boolean {
  const found = snapshot.shards.get(shard);
  if (found === undefined || found.group !== group || found.state !== "active") return false;
  return isRegionAllowed(found.region, snapshot.rules.get(group) ?? []);
}
