/**
 * A panel of the dashboard, as its lists have it: what it shows, in which unit, by which queries.
 *
 * Pure. to-grafana.ts makes Grafana's JSON of it. In queries `$job` is the fleet, `$gateway` one
 * process of it and `$class` room classes, which the reader picks; `$__rate_interval` is Grafana's.
 */

/** Units by their names in Grafana. */
export const UNITS = {
  count: "short",
  perSecond: "ops",
  messagesPerSecond: "mps",
  seconds: "s",
  bytes: "bytes",
  bytesPerSecond: "Bps",
  /** 1 is shown as 100 %. */
  ratio: "percentunit",
} as const;
/** A key of {@link UNITS}. */
export type Unit = keyof typeof UNITS;

/** A PromQL expression, and what each of its lines is called: `{{label}}` is the label's value. */
export type Query = readonly [expression: string, legend: string];

/** One panel. */
export interface Panel {
  readonly title: string;
  /** One sentence: what is seen, and what is normal. */
  readonly about: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** "number": the newest value alone, small; default "lines". */
  readonly kind?: "number" | "lines";
  /** A line across, from which on an alert fires. */
  readonly alertFrom?: number;
  /** Whether dots lead to traces; of histograms. */
  readonly hasExemplars?: boolean;
}

/** Panels under one heading. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** The 50th and 99th percentile of a histogram, by further labels. */
export function percentiles(name: string, selector: string, ...by: readonly string[]): Query[] {
  const labels = ["le", ...by].join(", ");
  const suffix = by.map((label) => ` {{${label}}}`).join("");
  return [0.5, 0.99].map((part): Query => {
    const rates = `sum by (${labels}) (rate(${name}_bucket{${selector}}[$__rate_interval]))`;
    return [`histogram_quantile(${part}, ${rates})`, `p${part * 100}${suffix}`];
  });
}

/** The rate of a counter, summed up by labels; without any: of all. */
export function rateBy(name: string, selector: string, ...by: readonly string[]): string {
  const labels = by.length === 0 ? "" : ` by (${by.join(", ")})`;
  return `sum${labels} (rate(${name}{${selector}}[$__rate_interval]))`;
}
