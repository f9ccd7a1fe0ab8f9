/**
 * What /metrics tells of flags: Prometheus's text format, version 0.0.4.
 *
 * Pure.
 */
import type { FlagStatus } from "./client-flags.ts";
import type { VariantCount } from "./exposures.ts";

/** The text; empty while no flag is there. */
export function flagMetrics(
  { flagCount, clientFlagCount, isStale, toldCount, conflicts }: FlagStatus,
  ageMs: number,
  exposures: readonly VariantCount[],
): string {
  if (flagCount === 0 && exposures.length === 0) return "";
  const age = Math.round(ageMs) / 1000;
  const shown = exposures.map(({ key, variant, count }) => {
    return `{flag=${JSON.stringify(key)},variant=${JSON.stringify(variant)}} ${count}`;
  });
  return [
    ...metric("tidegate_flags", "gauge", "Flags in force.", [` ${flagCount}`]),
    ...metric("tidegate_flags_for_clients", "gauge", "Flags that clients are told of.", [
      ` ${clientFlagCount}`,
    ]),
    ...metric("tidegate_flags_age_seconds", "gauge", "How long ago flags were the newest.", [
      ` ${age}`,
    ]),
    ...metric("tidegate_flags_stale", "gauge", "1 while flags may be old.", [
      ` ${Number(isStale)}`,
    ]),
    ...metric("tidegate_flags_conflicts", "gauge", "Flags of two sets that contradict.", [
      ` ${conflicts.length}`,
    ]),
    ...metric("tidegate_flags_told_total", "counter", "Live Flags frames.", [` ${toldCount}`]),
    ...metric("tidegate_flag_exposures_total", "counter", "Asks of a variant.", shown),
    "",
  ].join("\n");
}

function metric(name: string, type: string, help: string, values: readonly string[]): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map((value) => name + value),
  ];
}
