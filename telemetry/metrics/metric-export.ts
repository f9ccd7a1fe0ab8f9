/**
 * Push of metrics by OTLP over gRPC, every so often.
 *
 * One push is under way at a time, and what it says is read when it begins: an endpoint that is
 * away, slow or refuses costs a counter, nothing waits and nothing is kept for it. OpenTelemetry's
 * exporter is imported here, when this file is: after listen, where an endpoint is configured.
 */
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { toResourceMetrics } from "./otlp-metrics.ts";
import type { Family } from "./registry.ts";

/** A push without an answer is given up after this, ms, its tries together. */
const REQUEST_MS_MAX = 5000;
/** At the end the last numbers are pushed within this, ms. */
const CLOSE_MS_MAX = 2000;

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

/** What is told to operators. */
export interface MetricExportLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** See the file's header. */
export class MetricExport {
  readonly #source: MetricSource;
  readonly #options: MetricExportOptions;
  readonly #log: MetricExportLog;
  readonly #exporter: OTLPMetricExporter;
  readonly #startMs = Math.round(performance.timeOrigin);
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | null = null;
  #isFailing = false;

  constructor(source: MetricSource, options: MetricExportOptions, log: MetricExportLog) {
    const { endpoint: url, intervalMs } = options;
    this.#source = source;
    this.#options = options;
    this.#log = log;
    this.#exporter = new OTLPMetricExporter({ url, timeoutMillis: REQUEST_MS_MAX });
    this.#timer = setInterval(() => this.#begin(), intervalMs).unref();
  }

  /** Pushes the last numbers, for at most CLOSE_MS_MAX, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS_MAX).unref());
    const rest = async () => {
      await this.#running;
      this.#begin();
      await this.#running;
    };
    await Promise.race([rest(), late]);
    // It waits for what is under way, which may be seconds: nobody has to.
    this.#exporter.shutdown().catch(() => {});
  }

  #begin(): void {
    if (this.#running !== null) return;
    this.#running = this.#push()
      .catch((error: unknown) => this.#settle(error))
      .finally(() => {
        this.#running = null;
      });
  }

  async #push(): Promise<void> {
    const families = await this.#source.read();
    const resource = resourceFromAttributes({ ...this.#options.resource });
    const span = { startMs: this.#startMs, nowMs: Date.now() };
    const metrics = toResourceMetrics(families, resource, span);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#exporter.export(metrics, ({ code, error }) => {
      resolve(code === 0 ? null : (error ?? new Error("the endpoint did not say why")));
    });
    this.#settle(await promise);
  }

  /** Counts, and tells once when it begins to fail and once when it is over. */
  #settle(error: unknown): void {
    const isFailing = error !== null;
    this.#source.pushes[isFailing ? "failed" : "ok"] += 1;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    const { endpoint } = this.#options;
    if (isFailing) this.#log.warn({ endpoint, error }, "metrics are not taken by OTLP");
    else this.#log.info({ endpoint }, "metrics are taken by OTLP again");
  }
}
