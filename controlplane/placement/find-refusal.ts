/**
 * Wishes that can not be granted together, found before anything is planned.
 *
 * Pure. Each is answered with what to do. Contradictions come from operators (draining the last
 * shard, a pin to a shard that leaves) and from snapshots read in the middle of a change, so they
 * are expected; the service maps them to a status once.
 */
import {
  type PlacementGroup,
  type PlacementRefusal,
  type PlacementShard,
  type PlacementSlot,
  RefusalCode,
  ShardState,
} from "./placement.ts";
import { isRegionAllowed, listAllowedRegions } from "./region-rules.ts";

/** Numbers named in a sentence; the lists of the refusal have all. */
const shownCountMax = 5;

/** The first reason why there is no plan, or null. */
export function findRefusal(group: PlacementGroup): PlacementRefusal | null {
  return findShardRefusal(group) ?? findSlotRefusal(group);
}

function findShardRefusal({ shards, regionRules }: PlacementGroup): PlacementRefusal | null {
  const active = shards.filter(({ state }) => state === ShardState.active);
  if (active.length === 0) {
    const detail = `every shard of the group (${listed(idsOf(shards))}) is draining or retired, or would be`;
    const fix = "Create a shard, or stop draining one.";
    return refuse(RefusalCode.noActiveShard, detail, fix, { shards });
  }
  const regions = listAllowedRegions(regionRules);
  if (regions === null) return null;
  const rules = regionRules.map((rule) => `${rule.name} allows ${quoted(rule.regions)}`).join(", ");
  if (regions.length === 0) {
    const detail = `no region is allowed by all rules: ${rules}`;
    const fix = "Change a rule, or place the class in another group.";
    return refuse(RefusalCode.rulesContradict, detail, fix, {});
  }
  if (active.some(({ region }) => regions.includes(region))) return null;
  const there = shards.filter(({ region }) => regions.includes(region));
  const leaving = there.length === 0 ? "" : `; leaving there: ${listed(idsOf(there))}`;
  const detail = `no shard in ${quoted(regions)} is active${leaving} (${rules})`;
  const fix = "Create a shard there or stop draining one, or allow another region.";
  return refuse(RefusalCode.regionWithoutShard, detail, fix, { shards: there });
}

function findSlotRefusal({ shards, slots, regionRules }: PlacementGroup): PlacementRefusal | null {
  const byId = new Map(shards.map((shard) => [shard.id, shard]));
  const isUnknown = (id: number | null): boolean => id !== null && !byId.has(id);
  const lost = slots.filter(({ owner }) => isUnknown(owner));
  if (lost.length > 0) {
    const detail = `slots ${listed(numbersOf(lost))} are owned by shards that are not in the group`;
    const fix = "Read shards and slots again, from one snapshot.";
    return refuse(RefusalCode.ownerUnknown, detail, fix, { slots: lost });
  }
  const pinned = slots.filter(({ pin }) => pin !== null);
  const astray = pinned.filter(({ pin }) => isUnknown(pin));
  if (astray.length > 0) {
    const detail = `slots ${listed(numbersOf(astray))} are pinned to shards that are not in the group`;
    const fix = "Unpin them, or pin them to a shard of the group.";
    return refuse(RefusalCode.pinToUnknownShard, detail, fix, { slots: astray });
  }
  const pinnedTo = (isBad: (shard: PlacementShard) => boolean) => {
    const bad = new Set(shards.filter(isBad).map(({ id }) => id));
    const found = pinned.filter(({ pin }) => pin !== null && bad.has(pin));
    const targets = new Set(found.map(({ pin }) => pin));
    return { slots: found, shards: shards.filter(({ id }) => targets.has(id)) };
  };
  const leaving = pinnedTo(({ state }) => state !== ShardState.active);
  if (leaving.slots.length > 0) {
    const [numbers, ids] = [listed(numbersOf(leaving.slots)), listed(idsOf(leaving.shards))];
    const detail = `slots ${numbers} are pinned to ${ids}, which are draining or retired`;
    const fix = "Unpin them or pin them elsewhere, then drain.";
    return refuse(RefusalCode.pinToLeavingShard, detail, fix, leaving);
  }
  const outside = pinnedTo(({ region }) => !isRegionAllowed(region, regionRules));
  if (outside.slots.length === 0) return null;
  const [numbers, ids] = [listed(numbersOf(outside.slots)), listed(idsOf(outside.shards))];
  const allowed = quoted(listAllowedRegions(regionRules) ?? []);
  const detail = `slots ${numbers} are pinned to ${ids}, outside ${allowed}`;
  const fix = "Unpin them or pin them inside, or allow the region.";
  return refuse(RefusalCode.pinOutsideRegion, detail, fix, outside);
}

function refuse(
  code: RefusalCode,
  detail: string,
  fix: string,
  about: {
    readonly shards?: readonly PlacementShard[];
    readonly slots?: readonly PlacementSlot[];
  },
): PlacementRefusal {
  const { shards = [], slots = [] } = about;
  return { kind: "refused", code, detail, fix, shards: idsOf(shards), slots: numbersOf(slots) };
}

function idsOf(shards: readonly PlacementShard[]): number[] {
  return shards.map(({ id }) => id).sort((a, b) => a - b);
}

function numbersOf(slots: readonly PlacementSlot[]): number[] {
  return slots.map(({ slot }) => slot).sort((a, b) => a - b);
}

function listed(numbers: readonly number[]): string {
  const more = numbers.length - shownCountMax;
  return numbers.slice(0, shownCountMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function quoted(regions: readonly string[]): string {
  return regions.length === 0 ? "none" : regions.map((region) => `"${region}"`).join(" or ");
}
