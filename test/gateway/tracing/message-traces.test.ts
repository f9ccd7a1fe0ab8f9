/** A message followed through one gateway: its spans, what frames carry of it, and who may ask. */
import { describe, expect, test } from "vitest";
import { makeIdentity } from "../../../gateway/identity.ts";
import { CodedError } from "../../../proto/coded-error.ts";
import { SpanKind, type SpanRecord } from "../../../telemetry/tracing/span.ts";
import { parseTraceparent } from "../../../telemetry/tracing/trace-context.ts";
import { RecordingTracer } from "../../../telemetry/tracing/tracer.ts";
import { testGateway } from "../start-gateway.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const asking = `00-${traceId}-00f067aa0ba902b7-01`;

/** A gateway that records, with this ratio. */
async function tracedGateway(ratio: number, can: number | null = null) {
  const tracer = new RecordingTracer({ ratio });
  const parts = { telemetry: { tracer } };
  if (can === null) return { tracer, gateway: await testGateway({ parts }) };
  const grants = [{ rooms: "*", actions: can }];
  const authenticate = async () => makeIdentity({ tenant: "default", user: "anna", grants });
  return { tracer, gateway: await testGateway({ parts: { ...parts, authenticate } }) };
}

/** The spans of a trace by hop. */
function byHop(spans: readonly SpanRecord[]): Record<string, SpanRecord> {
  return Object.fromEntries(spans.map((span) => [span.name, span]));
}

describe.each([
  ["durable", "chat"],
  ["ephemeral", "live"],
])("a %s message that asks to be traced", (mode, roomClass) => {
  test("has its hops, each inside the one before, and frames that carry them on", async () => {
    const { tracer, gateway } = await tracedGateway(0);
    const [sender, reader] = await Promise.all([gateway.client(), gateway.client()]);
    const room = `${roomClass}:a`;
    const { roomAlias } = await reader.join(room);
    await sender.join(room);
    const { traceId: told } = await sender.ack(
      sender.publish({ room, seq: 1, payload: "hi", traceparent: asking }),
    );
    expect(told).toBe(traceId);
    await reader.texts(roomAlias, 1);
    const spans = byHop(tracer.find(traceId));
    const hops = ["ingress", "bus.publish", "bus.deliver", "fanout"];
    expect(Object.keys(spans).sort()).toEqual(hops.map((hop) => `${hop} ${roomClass}`).sort());
    const [ingress, send, deliver, fanout] = hops.map((hop) => spans[`${hop} ${roomClass}`]);
    expect(ingress).toMatchObject({ parentSpanId: "00f067aa0ba902b7", kind: SpanKind.SERVER });
    expect(send).toMatchObject({ parentSpanId: ingress?.spanId, kind: SpanKind.PRODUCER });
    expect(deliver).toMatchObject({ parentSpanId: send?.spanId, kind: SpanKind.CONSUMER });
    expect(deliver?.links).toEqual([{ traceId, spanId: send?.spanId }]);
    expect(fanout).toMatchObject({ parentSpanId: deliver?.spanId });
    expect(fanout?.attributes["tidegate.fanout.recipients"]).toBe(2);
    expect(fanout?.attributes["tidegate.fanout.skipped"]).toBe(0);
    expect(ingress?.attributes).toMatchObject({
      "messaging.system": "tidegate",
      "messaging.operation.name": "ingress",
      "messaging.destination.name": room,
      "messaging.message.body.size": 2,
      "tidegate.tenant": "default",
      "tidegate.gateway": "test",
    });
    if (mode === "durable") {
      const [{ position } = { position: undefined }] = reader.messages(roomAlias);
      const id = `${position?.epoch}.${position?.seq}.${position?.timeUs}`;
      expect(send?.attributes["messaging.message.id"]).toBe(id);
      expect(deliver?.attributes["messaging.message.id"]).toBe(id);
    }
    const [message] = reader.messages(roomAlias);
    expect(parseTraceparent(message?.traceparent ?? "")?.spanId).toBe(fanout?.spanId);
    expect(parseTraceparent(message?.envelope?.traceparent ?? "")?.spanId).toBe(send?.spanId);
    for (const [inner, outer] of [
      [send, ingress],
      [deliver, send],
      [fanout, deliver],
    ] as const) {
      expect(inner?.startUs).toBeGreaterThanOrEqual(outer?.startUs ?? Number.POSITIVE_INFINITY);
    }
    expect(send?.endUs).toBeLessThanOrEqual(ingress?.endUs ?? 0);
    expect(fanout?.endUs).toBeLessThanOrEqual(deliver?.endUs ?? 0);
  });

  test("leaves nothing in frames, and no span, when it is not sampled", async () => {
    const { tracer, gateway } = await tracedGateway(0);
    const client = await gateway.client();
    const room = `${roomClass}:a`;
    const { roomAlias } = await client.join(room);
    const silent = asking.replace(/01$/, "00");
    for (const [i, traceparent] of ["", silent, "nonsense", asking.slice(1)].entries()) {
      const ack = await client.ack(client.publish({ room, seq: i + 1, payload: "x", traceparent }));
      expect(ack.traceId).toBe("");
    }
    await client.texts(roomAlias, 4);
    for (const message of client.messages(roomAlias)) {
      expect([message.traceparent, message.envelope?.traceparent]).toEqual(["", ""]);
    }
    expect(tracer.counters().recorded).toBe(0);
  });
});

