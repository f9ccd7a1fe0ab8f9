/**
 * What /metrics tells of flags.
 */
import type { MetricSink } from "../../telemetry/metrics/registry.ts";
import type { FlagStatus } from "./client-flags.ts";

/** Variants whose exposures are told one by one; the next ones are "_other" together. */
export const EXPOSED_VARIANT_COUNT_MAX = 500;

/** Writes it. @param ageMs how old flags may be. */
export function collectFlags(sink: MetricSink, flags: FlagStatus, ageMs: number): void {
  const { flagCount, clientFlagCount, isStale, toldCount, conflicts, exposures } = flags;
  sink.put("tidegate_flags", flagCount);
  sink.put("tidegate_flags_for_clients", clientFlagCount);
  sink.put("tidegate_flags_age_seconds", ageMs / 1000);
  sink.put("tidegate_flags_stale", Number(isStale));
  sink.put("tidegate_flags_conflicts", conflicts.length);
  sink.put("tidegate_flags_told_total", toldCount);
  sink.putEach("tidegate_flag_decisions_total", flags.decisions);
  for (const { key, variant, count } of exposures.slice(0, EXPOSED_VARIANT_COUNT_MAX)) {
    sink.put("tidegate_flag_exposures_total", count, { flag: key, variant });
  }
  const rest = exposures.slice(EXPOSED_VARIANT_COUNT_MAX);
  if (rest.length === 0) return;
  const sum = rest.reduce((total, { count }) => total + count, 0);
  sink.put("tidegate_flag_exposures_total", sum, { flag: "_other", variant: "_other" });
}
