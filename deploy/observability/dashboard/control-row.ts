/**
 * The dashboard's row of the control plane, and of the configuration as gateways have it.
 *
 * Pure.
 */
import { percentiles, type Row, rateBy } from "./panel.ts";

const job = 'job="$job"';

/** The control plane. */
export const CONTROL_ROW: Row = {
  title: "Control plane",
  panels: [
    {
      title: "Calls by status",
      about: "Calls by gRPC that were answered.",
      unit: "perSecond",
      queries: [[rateBy("tidegate_control_calls_total", job, "status"), "{{status}}"]],
    },
    {
      title: "Call latency",
      about: "What a gRPC call takes; streams are not counted.",
      unit: "seconds",
      queries: percentiles("tidegate_control_call_seconds", job),
    },
    {
      title: "Leader, followers, calls under way",
      about: "One control plane does the background work; gateways follow any of them.",
      unit: "count",
      queries: [
        [`tidegate_control_leader{${job}}`, "leads, {{gateway}}"],
        [`tidegate_control_watchers{${job}}`, "followers, {{gateway}}"],
        [`tidegate_control_calls{${job}}`, "calls, {{gateway}}"],
      ],
    },
    {
      title: "Operations",
      about: "Under way, by kind, and how long the worst has not gone on.",
      unit: "count",
      queries: [[`max by (kind) (tidegate_operations{${job}})`, "{{kind}}"]],
    },
    {
      title: "Operations, how long",
      about: "Age of the oldest, and how long ago one last went on.",
      unit: "seconds",
      alertFrom: 120,
      queries: [
        [`max by (kind) (tidegate_operation_oldest_seconds{${job}})`, "oldest {{kind}}"],
        [`max by (kind) (tidegate_operation_stalled_seconds{${job}})`, "{{kind}} stands still"],
      ],
    },
    {
      title: "Age of the configuration",
      about: "How long ago each gateway knew it to be the newest, normally below 10 s.",
      unit: "seconds",
      alertFrom: 60,
      queries: [[`tidegate_config_age_seconds{${job}}`, "{{gateway}}"]],
    },
    {
      title: "Gateways and shards, and how many there should be",
      about: "The advice of `tidegatectl fleet`.",
      unit: "count",
      queries: [
        [`max(tidegate_gateways{${job}})`, "gateways"],
        [`max(tidegate_gateways_wanted{${job}})`, "gateways wanted"],
        [`max(tidegate_shards{${job}})`, "shards"],
        [`max(tidegate_shards_wanted{${job}})`, "shards wanted"],
      ],
    },
    {
      title: "Utilisation",
      about: "Of each gateway, by its highest measure; 1 is the limit.",
      unit: "ratio",
      alertFrom: 0.8,
      queries: [[`max by (name) (tidegate_gateway_utilisation{${job}})`, "{{name}}"]],
    },
    {
      title: "Telemetry that is lost",
      about: "Spans and metrics that were not exported, records that the journal did not take.",
      unit: "perSecond",
      queries: [
        [rateBy("tidegate_spans_dropped_total", job, "reason"), "spans: {{reason}}"],
        [rateBy("tidegate_journal_dropped_total", job, "reason"), "journal: {{reason}}"],
        [
          rateBy("tidegate_metrics_exported_total", `${job}, outcome="failed"`),
          "pushes that failed",
        ],
      ],
    },
  ],
};
