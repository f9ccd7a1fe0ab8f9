/**
 * Compares figures with the targets of bench/targets.json, the one reviewed list of them.
 */
import { readFileSync } from "node:fs";
import type { BenchReport } from "./report.ts";

/** One bound: a measure that must not pass `max`, or must reach `min`. */
export interface Target {
  readonly name: string;
  readonly max?: number;
  readonly min?: number;
  /** Unit of measure and bound. */
  readonly unit: string;
  /** Why this bound. */
  readonly reason: string;
}

export interface Verdict {
  readonly name: string;
  readonly measured: number;
  /** "≤ 1.3 ×" or "≥ 20000 /s". */
  readonly bound: string;
  readonly isMet: boolean;
}

export function readTargets(): readonly Target[] {
  const text = readFileSync(new URL("targets.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { targets: Target[] }).targets;
}

/**
 * Judges the medians of a report by the targets that name its measures.
 *
 * A target of this bench (names begin with "<bench>/") without a measure is skipped: `--only` left
 * it out. Medians, because single runs on a shared machine are noise.
 */
export function judge(report: BenchReport, targets: readonly Target[]): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  for (const target of targets) {
    const measure = report.measures[target.name];
    if (measure === undefined) continue;
    const value = measure.median;
    const isMet =
      (target.max === undefined || value <= target.max) &&
      (target.min === undefined || value >= target.min);
    const bound =
      target.max === undefined
        ? `≥ ${target.min} ${target.unit}`
        : `≤ ${target.max} ${target.unit}`;
    verdicts.push({ name: target.name, measured: value, bound, isMet });
  }
  return verdicts;
}
