/**
 * Random placement groups for properties, and an oracle that adds up loads in its own way.
 */
import fc from "fast-check";
import { placeSlots } from "../../../controlplane/placement/place-slots.ts";
import {
  type PlacementGroup,
  type PlacementPlan,
  type PlacementShard,
  ShardState,
} from "../../../controlplane/placement/placement.ts";
import { weighSlots } from "../../../controlplane/placement/slot-weights.ts";

/** Runs of each property; all properties together end within some seconds. */
export const RUNS = { numRuns: 200 };

/** Loads as they are seen: most alike, some idle, some a thousandfold, some not observed. */
const anyLoad = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0.001, 1000, null, Number.NaN, -1) },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 400 }) },
);

/** How far a random group may go. */
export interface GroupBounds {
  readonly slotCountMax?: number;
  readonly capacityMax?: number;
  /** Whether there are regions, rules, pins, and shards that leave. */
  readonly isPlain?: boolean;
}

/** Groups of 1 to 8 shards; ids have gaps, and slots lie anywhere. */
export function anyGroup(bounds: GroupBounds = {}): fc.Arbitrary<PlacementGroup> {
  const { slotCountMax = 40, capacityMax = 3, isPlain = false } = bounds;
  const region = isPlain ? fc.constant("") : fc.constantFrom("eu", "eu", "us");
  const states = [ShardState.active, ShardState.active, ShardState.draining, ShardState.retired];
  const state = isPlain ? fc.constant(ShardState.active) : fc.constantFrom(...states);
  const capacity = fc.integer({ min: 1, max: capacityMax });
  const rule = fc.constantFrom<readonly string[]>(["eu"], ["eu", "us"], ["us", "eu"]);
  const rules = fc.array(rule, { maxLength: isPlain ? 0 : 2 });
  const place = fc.nat({ max: 999 });
  const pin = fc.oneof(
    { weight: 8, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: place },
  );
  const slot = fc.record({
    load: anyLoad,
    owner: place,
    pin: isPlain ? fc.constant(null) : pin,
  });
  return fc
    .record({
      shards: fc.array(fc.record({ state, region, capacity }), { minLength: 1, maxLength: 8 }),
      slots: fc.array(slot, { maxLength: slotCountMax }),
      rules,
    })
    .map((made) => {
      const shards = made.shards.map((shard, i) => ({ ...shard, id: i * 3 + 1 }));
      const idAt = (at: number): number => shards[at % shards.length]?.id ?? 0;
      const regionRules = made.rules.map((regions, i) => ({ name: `rule ${i}`, regions }));
      const stays = shards.filter((shard) => isOpen({ shards, slots: [], regionRules }, shard));
      const pinAt = (at: number): number | null => stays[at % stays.length]?.id ?? null;
      return {
        shards,
        slots: made.slots.map(({ load, owner, pin }, i) => {
          return { slot: i * 2, load, owner: idAt(owner), pin: pin === null ? null : pinAt(pin) };
        }),
        regionRules,
      };
    });
}

/** The plan; a property about plans skips groups that are refused. */
export function planOf(group: PlacementGroup): PlacementPlan {
  const decision = placeSlots(group);
  fc.pre(decision.kind === "planned");
  return decision;
}

/** The group after these moves. */
export function afterMoves(group: PlacementGroup, moves: PlacementPlan["moves"]): PlacementGroup {
  const targets = new Map(moves.map(({ slot, to }) => [slot, to]));
  const slots = group.slots.map((slot) => ({
    ...slot,
    owner: targets.get(slot.slot) ?? slot.owner,
  }));
  return { ...group, slots };
}

/** One open shard as the oracle sees it. */
export interface Seen {
  readonly id: number;
  readonly level: number;
  readonly heaviest: number;
  readonly fair: number;
  readonly isAboveBound: boolean;
  /** Whether a slot may leave: one without a pin. */
  readonly canGive: boolean;
}

/** The open shards of a group with its present owners. */
export function seeShards(group: PlacementGroup): Seen[] {
  const weights = weighSlots(group.slots);
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  const open = group.shards.filter((shard) => isOpen(group, shard));
  const capacity = open.reduce((sum, shard) => sum + shard.capacity, 0);
  return open.map((shard) => {
    const own = weights.filter(({ slot }) => slot.owner === shard.id);
    const fair = (total * shard.capacity) / capacity;
    const weight = own.reduce((sum, one) => sum + one.weight, 0);
    const heaviest = Math.max(0, ...own.map((one) => one.weight));
    return {
      id: shard.id,
      level: weight / fair,
      heaviest,
      fair,
      isAboveBound: weight > 1.25 * fair * (1 + 1e-9) + heaviest,
      canGive: own.some(({ slot }) => slot.pin === null),
    };
  });
}

export function isOpen({ regionRules }: PlacementGroup, shard: PlacementShard): boolean {
  const isAllowed = regionRules.every(({ regions }) => regions.includes(shard.region));
  return shard.state === ShardState.active && isAllowed;
}

/** Weight of each slot. */
export function weightsOf({ slots }: PlacementGroup): ReadonlyMap<number, number> {
  return new Map(weighSlots(slots).map(({ slot, weight }) => [slot.slot, weight]));
}
