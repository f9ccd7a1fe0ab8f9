/**
 * Export of spans by OTLP over gRPC, at the pace of the endpoint and never at our cost.
 *
 * One batch is under way at a time. An endpoint that is away, slow or refuses lets the recorder's
 * queue fill, which drops and counts; the loop waits for nothing, and memory has the queue's bound.
 * OpenTelemetry's exporter is imported here, when this file is: after listen, where configured.
 */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { handOver, OtlpPush, type PushLog, REQUEST_MS_MAX } from "../otlp-push.ts";
import { toReadableSpan } from "./otlp-spans.ts";
import type { SpanRecorder } from "./recorder.ts";

/** Spans of one request: some 1 ms to encode, so that no message waits longer for it. */
export const BATCH_COUNT_MAX = 128;
/** Looked for spans this often, ms. */
const EXPORT_MS = 500;
/** Where spans go. */
export interface SpanExportOptions {
  /** http://host:port, or https. */
  readonly endpoint: string;
  /** Of the process: service.name, service.instance.id and so on. */
  readonly resource: Readonly<Record<string, string>>;
}

export class SpanExport {
  readonly #recorder: SpanRecorder;
  readonly #exporter: OTLPTraceExporter;
  readonly #resource: ReturnType<typeof resourceFromAttributes>;
  readonly #push: OtlpPush;

  constructor(recorder: SpanRecorder, { endpoint, resource }: SpanExportOptions, log: PushLog) {
    this.#recorder = recorder;
    this.#resource = resourceFromAttributes({ ...resource });
    this.#exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis: REQUEST_MS_MAX });
    recorder.beginExport();
    const work = {
      ...{ endpoint, everyMs: EXPORT_MS },
      texts: {
        failing: "spans are dropped: not taken by OTLP",
        again: "spans are taken by OTLP again",
      },
      push: () => (recorder.waitingCount === 0 ? null : this.#run()),
      shutdown: () => this.#exporter.shutdown(),
    };
    this.#push = new OtlpPush(work, log);
  }

  /** Sends what waits, for at most 2 s, and ends. */
  close(): Promise<void> {
    return this.#push.close();
  }

  /** Until nothing waits, or the endpoint does not take it. */
  async #run(): Promise<void> {
    for (;;) {
      const spans = this.#recorder.take(BATCH_COUNT_MAX);
      if (spans.length === 0) return;
      const readable = spans.map((span) => toReadableSpan(span, this.#resource));
      const error = await handOver(this.#exporter, readable);
      if (error !== null) this.#recorder.exportFailedCount += spans.length;
      // Its stack is OpenTelemetry's, and says nothing.
      this.#push.tell(error === null ? null : { why: error.message });
      if (error !== null) return;
    }
  }
}
