/**
 * A receiver of OTLP traces over gRPC, as a collector is one, by OpenTelemetry's own definitions:
 * what its SDKs and our processes export can be looked at span by span.
 */
import { Server, ServerCredentials, type sendUnaryData, status } from "@grpc/grpc-js";
import type {
  ExportTraceServiceRequest,
  ExportTraceServiceResponse,
} from "./gen/opentelemetry/proto/collector/trace/v1/trace_service.ts";
import { TraceServiceService } from "./gen/opentelemetry/proto/collector/trace/v1/trace_service.ts";
import type { KeyValue } from "./gen/opentelemetry/proto/common/v1/common.ts";
import {
  type Span,
  Span_SpanKind,
  Status_StatusCode,
} from "./gen/opentelemetry/proto/trace/v1/trace.ts";

/** Name of a span's kind, e.g. "PRODUCER". */
export type KindName = Exclude<keyof typeof Span_SpanKind, "UNRECOGNIZED">;

/** A span as it came. */
export interface ReceivedSpan {
  /** `service.name` of who sent it. */
  readonly service: string;
  /** All of that one's attributes. */
  readonly resource: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly kind: KindName;
  /** Hex. */
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first of a trace. */
  readonly parentSpanId: string;
  /** Nanoseconds since 1970. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Span ids, and their traces. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Why it failed, or null. */
  readonly error: string | null;
}

/** What it does with an export: takes it, says no, or says nothing. */
export type Manner = "takes" | "refuses" | "hangs";

export class OtlpReceiver {
  /** May be changed at any time; what hangs is answered at the end. */
  manner: Manner = "takes";
  readonly spans: ReceivedSpan[] = [];
  /** Exports that came, whatever was done with them. */
  requestCount = 0;
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  readonly #server: Server;
  #hanging: (() => void)[] = [];
  #waiting: (() => void)[] = [];

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** @param port a free one, if left out. */
  static async start(port = 0): Promise<OtlpReceiver> {
    const server = new Server();
    let receiver: OtlpReceiver | null = null;
    server.addService(TraceServiceService, {
      export: (
        { request }: { request: ExportTraceServiceRequest },
        answer: sendUnaryData<ExportTraceServiceResponse>,
      ) => receiver?.take(request, answer),
    });
    const bound = await new Promise<number>((resolve, reject) => {
      const at = `127.0.0.1:${port}`;
      server.bindAsync(at, ServerCredentials.createInsecure(), (error, found) =>
        error === null ? resolve(found) : reject(error),
      );
    });
    receiver = new OtlpReceiver(server, bound);
    return receiver;
  }

  /** Resolves when `isSo`; the time that it may take is the test's. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The spans of a trace, by their start. */
  trace(traceId: string): ReceivedSpan[] {
    const found = this.spans.filter((span) => span.traceId === traceId);
    return found.sort((a, b) => Number(a.startNs - b.startNs));
  }

  /** For gRPC. */
  take(
    request: ExportTraceServiceRequest,
    answer: sendUnaryData<ExportTraceServiceResponse>,
  ): void {
    this.requestCount += 1;
    const taken = () => answer(null, { partialSuccess: undefined });
    if (this.manner === "hangs") this.#hanging.push(taken);
    else if (this.manner === "refuses") {
      answer({ code: status.PERMISSION_DENIED, details: "no spans here" });
    } else {
      this.spans.push(...spansOf(request));
      taken();
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Ends it; connections to it are cut. */
  close(): void {
    for (const taken of this.#hanging.splice(0)) taken();
    this.#server.forceShutdown();
  }
}

function* spansOf({ resourceSpans }: ExportTraceServiceRequest): Iterable<ReceivedSpan> {
  for (const { resource: made, scopeSpans } of resourceSpans) {
    const resource = valuesOf(made?.attributes ?? []);
    for (const { spans } of scopeSpans) {
      for (const span of spans) yield readSpan(span, resource);
    }
  }
}

function readSpan(span: Span, resource: Record<string, unknown>): ReceivedSpan {
  const kinds = Object.entries(Span_SpanKind) as [KindName, number][];
  const isError = span.status?.code === Status_StatusCode.ERROR;
  return {
    service: String(resource["service.name"]),
    resource,
    name: span.name,
    kind: kinds.find(([, number]) => number === span.kind)?.[0] ?? "UNSPECIFIED",
    traceId: span.traceId.toString("hex"),
    spanId: span.spanId.toString("hex"),
    parentSpanId: span.parentSpanId.toString("hex"),
    startNs: span.startTimeUnixNano,
    endNs: span.endTimeUnixNano,
    attributes: valuesOf(span.attributes),
    links: span.links.map(({ traceId, spanId }) => ({
      traceId: traceId.toString("hex"),
      spanId: spanId.toString("hex"),
    })),
    error: isError ? (span.status?.message ?? "") : null,
  };
}

/** Plain values by name; integers as numbers. */
function valuesOf(pairs: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => {
      const plain: unknown = value?.value?.value;
      return [key, typeof plain === "bigint" ? Number(plain) : plain];
    }),
  );
}
