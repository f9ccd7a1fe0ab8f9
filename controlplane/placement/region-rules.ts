/**
 * Which shards may take slots: the active ones in a region that every rule allows.
 *
 * Pure.
 */
import {
  type PlacementGroup,
  type PlacementShard,
  type RegionRule,
  ShardState,
} from "./placement.ts";

/** Whether every rule allows the region; without rules each is allowed. */
export function isRegionAllowed(region: string, rules: readonly RegionRule[]): boolean {
  return rules.every(({ regions }) => regions.includes(region));
}

/** The regions that all rules allow, in the order of the first one; null: any. */
export function listAllowedRegions(rules: readonly RegionRule[]): readonly string[] | null {
  const [first] = rules;
  if (first === undefined) return null;
  return first.regions.filter((region) => isRegionAllowed(region, rules));
}

/** The shards that may take slots, by id. */
export function listOpenShards(group: PlacementGroup): PlacementShard[] {
  return group.shards
    .filter(({ state, region }) => {
      return state === ShardState.active && isRegionAllowed(region, group.regionRules);
    })
    .sort((a, b) => a.id - b.id);
}
