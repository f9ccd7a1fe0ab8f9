/** Push of metrics by OTLP, to a receiver by OpenTelemetry's own definitions. */
import { Server, ServerCredentials, type sendUnaryData, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { Histogram } from "../../../telemetry/metrics/histogram.ts";
import { MetricExport } from "../../../telemetry/metrics/metric-export.ts";
import { MetricRegistry } from "../../../telemetry/metrics/registry.ts";
import {
  type ExportMetricsServiceRequest,
  type ExportMetricsServiceResponse,
  MetricsServiceService,
} from "../gen/opentelemetry/proto/collector/metrics/v1/metrics_service.ts";

/** A receiver that takes or refuses; it hands out each request. */
async function startReceiver(mayTake: () => boolean) {
  const requests: ExportMetricsServiceRequest[] = [];
  const server = new Server();
  server.addService(MetricsServiceService, {
    export: (
      { request }: { request: ExportMetricsServiceRequest },
      answer: sendUnaryData<ExportMetricsServiceResponse>,
    ) => {
      if (!mayTake()) answer({ code: status.PERMISSION_DENIED, details: "none here" });
      else {
        requests.push(request);
        answer(null, { partialSuccess: undefined });
      }
    },
  });
  const credentials = ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  onTestFinished(() => server.forceShutdown());
  return { requests, endpoint: `http://127.0.0.1:${port}` };
}

function source() {
  const registry = new MetricRegistry({ gateway: "gw" });
  const times = new Histogram();
  times.record(0.4);
  times.record(0.5);
  registry.add((sink) => {
    sink.put("tidegate_connections", 7);
    sink.put("tidegate_message_bytes_total", 12, { class: "chat", hop: "fanout" });
    sink.put("tidegate_connection_latency_seconds", times);
  });
  return { pushes: { ok: 0, failed: 0 }, read: () => registry.read() };
}

const silent = { info() {}, warn() {} };
const resource = { "service.name": "tidegate", "service.instance.id": "gw" };

test("OTLP: counters, gauges and exponential histograms arrive with resource, labels and units", async () => {
  const { requests, endpoint } = await startReceiver(() => true);
  const pushed = source();
  const exporting = new MetricExport(pushed, { endpoint, resource, intervalMs: 3_600_000 }, silent);
  await exporting.close(); // pushes the last numbers
  expect(pushed.pushes).toEqual({ ok: 1, failed: 0 });
  const [{ resource: from, scopeMetrics } = { resource: undefined, scopeMetrics: [] }] =
    requests[0]?.resourceMetrics ?? [];
  expect(from?.attributes.map(({ key }) => key)).toEqual(Object.keys(resource));
  const metrics = new Map(scopeMetrics.flatMap(({ metrics: all }) => all.map((m) => [m.name, m])));
  expect(metrics.get("tidegate_connections")?.data).toMatchObject({
    $case: "gauge",
    value: { dataPoints: [{ value: { $case: "asDouble", value: 7 } }] },
  });
  const bytes = metrics.get("tidegate_message_bytes_total");
  expect(bytes?.unit).toBe("By");
  expect(bytes?.data).toMatchObject({ $case: "sum", value: { isMonotonic: true } });
  const latency = metrics.get("tidegate_connection_latency_seconds")?.data;
  expect(latency).toMatchObject({
    $case: "exponentialHistogram",
    value: { dataPoints: [{ count: 2n, scale: 1, sum: 0.9 }] },
  });
  if (latency?.$case !== "exponentialHistogram") throw new Error("no histogram");
  // OpenTelemetry's bucket i holds what is above 2^(i / 2) and at most 2^((i + 1) / 2) seconds.
  const { offset = 0, bucketCounts = [] } = latency.value.dataPoints[0]?.positive ?? {};
  const index = offset + bucketCounts.indexOf(2n);
  expect([2 ** (index / 2) < 0.4, 2 ** ((index + 1) / 2)]).toEqual([true, 0.5]);
});

test("OTLP: an endpoint that refuses or is away is a count, and the end does not wait for it", async () => {
  const { endpoint } = await startReceiver(() => false);
  for (const url of [endpoint, "http://127.0.0.1:1"]) {
    const pushed = source();
    const options = { endpoint: url, resource, intervalMs: 3_600_000 };
    await new MetricExport(pushed, options, silent).close();
    expect(pushed.pushes.ok).toBe(0);
    if (url === endpoint) expect(pushed.pushes.failed).toBe(1);
  }
});
