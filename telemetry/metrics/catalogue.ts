/**
 * Every metric, by name: what is exported, and what docs/metrics.md lists.
 *
 * Pure. Names are `tidegate_<what>_<unit>[_total]` in base units (seconds, bytes) and do not
 * change; labels have few values, so that the number of series is bounded whatever clients do.
 */
import { BUS_METRICS } from "./bus-metrics.ts";
import { CONTROL_METRICS } from "./control-metrics.ts";
import { GATEWAY_METRICS } from "./gateway-metrics.ts";
import type { MetricRow } from "./metric-row.ts";
import { PROCESS_METRICS } from "./process-metrics.ts";

const all = { ...GATEWAY_METRICS, ...BUS_METRICS, ...CONTROL_METRICS, ...PROCESS_METRICS };

/** A name of the catalogue. */
export type MetricName = keyof typeof all;

/** Name to row, of all processes. */
export const CATALOGUE: Readonly<Record<MetricName, MetricRow>> = all;
