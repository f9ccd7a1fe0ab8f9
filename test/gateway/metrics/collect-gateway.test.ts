/** What a gateway's metrics say after known traffic, number by number. */
import { expect, test } from "vitest";
import {
  CLASS_COUNT_MAX,
  LATENCY_EVERY,
  MessageMeter,
} from "../../../gateway/metrics/message-meter.ts";
import { GapReason } from "../../../proto/gen/tidegate/client/v1/message.ts";
import { RecordingTracer } from "../../../telemetry/tracing/tracer.ts";
import { metricsText } from "../../telemetry/metrics-text.ts";
import { testGateway } from "../start-gateway.ts";

/** Two turns of what is timed. */
const MESSAGE_COUNT = 2 * LATENCY_EVERY;

/** Value of the only series with these labels. */
function valueIn(text: string, name: string, labels = ""): number {
  const wanted = `${name}{gateway="test"${labels === "" ? "" : `,${labels}`}} `;
  const lines = text.split("\n").filter((line) => line.startsWith(wanted));
  expect(lines, `${wanted} of ${name}`).toHaveLength(1);
  return Number(lines[0]?.slice(wanted.length).split(" ")[0]);
}

test.each([
  ["durable", "chat"],
  ["ephemeral", "live"],
])("%s messages: each hop counts each once, deliveries count members", async (mode, roomClass) => {
  const { gateway, client } = await testGateway();
  const [sender, reader] = await Promise.all([client(), client()]);
  const room = `${roomClass}:a`;
  const { roomAlias } = await reader.join(room);
  await sender.join(room);
  for (let seq = 1; seq <= MESSAGE_COUNT; seq += 1) {
    await sender.ack(sender.publish({ room, seq, payload: "0123456789" }));
  }
  await reader.texts(roomAlias, MESSAGE_COUNT);
  const text = await metricsText([gateway.collect]);
  const bytes = ["ingress", "bus_publish", "bus_deliver", "fanout"].map((hop) => {
    const labels = `class="${roomClass}",hop="${hop}"`;
    expect([hop, valueIn(text, "tidegate_messages_total", labels)]).toEqual([hop, MESSAGE_COUNT]);
    return valueIn(text, "tidegate_message_bytes_total", labels);
  });
  expect(new Set(bytes).size).toBe(1);
  expect(bytes[0]).toBeGreaterThan(50);
  const ofClass = `class="${roomClass}"`;
  expect(valueIn(text, "tidegate_deliveries_total", ofClass)).toBe(2 * MESSAGE_COUNT);
  expect(valueIn(text, "tidegate_delivery_bytes_total", ofClass)).toBeGreaterThan(
    2 * Number(bytes[0]),
  );
  expect(valueIn(text, "tidegate_joins_total", ofClass)).toBe(2);
  const timed = (hop: string) =>
    valueIn(text, "tidegate_hop_latency_seconds_count", `hop="${hop}"`);
  expect([timed("ingress"), timed("fanout")]).toEqual([2, 2]); // each hop has its turns
  const stored = mode === "durable" ? 2 : 0;
  expect([timed("bus_publish"), timed("bus_deliver")]).toEqual([stored, stored]);
  expect(valueIn(text, "tidegate_delivery_latency_seconds_count")).toBe(2);
});

test("clients: requests by kind, errors by code and fault, Welcomes timed, ends counted", async () => {
  const { gateway, client } = await testGateway();
  const one = await client();
  const refused = await one.answer(one.publish({ alias: 7, payload: "x" }));
  expect(refused).toMatchObject({ code: "NOT_JOINED" });
  const joined = await one.join("chat:a", { after: { epoch: 9, seq: 9n, timeUs: 9n } });
  expect(joined.recovered).toBe(false);
  const two = await client();
  two.socket.close();
  await expect.poll(() => gateway.stats().connectionCount).toBe(1);
  const text = await metricsText([gateway.collect]);
  expect(valueIn(text, "tidegate_requests_total", 'kind="hello"')).toBe(2);
  expect(valueIn(text, "tidegate_requests_total", 'kind="publish"')).toBe(1);
  expect(valueIn(text, "tidegate_errors_total", 'code="NOT_JOINED",fault="client"')).toBe(1);
  expect(valueIn(text, "tidegate_errors_total", 'code="INTERNAL",fault="server"')).toBe(0);
  expect(valueIn(text, "tidegate_connection_latency_seconds_count")).toBe(2);
  expect(valueIn(text, "tidegate_connections_opened_total")).toBe(2);
  expect(valueIn(text, "tidegate_connections_closed_total", 'code="client"')).toBe(1);
  expect(valueIn(text, "tidegate_resumes_total", 'recovered="false"')).toBe(1);
  expect(valueIn(text, "tidegate_gaps_total", 'hop="bus_deliver",reason="bus"')).toBe(0);
});

test("a traced message is an example in OpenMetrics, and only there", async () => {
  const { gateway, client } = await testGateway({
    parts: { telemetry: { tracer: new RecordingTracer({ ratio: 1 }) } },
  });
  const sender = await client();
  const { roomAlias } = await sender.join("live:a");
  const { traceId } = await sender.ack(sender.publish({ room: "live:a", payload: "x" }));
  await sender.texts(roomAlias, 1);
  expect(traceId).toMatch(/^[0-9a-f]{32}$/);
  const open = await metricsText([gateway.collect], "openmetrics");
  const line = `^tidegate_delivery_latency_seconds_bucket{.*} [0-9]+ # {trace_id="${traceId}"} `;
  expect(open).toMatch(new RegExp(line, "m"));
  expect(await metricsText([gateway.collect])).not.toContain(traceId);
});

test("meter: classes beyond the bound are one; gaps and losses are counted by hop", () => {
  const meter = new MessageMeter();
  for (let i = 0; i < CLASS_COUNT_MAX + 10; i += 1) meter.of(`c${i}`).takeIngress(1);
  expect(meter.classes.size).toBe(CLASS_COUNT_MAX + 1);
  expect(meter.classes.get("_other")?.ingressCount).toBe(10);
  meter.noteGap("bus_deliver", GapReason.BUS, 4);
  meter.noteGap("fanout", GapReason.SLOW_MEMBER, 2);
  meter.noteGap("fanout", GapReason.RETENTION, 0);
  expect(meter.lost).toEqual({ bus_deliver: 4, fanout: 2 });
  expect(meter.gaps).toMatchObject({ bus_deliver: { bus: 1 }, fanout: { retention: 1 } });
});
