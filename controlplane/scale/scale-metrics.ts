/**
 * Scale advice as an autoscaler reads it: Prometheus's text format, version 0.0.4.
 *
 * Pure.
 */
import {
  type PartUtilisation,
  type ScaleAdvice,
  ScaleMeasure,
} from "../../proto/gen/tidegate/control/v1/fleet.ts";
import type { MetricName } from "../../telemetry/metrics/catalogue.ts";

const labels: Readonly<Record<number, string>> = {
  [ScaleMeasure.CONNECTIONS]: "connections",
  [ScaleMeasure.CPU]: "cpu",
  [ScaleMeasure.LOOP_DELAY]: "loop_delay",
  [ScaleMeasure.BUS_LAG]: "bus_lag",
  [ScaleMeasure.BYTES]: "bytes",
};

/** The text of /metrics. */
export function scaleMetrics(advice: ScaleAdvice): string {
  const { trigger, gateways, shards, gatewayParts, shardParts } = advice;
  const counts = [
    ["gateways", gateways],
    ["shards", shards],
  ] as const;
  return [
    ...metric("tidegate_scale_trigger", "Utilisation above which more is advised.", [
      ["", trigger],
    ]),
    ...counts.flatMap(([what, target]) => [
      ...metric(`tidegate_${what}`, `Number of ${what} that are measured.`, [
        ["", target?.count ?? 0],
      ]),
      ...metric(`tidegate_${what}_wanted`, `Number of ${what} that there should be.`, [
        ["", target?.wantedCount ?? 0],
      ]),
      ...metric(`tidegate_${what}_utilisation`, "Mean of the highest measure, 1 at the limit.", [
        ["", target?.utilisation ?? 0],
      ]),
    ]),
    ...metric("tidegate_gateway_utilisation", "By gateway and measure.", rows(gatewayParts)),
    ...metric("tidegate_shard_utilisation", "By shard and measure.", rows(shardParts)),
    "",
  ].join("\n");
}

function rows(parts: readonly PartUtilisation[]): [string, number][] {
  return parts.flatMap(({ name, measures }) =>
    measures.map(({ measure, value }): [string, number] => {
      return [`{name="${name}",measure="${labels[measure] ?? measure}"}`, value];
    }),
  );
}

function metric(name: MetricName, help: string, values: readonly (readonly [string, number])[]) {
  const lines = values.map(([label, value]) => `${name}${label} ${rounded(value)}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines];
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
