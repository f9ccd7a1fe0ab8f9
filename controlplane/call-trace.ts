/**
 * gRPC calls as spans, by OpenTelemetry's conventions for RPC: those that a caller asks for, a
 * share of the others, and what failed by our fault always.
 *
 * A span is begun once its caller is let in: of anybody else a traceparent counts as none.
 */
import type { Metadata } from "@grpc/grpc-js";
import { CodedError } from "../proto/coded-error.ts";
import type { OpenSpan } from "../telemetry/tracing/open-span.ts";
import { decideSample } from "../telemetry/tracing/sampler.ts";
import { type SpanAttributes, SpanKind } from "../telemetry/tracing/span.ts";
import { parseTraceparent, type RemoteContext } from "../telemetry/tracing/trace-context.ts";
import type { Tracer } from "../telemetry/tracing/tracer.ts";

/** By these a server says that the fault is its own; by others, that the request is wrong. */
const faults = new Set(["UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"]);

/** One call. */
export class CallTrace {
  readonly #tracer: Tracer;
  readonly #method: string;
  readonly #asked: RemoteContext | null;
  readonly #startUs: number;
  #isAdmitted = false;
  #span: OpenSpan | null = null;

  /**
   * It came now.
   *
   * @param method "<package>.<Service>/<Method>".
   * @param metadata may hold a W3C traceparent.
   */
  constructor(tracer: Tracer, method: string, metadata: Metadata) {
    const [traceparent] = tracer.isOn ? metadata.get("traceparent") : [];
    this.#tracer = tracer;
    this.#method = method;
    this.#asked = traceparent === undefined ? null : parseTraceparent(String(traceparent));
    this.#startUs = tracer.isOn ? tracer.nowUs() : 0;
  }

  /** Its caller is let in. @returns its span, a parent for what it sets off; null: not sampled. */
  admit(): OpenSpan | null {
    this.#isAdmitted = true;
    this.#span = this.#sample(true);
    return this.#span;
  }

  /** It has ended. @param reason what it failed with, or null. */
  end(reason: unknown): void {
    if (!this.#tracer.isOn) return;
    const error = reason === null ? null : CodedError.from(reason);
    const status = error?.info.grpc ?? "OK";
    const span = this.#span ?? this.#late(status);
    if (span === null) return;
    span.set("rpc.response.status_code", status);
    if (error === null) span.end();
    else if (faults.has(status)) span.fail(error);
    else span.set("error.type", error.code).end();
  }

  /** The span of a call that has none yet, when it is known how it ended. */
  #late(status: string): OpenSpan | null {
    if (!faults.has(status)) return this.#isAdmitted ? null : this.#sample(false);
    const parent = this.#isAdmitted ? this.#asked : null;
    const facts = this.#facts();
    return this.#tracer.always(this.#method, SpanKind.SERVER, parent, facts, this.#startUs);
  }

  #sample(mayAsk: boolean): OpenSpan | null {
    if (!this.#tracer.isOn) return null;
    const { ratio } = this.#tracer;
    const parent = this.#asked;
    const sampled = decideSample({ parent, mayAsk, ratio, random: Math.random() });
    if (sampled === "no") return null;
    const from = sampled === "parent" ? parent : null;
    return this.#tracer.begin(this.#method, SpanKind.SERVER, from, this.#facts(), this.#startUs);
  }

  #facts(): SpanAttributes {
    return { "rpc.system.name": "grpc", "rpc.method": this.#method };
  }
}
