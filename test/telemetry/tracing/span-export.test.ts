/**
 * Spans leave by OTLP over gRPC to a real server of that method; one that is away, silent or
 * refuses costs counted spans and nothing else.
 */
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test, vi } from "vitest";
import { QUEUE_COUNT_MAX } from "../../../telemetry/tracing/recorder.ts";
import { SpanKind } from "../../../telemetry/tracing/span.ts";
import { BATCH_COUNT_MAX, SpanExport } from "../../../telemetry/tracing/span-export.ts";
import { RecordingTracer } from "../../../telemetry/tracing/tracer.ts";

const method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
type Answer = (error: { code: number } | null, bytes: Buffer) => void;

/** A server that takes requests as bytes and answers by `answer`. */
async function startReceiver(answer: (done: Answer) => void) {
  const requests: Buffer[] = [];
  const waiting: (() => void)[] = [];
  const asBytes = { serialize: (bytes: Buffer) => bytes, deserialize: (bytes: Buffer) => bytes };
  const server = new Server();
  server.addService(
    {
      export: {
        ...{ path: method, requestStream: false, responseStream: false },
        requestSerialize: asBytes.serialize,
        requestDeserialize: asBytes.deserialize,
        responseSerialize: asBytes.serialize,
        responseDeserialize: asBytes.deserialize,
      },
    },
    {
      export: (call: { request: Buffer }, done: Answer) => {
        requests.push(call.request);
        for (const wake of waiting.splice(0)) wake();
        answer(done);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  onTestFinished(() => server.forceShutdown());
  const until = async (isEnough: () => boolean) => {
    while (!isEnough()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { requests, until, endpoint: `http://127.0.0.1:${port}` };
}

function startExport(endpoint: string) {
  const tracer = new RecordingTracer({ ringCountMax: 0 });
  const told: string[] = [];
  let wake = () => {};
  const note = (_fields: object, text: string) => {
    told.push(text);
    wake();
  };
  const resource = { "service.name": "tidegate", "service.instance.id": "gw-test" };
  const log = { info: note, warn: note };
  const exported = new SpanExport(tracer.recorder, { endpoint, resource }, log);
  onTestFinished(() => exported.close());
  const toldMore = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  return { tracer, told, toldMore, exported };
}

test("SpanExport sends spans with their resource, in batches, and what is left at its end", async () => {
  const { requests, until, endpoint } = await startReceiver((done) => done(null, Buffer.alloc(0)));
  const { tracer, exported } = startExport(endpoint);
  const parent = tracer.begin("ingress chat", SpanKind.SERVER, null, { "user.id": "anna" });
  parent.child("bus.publish chat", SpanKind.PRODUCER).link(parent).fail(new Error("it broke"));
  parent.end();
  await until(() => requests.length === 1);
  const [first = Buffer.alloc(0)] = requests;
  const text = first.toString("latin1");
  for (const part of ["ingress chat", "bus.publish chat", "anna", "gw-test", "it broke"]) {
    expect(text).toContain(part);
  }
  expect(first.includes(Buffer.from(parent.traceId, "hex"))).toBe(true);
  expect(first.includes(Buffer.from(parent.spanId, "hex"))).toBe(true);
  for (let i = 0; i < BATCH_COUNT_MAX + 1; i += 1) tracer.sample("x", SpanKind.INTERNAL);
  for (let i = 0; i < BATCH_COUNT_MAX + 1; i += 1) tracer.begin("x", SpanKind.INTERNAL, null).end();
  await exported.close();
  expect(requests).toHaveLength(3);
  expect(tracer.counters()).toMatchObject({ queueFull: 0, exportFailed: 0 });
});

test("an endpoint that refuses costs counted spans, is told once, and is used again", async () => {
  let isRefusing = true;
  const { requests, until, endpoint } = await startReceiver((done) =>
    done(isRefusing ? { code: status.PERMISSION_DENIED } : null, Buffer.alloc(0)),
  );
  const { tracer, told, toldMore } = startExport(endpoint);
  const isTold = toldMore();
  tracer.begin("x", SpanKind.INTERNAL, null).end();
  await isTold;
  expect(tracer.counters().exportFailed).toBe(1);
  tracer.begin("x", SpanKind.INTERNAL, null).end();
  await until(() => requests.length === 2);
  expect(told).toHaveLength(1);
  isRefusing = false;
  const isBack = toldMore();
  tracer.begin("x", SpanKind.INTERNAL, null).end();
  await isBack;
  expect(told[1]).toContain("again");
  expect(tracer.counters().exportFailed).toBe(2);
});

test("an endpoint that is silent fills the queue and no more: one request at a time", async () => {
  const { requests, until, endpoint } = await startReceiver(() => {});
  const { tracer, exported } = startExport(endpoint);
  tracer.begin("x", SpanKind.INTERNAL, null).end();
  await until(() => requests.length === 1);
  for (let i = 0; i < QUEUE_COUNT_MAX + 10; i += 1)
    tracer.begin("x", SpanKind.INTERNAL, null).end();
  expect(tracer.recorder.waitingCount).toBe(QUEUE_COUNT_MAX);
  expect(tracer.counters().queueFull).toBe(10);
  const endMs = performance.now() + 1200; // two more turns of its timer
  await vi.waitUntil(() => performance.now() > endMs, { timeout: 5000 });
  expect([requests.length, tracer.recorder.waitingCount]).toEqual([1, QUEUE_COUNT_MAX]);
  await exported.close(); // within its bound, though nothing answers
});
