/**
 * Export of spans by OTLP over gRPC, at the pace of the endpoint and never at our cost.
 *
 * One batch is under way at a time. An endpoint that is away, slow or refuses lets the recorder's
 * queue fill, which drops and counts; the loop waits for nothing, and memory has the queue's bound.
 * OpenTelemetry's exporter is imported here, when this file is: after listen, where configured.
 */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { toReadableSpan } from "./otlp-spans.ts";
import type { SpanRecorder } from "./recorder.ts";

/** Spans of one request: some 1 ms to encode, so that no message waits longer for it. */
export const BATCH_COUNT_MAX = 128;
/** Looked for spans this often, ms. */
const EXPORT_MS = 500;
/** A request without an answer is given up after this, ms, its tries together. */
const REQUEST_MS_MAX = 5000;
/** At the end, what waits is sent within this, ms; the rest is dropped. */
const CLOSE_MS_MAX = 2000;

/** Where spans go. */
export interface SpanExportOptions {
  /** http://host:port, or https. */
  readonly endpoint: string;
  /** Of the process: service.name, service.instance.id and so on. */
  readonly resource: Readonly<Record<string, string>>;
}

/** What is told to operators. */
export interface ExportLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export class SpanExport {
  readonly #recorder: SpanRecorder;
  readonly #exporter: OTLPTraceExporter;
  readonly #resource: ReturnType<typeof resourceFromAttributes>;
  readonly #endpoint: string;
  readonly #log: ExportLog;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | null = null;
  #isFailing = false;

  constructor(recorder: SpanRecorder, { endpoint, resource }: SpanExportOptions, log: ExportLog) {
    this.#recorder = recorder;
    this.#endpoint = endpoint;
    this.#log = log;
    this.#resource = resourceFromAttributes({ ...resource });
    this.#exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis: REQUEST_MS_MAX });
    recorder.beginExport();
    this.#timer = setInterval(() => this.#begin(), EXPORT_MS).unref();
  }

  /** Sends what waits, for at most CLOSE_MS_MAX, and ends. */
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
    if (this.#running !== null || this.#recorder.waitingCount === 0) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Until nothing waits, or the endpoint does not take it. */
  async #run(): Promise<void> {
    for (;;) {
      const spans = this.#recorder.take(BATCH_COUNT_MAX);
      if (spans.length === 0) return;
      const error = await this.#send(spans.map((span) => toReadableSpan(span, this.#resource)));
      if (error !== null) this.#recorder.exportFailedCount += spans.length;
      this.#tell(error);
      if (error !== null) return;
    }
  }

  /** @returns why it was not taken; null when it was. */
  #send(spans: Parameters<OTLPTraceExporter["export"]>[0]): Promise<Error | null> {
    return new Promise((resolve) => {
      this.#exporter.export(spans, ({ code, error }) => {
        resolve(code === 0 ? null : (error ?? new Error("the endpoint did not say why")));
      });
    });
  }

  /** Once when it begins to fail, and once when it is over. */
  #tell(error: Error | null): void {
    const isFailing = error !== null;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    const fields = { endpoint: this.#endpoint };
    // Its stack is OpenTelemetry's, and says nothing.
    const why = error?.message;
    if (isFailing) this.#log.warn({ ...fields, why }, "spans are dropped: not taken by OTLP");
    else this.#log.info(fields, "spans are taken by OTLP again");
  }
}
