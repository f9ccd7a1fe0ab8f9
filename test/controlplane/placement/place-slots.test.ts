/** What placement promises, over random groups: bounds, least movement, order, and rest. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeSlots } from "../../../controlplane/placement/place-slots.ts";
import {
  MoveReason,
  type PlacementGroup,
  ShardState,
} from "../../../controlplane/placement/placement.ts";
import { parseGroup, showMoves } from "./group-text.ts";
import { afterMoves, anyGroup, isOpen, planOf, RUNS, seeShards, weightsOf } from "./groups.ts";

const forced: readonly MoveReason[] = [MoveReason.pin, MoveReason.region, MoveReason.drain];

describe("placeSlots: the target", () => {
  test("gives every slot an owner that may have it, and moves lead there, each slot once", () => {
    fc.assert(
      fc.property(anyGroup(), (group) => {
        const { owners, moves } = planOf(group);
        const open = new Set(group.shards.filter((shard) => isOpen(group, shard)).map((s) => s.id));
        const target = afterMoves(group, moves);
        expect([...owners]).toEqual(target.slots.map(({ slot, owner }) => [slot, owner]));
        expect(target.slots.every(({ owner }) => open.has(owner))).toBe(true);
        expect(target.slots.filter(({ owner, pin }) => pin !== null && pin !== owner)).toEqual([]);
        expect(new Set(moves.map(({ slot }) => slot)).size).toBe(moves.length);
        const before = new Map(group.slots.map(({ slot, owner }) => [slot, owner]));
        const isWrong = moves.filter(
          (one) => one.from !== before.get(one.slot) || one.to === one.from,
        );
        expect(isWrong).toEqual([]);
      }),
      RUNS,
    );
  });

  test("no open shard is above 1.25 × its fair share + its heaviest slot, save by pins alone", () => {
    fc.assert(
      fc.property(anyGroup(), (group) => {
        const target = afterMoves(group, planOf(group).moves);
        const above = seeShards(target).filter(({ isAboveBound }) => isAboveBound);
        expect(above.filter(({ canGive }) => canGive)).toEqual([]);
      }),
      RUNS,
    );
  });

  test("is the same for the same group, in whatever order it is given", () => {
    const shuffled = anyGroup().chain((group) =>
      fc.record({
        group: fc.constant(group),
        shards: fc.shuffledSubarray([...group.shards], { minLength: group.shards.length }),
        slots: fc.shuffledSubarray([...group.slots], { minLength: group.slots.length }),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ group, shards, slots }) => {
        const plan = planOf(group);
        const other = planOf({ ...group, shards, slots });
        expect(other.moves).toEqual(plan.moves);
        expect([...other.owners]).toEqual([...plan.owners]);
      }),
      RUNS,
    );
  });
});

describe("placeSlots: least movement", () => {
  test("nothing moves while all shards are within 25 % of their fair shares", () => {
    const loads = fc.array(fc.integer({ min: 20, max: 30 }), { minLength: 5, maxLength: 6 });
    const even = fc.array(loads, { minLength: 1, maxLength: 8 }).map(groupOfLoads);
    fc.assert(
      fc.property(even, (group) => {
        fc.pre(seeShards(group).every(({ level }) => level >= 0.75 && level <= 1.25));
        expect(planOf(group).moves).toEqual([]);
      }),
      RUNS,
    );
  });

  test("one shard added to n that carry the same takes at most 1.2 / (n + 1) of the slots", () => {
    const load = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(1, 500, 3000));
    const equal = fc.record({
      loads: fc.array(load, { minLength: 1, maxLength: 30 }),
      count: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(equal, ({ loads, count }) => {
        const group = groupOfLoads([...Array.from({ length: count }, () => loads), []]);
        const { moves } = planOf(group);
        expect(5 * (count + 1) * moves.length).toBeLessThanOrEqual(6 * group.slots.length);
      }),
      RUNS,
    );
  });

  test("one shard added to equal slots gets three quarters of its share or more", () => {
    const sizes = fc.record({
      count: fc.integer({ min: 1, max: 9 }),
      each: fc.integer({ min: 10, max: 40 }),
    });
    fc.assert(
      fc.property(sizes, ({ count, each }) => {
        const loads = Array.from({ length: each }, () => 7);
        const group = groupOfLoads([...Array.from({ length: count }, () => loads), []]);
        const levels = seeShards(afterMoves(group, planOf(group).moves)).map(({ level }) => level);
        expect(Math.min(...levels)).toBeGreaterThanOrEqual(0.75);
      }),
      RUNS,
    );
  });

  test("draining a shard of a group that is within its bounds moves exactly its slots", () => {
    fc.assert(
      fc.property(anyGroup({ isPlain: true }), fc.nat(), (group, at) => {
        fc.pre(group.shards.length > 1);
        const settled = afterMoves(group, planOf(group).moves);
        const { id } = settled.shards[at % settled.shards.length] ?? { id: 0 };
        const drained = withDraining(settled, id);
        const own = settled.slots.filter(({ owner }) => owner === id).map(({ slot }) => slot);
        const moved = planOf(drained).moves.map(({ slot }) => slot);
        expect(moved.sort((a, b) => a - b)).toEqual(own);
      }),
      RUNS,
    );
  });

  test("planning again after each plan comes to rest", () => {
    fc.assert(
      fc.property(anyGroup({ slotCountMax: 30 }), (group) => {
        let now = group;
        let roundCount = 0;
        for (let plan = planOf(now); plan.moves.length > 0; plan = planOf(now)) {
          now = afterMoves(now, plan.moves);
          roundCount += 1;
          expect(roundCount).toBeLessThanOrEqual(10);
        }
      }),
      RUNS,
    );
  });
});

describe("placeSlots: order of moves", () => {
  test("relief comes from the highest shard above the bound, and no move raises the highest", () => {
    const loads = fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 25 });
    const full = fc.array(loads, { minLength: 2, maxLength: 3 });
    const empty = fc.integer({ min: 0, max: 6 }).map((n) => Array.from({ length: n }, () => []));
    const crowded = fc.tuple(full, empty).map((parts) => groupOfLoads(parts.flat()));
    fc.assert(
      fc.property(fc.oneof(crowded, anyGroup({ isPlain: true, capacityMax: 1 })), (group) => {
        const { moves } = planOf(group);
        const levels = [seeShards(group)];
        for (let i = 1; i <= moves.length; i += 1) {
          levels.push(seeShards(afterMoves(group, moves.slice(0, i))));
        }
        const highest = levels.map((seen) => Math.max(0, ...seen.map(({ level }) => level)));
        expect(highest.filter((level, i) => level > (highest[i - 1] ?? level) + 1e-9)).toEqual([]);
        const isWrong = moves.filter(({ from, reason }, i) => {
          const above = (levels[i] ?? []).filter(({ isAboveBound }) => isAboveBound);
          if (reason !== MoveReason.relieve) return above.length > 0;
          return above.find(({ id }) => id === from)?.level !== topLevel(above);
        });
        expect(isWrong).toEqual([]);
      }),
      RUNS,
    );
  });

  test("relief moves a slot that overshoots when no other is there, for the bound's sake", () => {
    const group = parseGroup("0: 13 13; 1: 4 4; 2: 4 4; 3: 4 4; 4: 4 4; 5: 4 4; 6: 4 3; 7: 4 3");
    expect(planOf(group).moves[0]).toEqual({ slot: 1, from: 0, to: 6, reason: "relieve" });
  });

  test("balance fills a small shard less full than the large one was", () => {
    const group = parseGroup(`0 ×10: ${"6 ".repeat(17)}3; 1: 5`);
    expect(showMoves(planOf(group))).toBe("17 0→1 balance");
  });

  test("pins first, then relief, wrong regions, draining shards, balance; heaviest first", () => {
    const order = ["pin", "relieve", "region", "drain", "balance"];
    fc.assert(
      fc.property(anyGroup(), (group) => {
        const { moves } = planOf(group);
        const ranks = moves.map(({ reason }) => order.indexOf(reason));
        expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
        const weights = weightsOf(group);
        for (const reason of forced) {
          const own = moves.filter((move) => move.reason === reason);
          const loads = own.map(({ slot }) => weights.get(slot) ?? 0);
          expect(loads).toEqual([...loads].sort((a, b) => b - a));
        }
      }),
      RUNS,
    );
  });

  test("a drain that stopped anywhere goes on with the moves that were left", () => {
    fc.assert(
      fc.property(anyGroup({ isPlain: true }), fc.nat(), fc.nat(), (group, at, stop) => {
        fc.pre(group.shards.length > 1);
        const settled = afterMoves(group, planOf(group).moves);
        const drained = withDraining(settled, settled.shards[at % settled.shards.length]?.id ?? 0);
        const { moves } = planOf(drained);
        const doneCount = stop % (moves.length + 1);
        const rest = planOf(afterMoves(drained, moves.slice(0, doneCount))).moves;
        expect(rest).toEqual(moves.slice(doneCount));
      }),
      RUNS,
    );
  });
});

describe("placeSlots: bound on work, 4 096 slots over 64 shards", () => {
  const slotCount = 4096;
  const shardCount = 64;
  /** Slots × log2 slots, four times: one sort, and a few searches for each move. */
  const comparisonCountMax = 4 * slotCount * Math.log2(slotCount);
  const steep = (slot: number): number => Math.floor(4096 / (1 + ((slot * 2654435761) % 4096)));
  const spread = (count: number) => (slot: number) => slot % count;
  test.each([
    ["at rest", spread(64), () => 1, []],
    ["one shard is new", spread(63), () => 1, []],
    ["one shard is new, loads are steep", spread(63), steep, []],
    ["half the shards drain", spread(64), steep, Array.from({ length: 32 }, (_, id) => id)],
    ["all slots are on one shard", () => 0, () => 1, []],
    ["all slots are on one shard, loads are steep", () => 0, steep, []],
  ])("%s: at most 4 × slots × log2 slots comparisons", (_name, ownerOf, loadOf, draining) => {
    const plan = placeSlots({
      shards: Array.from({ length: shardCount }, (_, id) => {
        const state = draining.includes(id) ? ShardState.draining : ShardState.active;
        return { id, state, region: "", capacity: 1 };
      }),
      slots: Array.from({ length: slotCount }, (_, slot) => {
        return { slot, owner: ownerOf(slot), load: loadOf(slot), pin: null };
      }),
      regionRules: [],
    });
    if (plan.kind !== "planned") throw new Error(plan.detail);
    expect(plan.comparisonCount).toBeGreaterThan(slotCount - 1);
    expect(plan.comparisonCount).toBeLessThan(comparisonCountMax);
  });
});

