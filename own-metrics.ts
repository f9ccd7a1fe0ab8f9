/**
 * The metrics of this process: one registry of what its parts tell.
 */
import type { Bus } from "./bus/bus.ts";
import { collectBus } from "./bus/collect-bus.ts";
import type { LogCounters } from "./telemetry/logs/process-log.ts";
import { memoryBytesMax } from "./telemetry/memory-bytes.ts";
import { ProcessCollector } from "./telemetry/metrics/collect-process.ts";
import type { MetricSource } from "./telemetry/metrics/metric-export.ts";
import { type CollectMetrics, MetricRegistry } from "./telemetry/metrics/registry.ts";
import { type MetricFormat, renderMetrics } from "./telemetry/metrics/render.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";

/** A part that tells. */
interface Teller {
  readonly collect: CollectMetrics;
}

/** What tells. */
export interface OwnMetricParts {
  /** Id of the process: the label of every series. */
  readonly id: string;
  readonly bus: Bus;
  readonly telemetry: Telemetry;
  /** Of Tidegate. */
  readonly version: string;
  /** What the process may use, MiB; 0: what its cgroup or the machine has. */
  readonly memoryMibMax: number;
  readonly log: { readonly counters: LogCounters };
  /** The gateway and the control plane of this process; null for none. */
  readonly tellers: readonly (Teller | null)[];
}

/** The metrics of a process. */
export interface OwnMetrics extends MetricSource {
  /** Of /metrics. Rejects while a part can not tell. */
  text(format: MetricFormat): Promise<string>;
}

/** Asks nobody before it is asked. */
export function openMetrics(parts: OwnMetricParts): OwnMetrics {
  const { id, bus, telemetry, log, tellers, version, memoryMibMax } = parts;
  const registry = new MetricRegistry({ gateway: id });
  const pushes = { ok: 0, failed: 0 };
  for (const teller of tellers) if (teller !== null) registry.add((sink) => teller.collect(sink));
  registry.add((sink) => collectBus(sink, bus.status(), bus.journal.counters()));
  const own = new ProcessCollector({ version, memoryBytesMax: memoryBytesMax(memoryMibMax) });
  registry.add((sink) => own.collect(sink));
  registry.add((sink) => {
    const { recorded, queueFull, exportFailed, suppressed } = telemetry.tracer.counters();
    sink.put("tidegate_spans_total", recorded);
    const dropped = { queue_full: queueFull, export_failed: exportFailed, suppressed };
    sink.putEach("tidegate_spans_dropped_total", dropped);
    sink.putEach("tidegate_metrics_exported_total", pushes);
    sink.putEach("tidegate_log_lines_total", { ...log.counters.lines });
    sink.put("tidegate_log_lines_collapsed_total", log.counters.collapsed);
  });
  return {
    pushes,
    read: () => registry.read(),
    text: async (format) => renderMetrics(await registry.read(), format),
  };
}
