/**
 * Push of metrics by OTLP over gRPC, every so often.
 *
 * One push is under way at a time, and what it says is read when it begins: an endpoint that is
 * away, slow or refuses costs a counter, nothing waits and nothing is kept for it. OpenTelemetry's
 * exporter is imported here, when this file is: after listen, where an endpoint is configured.
 */
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { handOver, OtlpPush, type PushLog, REQUEST_MS_MAX } from "../otlp-push.ts";
import { toResourceMetrics } from "./otlp-metrics.ts";
import type { Family } from "./registry.ts";

/** Where metrics go. */
export interface MetricExportOptions {
  /** http://host:port, or https. */
  readonly endpoint: string;
  /** Of the process: service.name, service.instance.id and so on. */
  readonly resource: Readonly<Record<string, string>>;
  /** From one push to the next. */
  readonly intervalMs: number;
}

/** What is pushed, and what is counted of it. */
export interface MetricSource {
  /** One reading. */
  read(): Promise<readonly Family[]>;
  /** Pushes that were taken, and that were not. */
  readonly pushes: { ok: number; failed: number };
}

/** See the file's header. */
export class MetricExport {
  readonly #source: MetricSource;
  readonly #resource: ReturnType<typeof resourceFromAttributes>;
  readonly #exporter: OTLPMetricExporter;
  readonly #startMs = Math.round(performance.timeOrigin);
  readonly #push: OtlpPush;

  constructor(source: MetricSource, options: MetricExportOptions, log: PushLog) {
    const { endpoint, intervalMs: everyMs, resource } = options;
    this.#source = source;
    this.#resource = resourceFromAttributes({ ...resource });
    this.#exporter = new OTLPMetricExporter({ url: endpoint, timeoutMillis: REQUEST_MS_MAX });
    const work = {
      ...{ endpoint, everyMs },
      texts: { failing: "metrics are not taken by OTLP", again: "metrics are taken by OTLP again" },
      push: () => this.#run(),
      shutdown: () => this.#exporter.shutdown(),
    };
    this.#push = new OtlpPush(work, log);
  }

  /** Pushes the last numbers, for at most 2 s, and ends. */
  close(): Promise<void> {
    return this.#push.close();
  }

  async #run(): Promise<void> {
    const error = await this.#pushOnce().catch((reason: unknown) => reason);
    this.#source.pushes[error === null ? "ok" : "failed"] += 1;
    this.#push.tell(error === null ? null : { error });
  }

  /** @returns why it was not taken. */
  async #pushOnce(): Promise<Error | null> {
    const families = await this.#source.read();
    const span = { startMs: this.#startMs, nowMs: Date.now() };
    return handOver(this.#exporter, toResourceMetrics(families, this.#resource, span));
  }
}
