/**
 * Regions: where shards are, and where slots may be.
 *
 * Pure.
 */
import { REGION_CHARS_MAX } from "../bus/shard-admin.ts";
import { type FieldViolation, shown } from "./invalid-fields.ts";

/** Regions of one rule. */
export const REGION_COUNT_MAX = 16;

const regionPattern = new RegExp(`^[a-z0-9-]{0,${REGION_CHARS_MAX}}$`);

/** Whether a text can be a region; empty where there is one place only. */
export function isRegion(region: string): boolean {
  return regionPattern.test(region);
}

/** The faults of a list of regions. */
export function checkRegions(regions: readonly string[], field: string): FieldViolation[] {
  if (regions.length > REGION_COUNT_MAX) {
    const description = `has ${regions.length} regions, at most ${REGION_COUNT_MAX}`;
    return [{ field, description }];
  }
  const bad = regions.find((region) => !isRegion(region));
  if (bad !== undefined) {
    return [{ field, description: `${shown(bad)} is not a region: [a-z0-9-]{0,32}` }];
  }
  if (new Set(regions).size === regions.length) return [];
  return [{ field, description: "names a region twice" }];
}
