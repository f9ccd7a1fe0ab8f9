/**
 * The telemetry of one process: made at once, exporting only after it listens.
 */
import type { MetricSource } from "./metrics/metric-export.ts";
import type { PushLog } from "./otlp-push.ts";
import type { Telemetry } from "./telemetry.ts";
import type { SpanRecorder } from "./tracing/recorder.ts";
import { NO_TRACER, RecordingTracer, type Tracer } from "./tracing/tracer.ts";

/** What the options say. */
export interface TelemetryOptions {
  /** Share of new traces that are recorded, 0 to 1. */
  readonly traceRatio: number;
  /** Spans kept in memory for `tidegatectl trace`; 0 switches tracing off unless it is exported. */
  readonly traceRing: number;
  /** Where spans and metrics go by OTLP over gRPC, http://host:port; empty: nowhere. */
  readonly endpoint: string;
  /** From one push of metrics to the next. */
  readonly metricIntervalMs: number;
  /** service.name of what is exported. */
  readonly serviceName: string;
}

/** Who exports. */
export interface ProcessFacts {
  /** Id of the process among all. */
  readonly id: string;
  readonly version: string;
  readonly region: string;
}

export class ProcessTelemetry implements Telemetry {
  readonly tracer: Tracer;
  readonly #recorder: SpanRecorder | null;
  readonly #options: TelemetryOptions;
  #close: () => Promise<void> = async () => {};

  constructor(options: TelemetryOptions) {
    const { traceRatio: ratio, traceRing: ringCountMax, endpoint } = options;
    this.#options = options;
    const isOn = ringCountMax > 0 || endpoint !== "";
    const tracer = isOn ? new RecordingTracer({ ratio, ringCountMax }) : null;
    this.tracer = tracer ?? NO_TRACER;
    this.#recorder = tracer?.recorder ?? null;
  }

  /** Loads OpenTelemetry's exporter, some 150 ms, where an endpoint is set; once it listens. */
  async startExport(
    { id, version, region }: ProcessFacts,
    openMetrics: () => Promise<MetricSource>,
    log: PushLog,
  ): Promise<void> {
    const { endpoint, serviceName, metricIntervalMs: intervalMs } = this.#options;
    const recorder = this.#recorder;
    if (endpoint === "" || recorder === null) return;
    recorder.beginExport();
    const [{ SpanExport }, { MetricExport }] = await Promise.all([
      import("./tracing/span-export.ts"),
      import("./metrics/metric-export.ts"),
    ]);
    const resource = {
      "service.name": serviceName,
      "service.instance.id": id,
      "service.version": version,
      ...(region === "" ? {} : { "cloud.region": region }),
    };
    const spans = new SpanExport(recorder, { endpoint, resource }, log);
    const pushes = new MetricExport(await openMetrics(), { endpoint, resource, intervalMs }, log);
    this.#close = async () => void (await Promise.all([spans.close(), pushes.close()]));
  }

  /** Sends what waits, for at most 2 s. */
  close(): Promise<void> {
    return this.#close();
  }
}
