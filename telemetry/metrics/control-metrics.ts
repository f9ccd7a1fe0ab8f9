/**
 * What a control plane exports.
 *
 * Pure. `name` is of a gateway or shard, which are few.
 */
import { counter, gauge, histogram, type MetricRow } from "./metric-row.ts";

/** Name to row. */
export const CONTROL_METRICS = {
  tidegate_scale_trigger: gauge("Utilisation above which more is advised."),
  tidegate_gateways: gauge("Number of gateways that are measured."),
  tidegate_gateways_wanted: gauge("Number of gateways that there should be."),
  tidegate_gateways_utilisation: gauge("Mean of the highest measure, 1 at the limit."),
  tidegate_shards: gauge("Number of shards that are measured."),
  tidegate_shards_wanted: gauge("Number of shards that there should be."),
  tidegate_shards_utilisation: gauge("Mean of the highest measure, 1 at the limit."),
  tidegate_gateway_utilisation: gauge("By gateway and measure.", "name", "measure"),
  tidegate_shard_utilisation: gauge("By shard and measure.", "name", "measure"),
  tidegate_stream_messages: gauge("Messages that a shard stores.", "shard"),
  tidegate_stream_bytes: gauge("Bytes that a shard stores.", "shard"),
  tidegate_stream_bytes_max: gauge("Bytes that a shard may store.", "shard"),
  tidegate_control_calls_total: counter("gRPC calls by method and status.", "method", "status"),
  tidegate_control_call_seconds: histogram("What a gRPC call takes; not of streams."),
  tidegate_control_calls: gauge("gRPC calls in progress, and open streams."),
  tidegate_control_leader: gauge("1: this control plane does the background work."),
  tidegate_control_read_failures_total: counter(
    "Times that fleet or shards could not be read; their metrics were left out.",
  ),
  tidegate_control_watchers: gauge("Gateways that follow the configuration here."),
  tidegate_operations: gauge("Operations under way by kind.", "kind"),
  tidegate_operation_oldest_seconds: gauge(
    "Age of the oldest operation under way; 0 without one.",
    "kind",
  ),
  tidegate_operation_stalled_seconds: gauge(
    "How long ago an operation under way last went on, the worst.",
    "kind",
  ),
} as const satisfies Readonly<Record<string, MetricRow>>;
