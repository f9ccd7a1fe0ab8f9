/** Spans of publishes and messages, as OpenTelemetry's own SDK records them. */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  type ContextManager,
  context,
  diag,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { expect, onTestFinished, test } from "vitest";
import type { RoomEvent } from "../../sdk/typescript/event.ts";
import { SDK_VERSION } from "../../sdk/typescript/session.ts";
import { Tracing } from "../../sdk/typescript/tracing.ts";
import { joined, messageOf } from "./fake-gateway.ts";
import { joinRoom, openScene } from "./scene.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
/** Of the gateway's publish to the bus, and of its fan-out. */
const PUBLISHED = "b7ad6b7169203331";
const HANDED_OUT = "00f067aa0ba902b7";

function traceparent(spanId: string): string {
  return `00-${TRACE_ID}-${spanId}-01`;
}

/** OpenTelemetry's SDK, and a client that tells it. */
async function openTraced(sampler?: Sampler) {
  const exporter = new InMemorySpanExporter();
  const spanProcessors = [new SimpleSpanProcessor(exporter)];
  const provider = new BasicTracerProvider(
    sampler ? { sampler, spanProcessors } : { spanProcessors },
  );
  onTestFinished(() => provider.shutdown());
  const tracer = provider.getTracer("application");
  const tracing = new Tracing(tracer);
  return { ...(await openScene({ tracing })), tracing, tracer, exporter };
}

function onlySpan(exporter: InMemorySpanExporter): ReadableSpan {
  const spans = exporter.getFinishedSpans();
  expect(spans).toHaveLength(1);
  return spans[0] as ReadableSpan;
}

/** A live message of a trace, or one that was stored. */
function tracedMessage(seq: number, isLive = true) {
  const frame = messageOf(1, seq);
  if (frame.$case !== "message" || frame.value.envelope === undefined)
    throw new Error("no message");
  const envelope = { ...frame.value.envelope, traceparent: traceparent(PUBLISHED) };
  const handedOut = isLive ? traceparent(HANDED_OUT) : "";
  return { ...frame.value, envelope, traceparent: handedOut };
}

async function nextOf(room: AsyncIterable<RoomEvent<string>>): Promise<RoomEvent<string>> {
  for await (const event of room) return event;
  throw new Error("the room ended");
}

/** `context.with` for one test. */
function useContexts(): void {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, call, self, ...args) => storage.run(active, () => call.apply(self, args)),
    bind: (_active, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  context.setGlobalContextManager(manager);
  onTestFinished(() => context.disable());
}

const ATTRIBUTES = {
  "messaging.system": "tidegate",
  "messaging.destination.name": "chat:a",
  "messaging.destination.template": "chat:*",
  "messaging.message.body.size": 1,
};

test("Tracing: a publish is a span from the call to its ack, child of the caller's span", async () => {
  useContexts();
  const { client, connection, tracer, exporter } = await openTraced();
  const outer = tracer.startSpan("outer");
  const published = context.with(trace.setSpan(ROOT_CONTEXT, outer), () =>
    client.publish("chat:a", "x"),
  );
  const publish = await connection.take("publish");
  expect(exporter.getFinishedSpans()).toEqual([]);
  const { traceId } = outer.spanContext();
  const value = { requestId: publish.requestId, position: undefined, duplicate: false, traceId };
  connection.send({
    $case: "publishAck",
    value: { ...value, position: { epoch: 1, seq: 7n, timeUs: 9n } },
  });
  expect(await published).toEqual({ position: "1.7.9", isDuplicate: false, traceId });
  const span = onlySpan(exporter);
  expect(publish.traceparent).toBe(`00-${traceId}-${span.spanContext().spanId}-01`);
  expect(span.parentSpanContext?.spanId).toBe(outer.spanContext().spanId);
  expect([span.name, span.kind]).toEqual(["publish chat", SpanKind.PRODUCER]);
  expect(span.attributes).toEqual({
    ...ATTRIBUTES,
    "messaging.operation.name": "publish",
    "messaging.operation.type": "send",
    "messaging.message.id": "1.7.9",
  });
});

test("Tracing: a publish repeated after a break goes with the same traceparent", async () => {
  const { gateway, client, connection, exporter } = await openTraced();
  const published = client.publish("chat:a", "x");
  const { traceparent: first } = await connection.take("publish");
  connection.cut();
  const next = await gateway.accept();
  await next.welcome();
  await next.answerMode();
  expect((await next.ack(1)).traceparent).toBe(first);
  await published;
  expect(onlySpan(exporter).ended).toBe(true);
});

test("Tracing: a publish that fails ends its span as failed, with the code", async () => {
  const { client, connection, exporter } = await openTraced();
  const published = client.publish("chat:a", "x");
  const said = { code: "PERMISSION_DENIED", traceId: TRACE_ID };
  const failed = expect(published).rejects.toMatchObject(said);
  const { requestId } = await connection.take("publish");
  connection.error(requestId, "PERMISSION_DENIED", { traceId: TRACE_ID });
  await failed;
  const span = onlySpan(exporter);
  expect(span.status.code).toBe(SpanStatusCode.ERROR);
  expect(span.attributes["error.type"]).toBe("PERMISSION_DENIED");
});

test("Tracing: the trace that a gateway began by itself is named on the span", async () => {
  const { client, connection, exporter } = await openTraced();
  const published = client.publish("chat:a", "x");
  const { requestId } = await connection.take("publish");
  const value = { requestId, position: undefined, duplicate: false, traceId: TRACE_ID };
  connection.send({ $case: "publishAck", value });
  await published;
  expect(onlySpan(exporter).attributes["tidegate.trace.id"]).toBe(TRACE_ID);
});

