/**
 * Metrics as text: Prometheus's format 0.0.4, or OpenMetrics 1.0 with exemplars.
 *
 * Pure. Histograms have the classic form in both; OTLP has them as they are.
 */
import { type Exemplar, HISTOGRAM_BOUNDS_S, type Histogram } from "./histogram.ts";
import type { Family, Labels, Sample } from "./registry.ts";

/** A format that /metrics speaks. */
export type MetricFormat = "prometheus" | "openmetrics";

/** Content-Type of each format. */
export const METRIC_CONTENT_TYPES: Readonly<Record<MetricFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The format for a request: OpenMetrics to who says that he reads it. */
export function decideMetricFormat(accept = ""): MetricFormat {
  return accept.includes("application/openmetrics-text") ? "openmetrics" : "prometheus";
}

/** The last line of OpenMetrics. */
export const OPENMETRICS_END = "# EOF";

const boundTexts = HISTOGRAM_BOUNDS_S.map((bound) => String(Number(bound.toPrecision(6))));

/** The text of families of one process. */
export function renderMetrics(families: readonly Family[], format: MetricFormat): string {
  const lines = families.flatMap((family) => familyLines(family, format));
  if (format === "openmetrics") lines.push(OPENMETRICS_END);
  return `${lines.join("\n")}\n`;
}

function familyLines({ name, row, samples }: Family, format: MetricFormat): string[] {
  const { type, help } = row;
  const isOpen = format === "openmetrics";
  // OpenMetrics names a counter's family without the suffix of its samples.
  const family = isOpen && type === "counter" ? name.slice(0, -"_total".length) : name;
  const unit = isOpen ? /_(seconds|bytes)$/.exec(family)?.[1] : undefined;
  return [
    `# HELP ${family} ${escapeText(help, isOpen)}`,
    `# TYPE ${family} ${type}`,
    ...(unit === undefined ? [] : [`# UNIT ${family} ${unit}`]),
    ...samples.flatMap((sample) => sampleLines(name, sample, isOpen)),
  ];
}

function sampleLines(name: string, { labels, value }: Sample, isOpen: boolean): string[] {
  const text = labelText(labels);
  if (typeof value === "number") return [`${name}${text === "" ? "" : `{${text}}`} ${value}`];
  return histogramLines(name, text, value, isOpen);
}

function histogramLines(
  name: string,
  labels: string,
  { counts, exemplars, count, sumS }: Histogram,
  isOpen: boolean,
): string[] {
  const before = labels === "" ? "" : `${labels},`;
  const lines: string[] = [];
  let sum = 0;
  for (const [i, each] of counts.entries()) {
    sum += each;
    const exemplar = isOpen ? exemplars.get(i) : undefined;
    const end = exemplar === undefined ? "" : exemplarText(exemplar);
    lines.push(`${name}_bucket{${before}le="${boundTexts[i] ?? "+Inf"}"} ${sum}${end}`);
  }
  const own = labels === "" ? "" : `{${labels}}`;
  return [...lines, `${name}_sum${own} ${sumS}`, `${name}_count${own} ${count}`];
}

function exemplarText({ traceId, valueS, timeMs }: Exemplar): string {
  return ` # {trace_id="${traceId}"} ${valueS} ${timeMs / 1000}`;
}

function labelText(labels: Labels): string {
  let text = "";
  for (const name in labels) {
    text += `${text === "" ? "" : ","}${name}="${escapeText(labels[name] ?? "", true)}"`;
  }
  return text;
}

function escapeText(text: string, isQuoted: boolean): string {
  if (!/[\\\n"]/.test(text)) return text;
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return isQuoted ? escaped.replaceAll('"', '\\"') : escaped;
}
