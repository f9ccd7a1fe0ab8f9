/**
 * Families as OpenTelemetry's exporters take them.
 *
 * Histograms are exponential there, of the scale that they are counted in; all sums are cumulative,
 * since the start of the process. Names and units are those of /metrics.
 */
import { ValueType } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { HISTOGRAM_OFFSET, HISTOGRAM_SCALE, Histogram } from "./histogram.ts";
import type { Family, Sample } from "./registry.ts";

/** A time as seconds and nanoseconds. */
type HrTime = [number, number];

/** When counting began, and when this was read, Unix ms. */
export interface MetricSpan {
  readonly startMs: number;
  readonly nowMs: number;
}

/** All of one reading. */
export function toResourceMetrics(
  families: readonly Family[],
  resource: Resource,
  span: MetricSpan,
): ResourceMetrics {
  const metrics = families.map((family) => toMetricData(family, span));
  return { resource, scopeMetrics: [{ scope: { name: "tidegate" }, metrics }] };
}

function toMetricData({ name, row, samples }: Family, span: MetricSpan): MetricData {
  const units: Readonly<Record<string, string>> = { seconds: "s", bytes: "By" };
  const [unit = ""] = name
    .replace(/_total$/, "")
    .split("_")
    .slice(-1);
  const base = {
    descriptor: {
      name,
      description: row.help,
      unit: units[unit] ?? "",
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  const numbers = () => samples.map((sample) => toPoint(sample, span, Number));
  switch (row.type) {
    case "counter":
      return {
        ...base,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: numbers(),
      };
    case "gauge":
      return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: numbers() };
    case "histogram":
      return {
        ...base,
        dataPointType: DataPointType.EXPONENTIAL_HISTOGRAM,
        dataPoints: samples.map((sample) => toPoint(sample, span, toExponential)),
      };
    default:
      return row.type satisfies never;
  }
}

function toPoint<Value>(
  { labels, value }: Sample,
  { startMs, nowMs }: MetricSpan,
  convert: (value: Sample["value"]) => Value,
): DataPoint<Value> {
  const times = { startTime: toHrTime(startMs), endTime: toHrTime(nowMs) };
  return { ...times, attributes: { ...labels }, value: convert(value) };
}

function toExponential(value: Sample["value"]) {
  const histogram = value instanceof Histogram ? value : new Histogram();
  const { count, sumS, counts } = histogram;
  return {
    ...{ count, sum: sumS, scale: HISTOGRAM_SCALE, zeroCount: 0 },
    positive: { offset: HISTOGRAM_OFFSET, bucketCounts: [...counts] },
    negative: { offset: 0, bucketCounts: [] },
  };
}

function toHrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
}