test("a resumed member gets the envelope's traceparent alone", async () => {
  const { gateway } = await tracedGateway(1);
  const client = await gateway.client();
  await client.join("chat:a");
  await client.ack(client.publish({ room: "chat:a", seq: 1, payload: "x" }));
  const late = await gateway.client();
  const { roomAlias } = await late.join("chat:a", { history: 1 });
  await late.texts(roomAlias, 1);
  const [message] = late.messages(roomAlias);
  expect(message?.traceparent).toBe("");
  expect(parseTraceparent(message?.envelope?.traceparent ?? "")).not.toBeNull();
});

describe("who may ask", () => {
  test("without the capability a frame's wish counts as none, and the ratio decides", async () => {
    const withoutTrace = 31;
    const never = await tracedGateway(0, withoutTrace);
    const client = await never.gateway.client();
    const publish = { room: "live:a", seq: 1, payload: "x", traceparent: asking };
    await client.join("live:a");
    expect((await client.ack(client.publish(publish))).traceId).toBe("");
    const each = await tracedGateway(1, withoutTrace);
    const other = await each.gateway.client();
    await other.join("live:a");
    const { traceId: own } = await other.ack(other.publish(publish));
    expect(own).toMatch(/^[0-9a-f]{32}$/);
    expect(own).not.toBe(traceId);
  });
});

describe("errors are traced whatever the ratio", () => {
  test("a refused publish has its ingress, with the code, in the trace that asked", async () => {
    const { tracer, gateway } = await tracedGateway(0);
    const client = await gateway.client();
    const refused = client.publish({ alias: 77, seq: 1, payload: "x", traceparent: asking });
    expect(await client.error(refused)).toMatchObject({ code: "NOT_JOINED", traceId });
    const [span] = tracer.find(traceId);
    expect(span).toMatchObject({ name: "ingress unknown", kind: SpanKind.SERVER });
    expect(span?.attributes["error.type"]).toBe("NOT_JOINED");
    expect(span?.error).toContain("77");
  });

  test("a name as long as a frame stays out of the span", async () => {
    const { tracer, gateway } = await tracedGateway(0);
    const client = await gateway.client();
    const room = `chat:${"x".repeat(60_000)}`;
    const refused = client.publish({ room, seq: 1, payload: "x", traceparent: asking });
    expect(await client.error(refused)).toMatchObject({ code: "ROOM_NAME_INVALID" });
    const [span] = tracer.find(traceId);
    expect(span?.attributes).toMatchObject({ "messaging.destination.name": "" });
    expect(JSON.stringify([span?.attributes, span?.error]).length).toBeLessThan(1000);
  });

  test("a durable publish that the bus refuses, sampled or not", async () => {
    const full = new CodedError("STORE_CORRUPT", "the test says so");
    for (const ratio of [0, 1]) {
      const tracer = new RecordingTracer({ ratio });
      const gateway = await testGateway({
        parts: { telemetry: { tracer } },
        wrapBus: (bus) =>
          Object.assign(Object.create(bus), {
            ...bindAll(bus),
            append: (...[, , , , done]: Parameters<typeof bus.append>) =>
              setImmediate(() => done(full, null)),
          }),
      });
      const client = await gateway.client();
      await client.join("chat:a");
      const sent = client.publish({ room: "chat:a", seq: 1, payload: "x" });
      const error = await client.error(sent);
      expect(error.code).toBe("STORE_CORRUPT");
      expect(tracer.find(error.traceId)).toHaveLength(ratio === 0 ? 1 : 2);
    }
  });
});

/** Methods of a bus that work on a copy of it. */
function bindAll(bus: object): object {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(bus));
  const methods: Record<string, unknown> = {};
  for (const name of names) {
    const value = Reflect.get(bus, name);
    if (typeof value === "function" && name !== "constructor") methods[name] = value.bind(bus);
  }
  return methods;
}
