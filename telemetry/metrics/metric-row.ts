/**
 * What a row of the catalogue says of one metric family.
 *
 * Pure.
 */

/** A counter begins at 0 with its process and only grows. */
export type MetricType = "counter" | "gauge" | "histogram";

/** One family. Its key in the catalogue is its name, which ends in the unit. */
export interface MetricRow {
  readonly type: MetricType;
  /** One sentence, as `# HELP` and docs/metrics.md have it. */
  readonly help: string;
  /** Names of its labels, whose values are few and known: never a room, user or connection. */
  readonly labels: readonly string[];
}

/** A row of a counter. Its name ends in `_total`. */
export function counter(help: string, ...labels: readonly string[]): MetricRow {
  return { type: "counter", help, labels };
}

/** A row of a gauge. */
export function gauge(help: string, ...labels: readonly string[]): MetricRow {
  return { type: "gauge", help, labels };
}

/** A row of a histogram: its series end in `_bucket`, `_sum` and `_count`. */
export function histogram(help: string, ...labels: readonly string[]): MetricRow {
  return { type: "histogram", help, labels };
}
