/** Which gRPC calls are spans, and what those say. */
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { CallTrace } from "../../controlplane/call-trace.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { SpanKind, type SpanRecord } from "../../telemetry/tracing/span.ts";
import { NO_TRACER, RecordingTracer } from "../../telemetry/tracing/tracer.ts";

const method = "tidegate.control.v1.RoomService/GetRoom";
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const asked = `00-${traceId}-${parentId}-01`;

/** The spans of one call. */
function callOnce(
  ratio: number,
  traceparent: string,
  reason: unknown,
  isAdmitted = true,
): SpanRecord[] {
  const tracer = new RecordingTracer({ ratio });
  tracer.recorder.beginExport();
  const metadata = new Metadata();
  if (traceparent !== "") metadata.set("traceparent", traceparent);
  const trace = new CallTrace(tracer, method, metadata);
  if (isAdmitted) trace.admit();
  trace.end(reason);
  return tracer.recorder.take(10);
}

describe("CallTrace", () => {
  test("a call that asks is a child of who asked, with its status", () => {
    const [span] = callOnce(0, asked, null);
    expect(span).toMatchObject({ name: method, kind: SpanKind.SERVER, traceId, error: "" });
    expect(span?.parentSpanId).toBe(parentId);
    expect(span?.attributes).toEqual({
      "rpc.system.name": "grpc",
      "rpc.method": method,
      "rpc.response.status_code": "OK",
    });
  });

  test("a wrong request is no error of the server's, and recorded only when sampled", () => {
    const wrong = new CodedError("REQUEST_INVALID", "wrong");
    const [span] = callOnce(0, asked, wrong);
    expect(span?.error).toBe("");
    expect(span?.attributes).toMatchObject({
      "rpc.response.status_code": "INVALID_ARGUMENT",
      "error.type": "REQUEST_INVALID",
    });
    expect(callOnce(0, "", wrong)).toEqual([]);
  });

  test("a fault of the server's is recorded always, also where the caller had it left out", () => {
    for (const traceparent of ["", `00-${traceId}-${parentId}-00`]) {
      const [span] = callOnce(0, traceparent, new Error("no such luck"));
      expect(span?.error).toContain("no such luck");
      expect(span?.attributes).toMatchObject({
        "rpc.response.status_code": "INTERNAL",
        "error.type": "INTERNAL",
      });
    }
  });

  test("who is not let in asks for nothing: the ratio decides, in a trace of its own", () => {
    expect(callOnce(0, asked, new CodedError("TOKEN_INVALID", "no"), false)).toEqual([]);
    for (const code of ["TOKEN_INVALID", "UNAVAILABLE"] as const) {
      const [span] = callOnce(1, asked, new CodedError(code, "no"), false);
      expect(span?.traceId).not.toBe(traceId);
      expect(span?.parentSpanId).toBe("");
    }
  });

  test("CallTrace.admit: gives the span, a parent for what the call sets off", () => {
    const tracer = new RecordingTracer({ ratio: 1 });
    const span = new CallTrace(tracer, method, new Metadata()).admit();
    expect(span?.child("move", SpanKind.INTERNAL).parentSpanId).toBe(span?.spanId);
  });

  test("the ratio decides where nothing is asked; what the caller leaves out is left out", () => {
    expect(callOnce(1, "", null)).toHaveLength(1);
    expect(callOnce(0, "", null)).toEqual([]);
    expect(callOnce(1, `00-${traceId}-${parentId}-00`, null)).toEqual([]);
    expect(callOnce(0, "nonsense", null)).toEqual([]);
  });

  test("nothing is recorded where tracing is off", () => {
    const trace = new CallTrace(NO_TRACER, method, new Metadata());
    expect(trace.admit()).toBeNull();
    trace.end(new Error("x"));
    expect(NO_TRACER.counters().recorded).toBe(0);
  });
});