describe("placeSlots: what a programmer got wrong is asserted", () => {
  const group = groupOfLoads([[1], [1]]);
  test.each([
    ["a shard twice", { ...group, shards: [...group.shards, ...group.shards] }],
    ["a slot twice", { ...group, slots: [...group.slots, ...group.slots] }],
    ["no capacity", { ...group, shards: group.shards.map((one) => ({ ...one, capacity: 0 })) }],
  ])("%s", (_name, wrong) => {
    expect(() => placeSlots(wrong)).toThrow(/twice|above 0/);
  });
});

/** Active shards of equal capacity with slots of these loads. */
function groupOfLoads(loads: readonly (readonly number[])[]): PlacementGroup {
  const shards = loads.map((_, id) => {
    return { id, state: ShardState.active, region: "", capacity: 1 };
  });
  const owned = loads.flatMap((own, owner) => own.map((load) => ({ owner, load, pin: null })));
  return { shards, slots: owned.map((one, slot) => ({ ...one, slot })), regionRules: [] };
}

function withDraining(group: PlacementGroup, id: number): PlacementGroup {
  const shards = group.shards.map((shard) => {
    return shard.id === id ? { ...shard, state: ShardState.draining } : shard;
  });
  return { ...group, shards };
}

function topLevel(shards: readonly { readonly level: number }[]): number {
  return Math.max(...shards.map(({ level }) => level));
}
