/** Metrics as text. */
import { expect, test } from "vitest";
import { Histogram } from "../../../telemetry/metrics/histogram.ts";
import { SERIES_COUNT_MAX } from "../../../telemetry/metrics/registry.ts";
import { decideMetricFormat } from "../../../telemetry/metrics/render.ts";
import { metricsText } from "../metrics-text.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const times = new Histogram();
for (const valueS of [0.3, 0.4, 100]) times.record(valueS);
times.exemplify(0.4, traceId, 1_700_000_000_000);
const told = [
  (sink: Parameters<Parameters<typeof metricsText>[0][0]>[0]) => {
    sink.put("tidegate_connections", 3);
    sink.put("tidegate_shed_total", 2, { what: 'a"b\\c\nd' });
    sink.put("tidegate_connection_latency_seconds", times);
  },
];

test("Prometheus: families with help and type, labels escaped, buckets that add up", async () => {
  const text = await metricsText(told);
  expect(text).toContain("# TYPE tidegate_shed_total counter\n");
  expect(text).toContain('tidegate_shed_total{gateway="test",what="a\\"b\\\\c\\nd"} 2\n');
  const name = "tidegate_connection_latency_seconds";
  expect(text).toContain(`${name}_bucket{gateway="test",le="0.25"} 0\n`);
  expect(text).toContain(`${name}_bucket{gateway="test",le="0.353553"} 1\n`);
  expect(text).toContain(`${name}_bucket{gateway="test",le="0.5"} 2\n`);
  expect(text).toContain(`${name}_bucket{gateway="test",le="+Inf"} 3\n`);
  expect(text).toContain(`${name}_count{gateway="test"} 3\n`);
  expect(text).not.toContain(traceId);
});

test("OpenMetrics: counters named without _total, units, an exemplar in its bucket, an end", async () => {
  const text = await metricsText(told, "openmetrics");
  expect(text).toContain("# TYPE tidegate_shed counter\n");
  expect(text).toContain("\ntidegate_shed_total{");
  expect(text).toContain("# UNIT tidegate_connection_latency_seconds seconds\n");
  expect(text).toContain(`le="0.5"} 2 # {trace_id="${traceId}"} 0.4 1700000000\n`);
  expect(text.endsWith("# EOF\n")).toBe(true);
});

test("the format is the one that is accepted", () => {
  expect(decideMetricFormat("application/openmetrics-text;version=1.0.0;q=0.5")).toBe(
    "openmetrics",
  );
  expect(decideMetricFormat("text/plain;version=0.0.4")).toBe("prometheus");
  expect(decideMetricFormat(undefined)).toBe("prometheus");
});

test("registry: a family has a bound of series, and what is beyond it is counted", async () => {
  const text = await metricsText([
    (sink) => {
      for (let i = 0; i < SERIES_COUNT_MAX + 7; i += 1) {
        sink.put("tidegate_shed_total", i, { what: String(i) });
      }
    },
  ]);
  expect(text.match(/^tidegate_shed_total/gm)).toHaveLength(SERIES_COUNT_MAX);
  expect(text).toContain('tidegate_metrics_series_dropped_total{gateway="test"} 7\n');
});
