/** TraceService and `tidegatectl trace`: asks processes, in order, honest about what is missing. */
import { credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { TraceServiceClient } from "../../proto/gen/tidegate/control/v1/trace_service.ts";
import { ANSWER_SPAN_COUNT_MAX, answerTraces } from "../../telemetry/tracing/answer-traces.ts";
import { SpanKind } from "../../telemetry/tracing/span.ts";
import { RecordingTracer } from "../../telemetry/tracing/tracer.ts";
import { runCli } from "../cli/run-cli.ts";
import { call, refusal, testControlPlane } from "./start-control-plane.ts";

async function open() {
  const { plane, bus } = await testControlPlane();
  const tracer = new RecordingTracer();
  answerTraces(bus, tracer);
  const client = new TraceServiceClient(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const get = (name: string) => call(client, client.getTrace, { name });
  return { get, tracer, address: plane.address, process: `gateways/${bus.self.id}` };
}

test("GetTrace: the spans of a trace by start, whole, and of no other", async () => {
  const { get, tracer, process, address } = await open();
  const parent = tracer.begin("ingress chat", SpanKind.SERVER, null, { size: 3, isIt: true });
  const child = parent.child("bus.publish chat", SpanKind.PRODUCER).link(parent);
  tracer.begin("ingress live", SpanKind.SERVER, null).end();
  child.fail(new Error("it broke"));
  parent.end();
  const { traceId, spanId } = parent;
  const { spans, ...rest } = await get(`traces/${traceId}`);
  expect(rest).toEqual({ hasMore: false, silentGateways: [] });
  expect(spans).toMatchObject([
    { name: "ingress chat", spanId, parentSpanId: "", attributes: { size: "3", isIt: "true" } },
    { name: "bus.publish chat", parentSpanId: spanId, links: [{ traceId, spanId }], process },
  ]);
  expect(spans[1]?.error).toContain("it broke");
  expect(spans[0]?.endUs).toBe(BigInt(parent.endUs));

  const env = { TIDEGATE_CONTROL: address };
  const shown = await runCli(["trace", parent.traceparent], { env });
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toMatch(/ingress chat .*\n└ bus\.publish chat /);
  expect(shown.stdout).toContain("✗ [INTERNAL] it broke");
  const json = JSON.parse((await runCli(["trace", traceId, "-o", "json"], { env })).stdout);
  expect(json).toMatchObject({ traceId, spans: [{ kind: "server" }, { kind: "producer" }] });
});

test("GetTrace: an answer is bounded and says so; nothing and nonsense are refused", async () => {
  const { get, tracer } = await open();
  const first = tracer.begin("fanout chat", SpanKind.INTERNAL, null);
  for (let i = 0; i < ANSWER_SPAN_COUNT_MAX; i += 1) first.child("x", SpanKind.INTERNAL).end();
  first.end();
  const { spans, hasMore } = await get(`traces/${first.traceId}`);
  expect([spans.length, hasMore]).toEqual([ANSWER_SPAN_COUNT_MAX, true]);
  expect((await refusal(get(`traces/${"a".repeat(32)}`))).code).toBe("NOT_FOUND");
  for (const name of ["", "traces/", `traces/${"0".repeat(32)}`, `rooms/${"a".repeat(32)}`]) {
    expect((await refusal(get(name))).code).toBe("REQUEST_INVALID");
  }
});
