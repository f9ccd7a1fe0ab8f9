/**
 * What each process exports of itself.
 *
 * Pure.
 */
import { counter, gauge, type MetricRow } from "./metric-row.ts";

/** Name to row. */
export const PROCESS_METRICS = {
  tidegate_build_info: gauge("1; its labels say what runs.", "version", "node"),
  tidegate_process_start_time_seconds: gauge("Start of the process, Unix time."),
  tidegate_process_cpu_seconds_total: counter("CPU time: user or system.", "mode"),
  tidegate_process_resident_memory_bytes: gauge("Memory that the process occupies."),
  tidegate_memory_max_bytes: gauge("Memory that the process may occupy."),
  tidegate_process_heap_used_bytes: gauge("JavaScript heap in use."),
  tidegate_process_external_memory_bytes: gauge("Memory of buffers outside the heap."),
  tidegate_event_loop_delay_seconds: gauge(
    "What timers are late since the last scrape: p50, p99 or max.",
    "statistic",
  ),
  tidegate_event_loop_utilization_ratio: gauge(
    "Part of the time that the event loop was busy since the last scrape.",
  ),
  tidegate_spans_total: counter("Spans that were recorded."),
  tidegate_spans_dropped_total: counter(
    "Spans that were not exported: queue_full, export_failed, suppressed.",
    "reason",
  ),
  tidegate_log_lines_total: counter("Log lines that were asked for, by level.", "level"),
  tidegate_log_lines_collapsed_total: counter("Log lines that a flood's one line stands for."),
  tidegate_metrics_exported_total: counter("Pushes of metrics by OTLP: ok or failed.", "outcome"),
  tidegate_metrics_series_dropped_total: counter(
    "Series that were left out, since their family has too many.",
  ),
} as const satisfies Readonly<Record<string, MetricRow>>;
