/**
 * What /metrics tells of flags.
 *
 * Pure.
 */
import type { MetricFamily } from "../metrics.ts";
import type { FlagStatus } from "./client-flags.ts";

/** The families; none while there is no flag. @param ageMs how old flags may be. */
export function flagFamilies(flags: FlagStatus, ageMs: number): MetricFamily[] {
  const { flagCount, clientFlagCount, isStale, toldCount, conflicts, exposures } = flags;
  if (flagCount === 0 && exposures.length === 0) return [];
  const counts = exposures.map(({ key, variant, count }) => {
    return [`flag=${JSON.stringify(key)},variant=${JSON.stringify(variant)}`, count] as const;
  });
  return [
    ["flags", "gauge", "Flags in force.", flagCount],
    ["flags_for_clients", "gauge", "Flags that clients are told of.", clientFlagCount],
    ["flags_age_seconds", "gauge", "How long ago flags were known to be the newest.", ageMs / 1000],
    ["flags_stale", "gauge", "1 while flags may be old.", Number(isStale)],
    ["flags_conflicts", "gauge", "Flags of two sets that contradict.", conflicts.length],
    ["flags_told_total", "counter", "Flags frames after Welcome.", toldCount],
    ["flag_exposures_total", "counter", "Asks of a variant, as told.", Object.fromEntries(counts)],
  ];
}
