/**
 * A plan while it is made: every shard's load after the moves so far, and the moves.
 *
 * Pure. It keeps books and decides nothing; place-slots.ts decides.
 */
import assert from "node:assert/strict";
import type { ComparisonCount } from "./comparison-count.ts";
import {
  MoveReason,
  type PlacementGroup,
  type PlacementPlan,
  type PlacementShard,
  type SlotMove,
} from "./placement.ts";
import { isRegionAllowed, listOpenShards } from "./region-rules.ts";
import { ShardLoad } from "./shard-load.ts";
import { ShardRanking } from "./shard-ranking.ts";
import { type WeighedSlot, weighSlots } from "./slot-weights.ts";

/** A slot that may not stay where it is, and why. */
export interface LeavingSlot extends WeighedSlot {
  readonly reason: "region" | "drain";
}

export class WorkingPlan {
  /** The shards that may take slots, by id. */
  readonly open: readonly ShardLoad[];
  /** All of them, by level: the lowest takes the next slot. */
  readonly takers: ShardRanking;
  /** Slots whose pin is elsewhere, heaviest first. */
  readonly strayed: readonly WeighedSlot[];
  /** Slots on shards that may hold none, in a wrong region first, then heaviest first. */
  readonly leaving: readonly LeavingSlot[];
  readonly #slots: readonly WeighedSlot[];
  readonly #count: ComparisonCount = { value: 0 };
  readonly #byId: ReadonlyMap<number, ShardLoad>;
  readonly #moves: SlotMove[] = [];

  /** @param group one that findRefusal has nothing against. */
  constructor(group: PlacementGroup) {
    assertWellFormed(group);
    const weighed = weighSlots(group.slots);
    const totalWeight = weighed.reduce((sum, { weight }) => sum + weight, 0);
    this.#slots = weighed.sort((a, b) => {
      this.#count.value += 1;
      return b.weight - a.weight || a.slot.slot - b.slot.slot;
    });
    this.open = openLoads(group, totalWeight, this.#count);
    this.#byId = new Map(this.open.map((shard) => [shard.id, shard]));
    const shards = new Map(group.shards.map((shard) => [shard.id, shard]));
    const strayed: WeighedSlot[] = [];
    const leaving: LeavingSlot[] = [];
    for (const weighedSlot of this.#slots) {
      const { owner, pin } = weighedSlot.slot;
      const home = this.#byId.get(owner);
      if (pin !== null && pin !== owner) strayed.push(weighedSlot);
      else if (home === undefined) {
        leaving.push({ ...weighedSlot, reason: reasonOf(group, shards.get(owner)) });
      } else if (pin === null) home.addMovable(weighedSlot);
      else home.addKept(weighedSlot);
    }
    this.strayed = strayed;
    const inReach = leaving.filter(({ reason }) => reason === MoveReason.region);
    this.leaving = [...inReach, ...leaving.filter(({ reason }) => reason === MoveReason.drain)];
    this.takers = this.rank(this.open);
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  get moveCount(): number {
    return this.#moves.length;
  }

  /** Weight that the open shards miss to their fair shares, as a share of all, 0 to 1. */
  get missingShare(): number {
    const fair = this.open.reduce((sum, shard) => sum + shard.fairWeight, 0);
    const missing = this.open.map(({ fairWeight, weight }) => Math.max(0, fairWeight - weight));
    return missing.reduce((sum, weight) => sum + weight, 0) / fair;
  }

  /** The open shard with this id. */
  shard(id: number): ShardLoad {
    const shard = this.#byId.get(id);
    assert(shard, `shard ${id} may not take slots`);
    return shard;
  }

  /** A ranking of its own; whoever changes a shard in it takes the shard out meanwhile. */
  rank(shards: readonly ShardLoad[]): ShardRanking {
    return new ShardRanking(shards, this.#count);
  }

  /** Notes that a slot moves, after it was taken from where it was. */
  move({ slot, weight }: WeighedSlot, to: ShardLoad, reason: MoveReason): void {
    const isRanked = this.takers.take(to);
    to.addKept({ slot, weight });
    if (isRanked) this.takers.put(to);
    this.#moves.push({ slot: slot.slot, from: slot.owner, to: to.id, reason });
  }

  /** The plan as it stands. */
  finish(): PlacementPlan {
    const bySlot = this.#slots.map(({ slot }) => slot).sort((a, b) => a.slot - b.slot);
    const owners = new Map(bySlot.map(({ slot, owner }) => [slot, owner]));
    for (const { slot, to } of this.#moves) owners.set(slot, to);
    return { kind: "planned", owners, moves: this.#moves, comparisonCount: this.#count.value };
  }
}

function openLoads(
  group: PlacementGroup,
  totalWeight: number,
  count: ComparisonCount,
): readonly ShardLoad[] {
  const open = listOpenShards(group);
  const capacity = open.reduce((sum, shard) => sum + shard.capacity, 0);
  return open.map((shard) => {
    // A group without slots has no load to share; any number above 0 keeps levels defined.
    const fairWeight = Math.max(totalWeight, 1) * (shard.capacity / capacity);
    return new ShardLoad(shard.id, fairWeight, count);
  });
}

function reasonOf(group: PlacementGroup, shard: PlacementShard | undefined): "region" | "drain" {
  const isInReach = isRegionAllowed(shard?.region ?? "", group.regionRules);
  return isInReach ? MoveReason.drain : MoveReason.region;
}

function assertWellFormed({ shards, slots }: PlacementGroup): void {
  assert.equal(new Set(shards.map(({ id }) => id)).size, shards.length, "a shard is given twice");
  assert.equal(new Set(slots.map(({ slot }) => slot)).size, slots.length, "a slot is given twice");
  const isAbove0 = (value: number): boolean => value > 0 && Number.isFinite(value);
  assert(
    shards.every(({ capacity }) => isAbove0(capacity)),
    "a capacity is not above 0",
  );
}
