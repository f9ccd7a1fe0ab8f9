/**
 * Hellos and Joins as spans, with the seats, permits and resume reads that they set off.
 */
import { expect, test } from "vitest";
import { RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import type { SpanRecord } from "../../../telemetry/tracing/span.ts";
import { RecordingTracer } from "../../../telemetry/tracing/tracer.ts";
import { attempt, authenticateByName, putClass, putLimit, tryJoin } from "../seats/quota-tools.ts";
import { testGateway } from "../start-gateway.ts";

async function openTraced(ratio: number) {
  const tracer = new RecordingTracer({ ratio });
  tracer.recorder.beginExport();
  const parts = { authenticate: authenticateByName, telemetry: { tracer } };
  const gateway = await testGateway({ parts });
  /** The spans since the last call, without those of messages. */
  const take = () => tracer.recorder.take(1000).filter(({ name }) => !name.includes("publish"));
  return { ...gateway, take };
}

/** Names of the spans inside a span, each with the code that it failed with. */
const inside = (spans: readonly SpanRecord[], outer: SpanRecord | undefined) =>
  spans
    .filter(({ parentSpanId }) => parentSpanId === outer?.spanId)
    .map(({ name, attributes }) => [name, attributes["error.type"] ?? ""])
    .sort();

test("hello: each seat and permit that it takes is a span in its own; a refusal says which", async () => {
  const { bus, port, take } = await openTraced(1);
  await putLimit(bus, "connections-per-user", 1);
  await putLimit(bus, "connections-per-ip", 9);
  await putLimit(bus, "connections", 9);
  await expect.poll(async () => (await attempt(port, { token: "ann" })).code).toBe(4008);
  take();
  expect((await attempt(port, { token: "bob" })).isAdmitted).toBe(true);
  expect((await attempt(port, { token: "ann" })).code).toBe(4008);
  const spans = take();
  const [bob, ann] = spans.filter(({ name }) => name === "hello");
  expect(bob).toMatchObject({ parentSpanId: "", error: "", attributes: { "user.id": "bob" } });
  expect(inside(spans, bob)).toEqual([
    ["permit connections", ""],
    ["seat connections-per-ip", ""],
    ["seat connections-per-user", ""],
  ]);
  expect(ann?.attributes["error.type"]).toBe("LIMIT_REACHED");
  expect(inside(spans, ann)).toContainEqual(["seat connections-per-user", "LIMIT_REACHED"]);
  for (const span of spans.filter(({ parentSpanId }) => parentSpanId === bob?.spanId)) {
    expect([span.startUs >= (bob?.startUs ?? 0), span.endUs <= (bob?.endUs ?? 0)]).toEqual([
      ...[true, true],
    ]);
  }
});

test("join: its seat, the room's permit and the resume are spans in its own", async () => {
  const { bus, port, take } = await openTraced(1);
  await putLimit(bus, "rooms", 5);
  await putClass(bus, "chat", RoomMode.DURABLE, 2);
  const { client } = await attempt(port, { token: "ann" });
  const ack = await client.ack(client.publish({ room: "chat:a", seq: 1, payload: "x" }));
  await expect.poll(async () => (await tryJoin(client, "chat:probe"))?.code).toBe("ALREADY_JOINED");
  take();
  await client.join("chat:a", { after: ack.position });
  await client.settle();
  const spans = take();
  const join = spans.find(({ name }) => name === "join chat");
  expect(join?.attributes).toMatchObject({
    ...{ "messaging.destination.name": "chat:a", "user.id": "ann", "tidegate.gateway": "test" },
  });
  expect(inside(spans, join)).toEqual([
    ["permit rooms", ""],
    ["resume.check", ""],
    ["seat room", ""],
  ]);
  const resume = spans.find(({ name }) => name === "resume.check");
  expect(resume?.attributes["tidegate.resume.recovered"]).toBe(true);
});

test("nothing is recorded of what is not sampled, but for what fails", async () => {
  const { bus, port, take } = await openTraced(0);
  await putClass(bus, "chat", RoomMode.DURABLE, 1);
  await putLimit(bus, "connections-per-user", 2);
  const { client } = await attempt(port, { token: "ann" });
  const other = await attempt(port, { token: "bob" });
  await client.join("chat:a");
  expect(take()).toEqual([]);
  expect((await tryJoin(other.client, "chat:a"))?.code).toBe("ROOM_FULL");
  const [span, ...rest] = take();
  expect(span).toMatchObject({ name: "join chat", attributes: { "error.type": "ROOM_FULL" } });
  expect(rest).toEqual([]);
});
