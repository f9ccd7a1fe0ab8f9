/**
 * The stream to a control plane as a span, by OpenTelemetry's conventions for RPC: from the dial to
 * its end. Sampled by the ratio; a stream on which nothing ever came is recorded always.
 */
import type { Metadata } from "@grpc/grpc-js";
import { CodedError } from "../../proto/coded-error.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { type SpanAttributes, SpanKind } from "../../telemetry/tracing/span.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";

const method = "tidegate.control.v1.RoutingService/StreamRouting";

export class LinkTrace {
  readonly #tracer: Tracer;
  readonly #startUs: number;
  readonly #facts: SpanAttributes;
  readonly #span: OpenSpan | null;

  /**
   * It is dialled now.
   *
   * @param url "host:port".
   * @param gatewayId who dials.
   */
  constructor(tracer: Tracer, url: string, gatewayId: string) {
    const at = url.lastIndexOf(":");
    this.#tracer = tracer;
    this.#startUs = tracer.nowUs();
    this.#facts = {
      ...{ "rpc.system.name": "grpc", "rpc.method": method, "tidegate.gateway": gatewayId },
      ...{ "server.address": url.slice(0, at), "server.port": Number(url.slice(at + 1)) },
    };
    this.#span = tracer.sample(method, SpanKind.CLIENT, this.#facts);
  }

  /** Tells the control plane of the span, whose own is a child of it. */
  tell(metadata: Metadata): void {
    if (this.#span !== null) metadata.set("traceparent", this.#span.traceparent);
  }

  /** It has ended. @param reason for people. */
  end(hasWorked: boolean, reason: string): void {
    if (hasWorked) {
      this.#span?.set("tidegate.link.ended", reason).end();
      return;
    }
    const { CLIENT } = SpanKind;
    const late = () => this.#tracer.always(method, CLIENT, null, this.#facts, this.#startUs);
    (this.#span ?? late())?.fail(new CodedError("UNAVAILABLE", reason));
  }
}