test("Tracing: what the sampler leaves out carries nothing; a client without tracing neither", async () => {
  const { client, connection, exporter } = await openTraced(new AlwaysOffSampler());
  const published = client.publish("chat:a", "x");
  expect((await connection.ack(1)).traceparent).toBe("");
  expect((await published).traceId).toBe("");
  expect(exporter.getFinishedSpans()).toEqual([]);
  const plain = await openScene({ tracing: new Tracing() }); // no provider is set
  const other = plain.client.publish("chat:a", "x");
  expect((await plain.connection.ack(1)).traceparent).toBe("");
  await other;
});

test("Tracing: a live message is a child of its fan-out, linked to its publish", async () => {
  const scene = await openTraced();
  const room = await joinRoom(scene, "chat:a", 1);
  scene.connection.send({ $case: "message", value: tracedMessage(1) });
  const event = await nextOf(room);
  const span = onlySpan(scene.exporter);
  expect([span.name, span.kind]).toEqual(["receive chat", SpanKind.CONSUMER]);
  expect(span.spanContext().traceId).toBe(TRACE_ID);
  expect(span.parentSpanContext).toMatchObject({ spanId: HANDED_OUT, isRemote: true });
  expect(span.links.map((link) => link.context.spanId)).toEqual([PUBLISHED]);
  expect(span.attributes).toEqual({
    ...ATTRIBUTES,
    "messaging.operation.name": "receive",
    "messaging.operation.type": "receive",
    "messaging.message.id": "1.1.1000",
  });
  const work = scene.tracer.startSpan("work", {}, scene.tracing.contextOf(event));
  work.end();
  const [, worked] = scene.exporter.getFinishedSpans();
  expect(worked?.parentSpanContext?.spanId).toBe(span.spanContext().spanId);
});

test("Tracing: a message that was stored is a child of its publish; others make no span", async () => {
  const scene = await openTraced();
  const joining = scene.client.join("chat:a", { history: 1 });
  const { requestId } = await scene.connection.take("join");
  scene.connection.send(joined(requestId, "chat:a", 1));
  scene.connection.send({ $case: "message", value: tracedMessage(1, false) });
  scene.connection.send(messageOf(1, 2));
  const broken = { ...tracedMessage(3), traceparent: "00-nonsense-01" };
  if (broken.envelope) broken.envelope.traceparent = "";
  scene.connection.send({ $case: "message", value: broken });
  const room = await joining;
  await nextOf(room);
  const span = onlySpan(scene.exporter);
  expect([span.parentSpanContext?.spanId, span.links]).toEqual([PUBLISHED, []]);
  for (const event of [await nextOf(room), await nextOf(room)]) {
    expect(scene.tracing.contextOf(event, ROOT_CONTEXT)).toBe(ROOT_CONTEXT);
  }
  expect(scene.exporter.getFinishedSpans()).toHaveLength(1);
});

test("Tracing: a message waits in its span until the loop takes it; a codec's refusal fails it", async () => {
  const scene = await openTraced();
  const decode = () => {
    throw new Error("not mine");
  };
  const joining = scene.client.join("chat:a", {
    codec: { encode: () => new Uint8Array(0), decode },
  });
  await scene.connection.join(1);
  const room = await joining;
  scene.connection.send({ $case: "message", value: tracedMessage(1) });
  while (room.queuedCount === 0) await new Promise(setImmediate);
  expect(scene.exporter.getFinishedSpans()).toEqual([]);
  for await (const event of room) {
    expect(event.type).toBe("invalid");
    break;
  }
  const span = onlySpan(scene.exporter);
  expect(span.status.code).toBe(SpanStatusCode.ERROR);
  expect(span.attributes["error.type"]).toBe("PAYLOAD_INVALID");
});

test.each(["onStart", "onEnd"] as const)(
  "Tracing: a processor that throws in %s costs its span, no publish and no message",
  async (where) => {
    const told: unknown[] = [];
    const log = () => {};
    const error = (...words: unknown[]) => told.push(words.at(-1));
    diag.setLogger({ error, warn: log, info: log, debug: log, verbose: log });
    onTestFinished(() => diag.disable());
    const fault = new Error("not mine");
    const spanProcessor: SpanProcessor = {
      onStart: () => {},
      onEnd: () => {},
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    spanProcessor[where] = () => {
      throw fault;
    };
    const provider = new BasicTracerProvider({ spanProcessors: [spanProcessor] });
    const scene = await openScene({ tracing: new Tracing(provider.getTracer("application")) });
    const room = await joinRoom(scene, "chat:a", 1);
    const published = scene.client.publish("chat:a", "x");
    await scene.connection.ack(1);
    expect((await published).position).toBe("1.1.1000");
    scene.connection.send({ $case: "message", value: tracedMessage(1) });
    expect((await nextOf(room)).type).toBe("message");
    expect(told).toEqual([fault, fault]);
  },
);

test("Tracing: by default with the global provider, also one set later, under the SDK's name", async () => {
  const { client, connection } = await openScene({ tracing: new Tracing() });
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  trace.setGlobalTracerProvider(provider);
  onTestFinished(() => trace.disable());
  const published = client.publish("chat:a", "x");
  await connection.ack(1);
  await published;
  const { name, version } = onlySpan(exporter).instrumentationScope;
  expect([name, version]).toEqual(["@tidegate/sdk", SDK_VERSION]);
});
