/**
 * Scale advice as metrics, for autoscalers.
 */
import {
  type PartUtilisation,
  type ScaleAdvice,
  ScaleMeasure,
} from "../../proto/gen/tidegate/control/v1/fleet.ts";
import type { MetricName } from "../../telemetry/metrics/catalogue.ts";
import type { MetricSink } from "../../telemetry/metrics/registry.ts";

const labels: Readonly<Record<number, string>> = {
  [ScaleMeasure.CONNECTIONS]: "connections",
  [ScaleMeasure.CPU]: "cpu",
  [ScaleMeasure.LOOP_DELAY]: "loop_delay",
  [ScaleMeasure.BUS_LAG]: "bus_lag",
  [ScaleMeasure.BYTES]: "bytes",
};

/** Writes it. */
export function collectScale(sink: MetricSink, advice: ScaleAdvice): void {
  const { trigger, gateways, shards, gatewayParts, shardParts } = advice;
  sink.put("tidegate_scale_trigger", trigger);
  for (const [what, target] of [["gateways", gateways] as const, ["shards", shards] as const]) {
    sink.put(`tidegate_${what}`, target?.count ?? 0);
    sink.put(`tidegate_${what}_wanted`, target?.wantedCount ?? 0);
    sink.put(`tidegate_${what}_utilisation`, target?.utilisation ?? 0);
  }
  putParts(sink, "tidegate_gateway_utilisation", gatewayParts);
  putParts(sink, "tidegate_shard_utilisation", shardParts);
}

function putParts(sink: MetricSink, name: MetricName, parts: readonly PartUtilisation[]): void {
  for (const { name: part, measures } of parts) {
    for (const { measure, value } of measures) {
      sink.put(name, value, { name: part, measure: labels[measure] ?? String(measure) });
    }
  }
}
