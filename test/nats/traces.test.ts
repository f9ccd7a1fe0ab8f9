/**
 * One message over two gateways on one NATS: one trace, a deliver for each gateway, and the W3C
 * header for whoever listens on NATS beside us.
 */
import { connect, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { authenticateNone } from "../../gateway/auth/authenticate.ts";
import { startGateway } from "../../gateway/gateway.ts";
import { RecordingTracer } from "../../telemetry/tracing/tracer.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

let nats: TestNats;
let listener: NatsConnection;
let gateways: Awaited<ReturnType<typeof startOne>>[];
/** What passed on NATS towards gateways. */
const passed: Msg[] = [];

beforeAll(async () => {
  nats = await startTestNats(1);
  listener = await connect({ servers: nats.urls });
  listener.subscribe("tg.out.>", { callback: (_error, message) => void passed.push(message) });
  gateways = [await startOne("one"), await startOne("two")];
}, 120_000);
afterAll(async () => {
  for (const { gateway, bus } of gateways ?? []) {
    await gateway.close();
    await bus.close();
  }
  await listener?.close();
  await nats?.stop();
});

async function startOne(name: string) {
  const bus = await openNatsBus({ servers: nats.urls, name, parts: "gateway" }, log);
  const tracer = new RecordingTracer();
  const parts = { bus, log, authenticate: authenticateNone(), version: "0.1.0", gatewayId: name };
  const gateway = await startGateway({ ...parts, telemetry: { tracer } }, { port: 0 });
  return { bus, gateway, tracer };
}

test.each([
  ["durable", "chat:traced", "a".repeat(32)],
  ["ephemeral", "live:traced", "b".repeat(32)],
])(
  "%s: one deliver a gateway, linked to the publish, and the header on NATS",
  async (...of) => {
    const [mode, room, traceId] = of;
    const clients = await Promise.all(gateways.map(({ gateway }) => RawClient.open(gateway.port)));
    const aliases = await Promise.all(
      clients.map(async (client) => (await client.join(room)).roomAlias),
    );
    const [sender] = clients;
    if (sender === undefined) throw new Error("no client");
    passed.length = 0;
    await sender.ack(sender.publish({ room, seq: 1, payload: "plain" }));
    const traceparent = `00-${traceId}-${"c".repeat(16)}-01`;
    const { traceId: told } = await sender.ack(
      sender.publish({ room, seq: 2, payload: "traced", traceparent }),
    );
    expect(told).toBe(traceId);
    for (const [i, client] of clients.entries()) {
      expect(await client.texts(aliases[i] ?? 0, 2)).toEqual(["plain", "traced"]);
    }
    const spans = gateways.flatMap(({ tracer }) => tracer.find(traceId));
    const named = (hop: string) => spans.filter(({ name }) => name.startsWith(`${hop} `));
    expect([named("ingress").length, named("bus.publish").length]).toEqual([1, 1]);
    const [send] = named("bus.publish");
    for (const [i, { spanId = "" } = {}] of [send, send].entries()) {
      const deliver = named("bus.deliver")[i];
      expect(deliver).toMatchObject({ parentSpanId: spanId, links: [{ traceId, spanId }] });
      const fanout = named("fanout").find(({ parentSpanId }) => parentSpanId === deliver?.spanId);
      expect(fanout?.attributes["tidegate.fanout.recipients"]).toBe(1);
      expect(deliver?.startUs).toBeGreaterThanOrEqual(send?.startUs ?? Number.POSITIVE_INFINITY);
    }
    const ids = named("bus.deliver").map(({ attributes }) => attributes["tidegate.gateway"]);
    expect(ids.sort()).toEqual(["one", "two"]);

    const isMessage = ({ data }: Msg) => /plain|traced/.test(Buffer.from(data).toString("latin1"));
    const headers = passed.filter(isMessage).map((message) => message.headers?.get("traceparent"));
    const sent = `00-${traceId}-${send?.spanId}-01`;
    expect(headers).toEqual([mode === "durable" ? "" : undefined, sent]);
    for (const client of clients) client.socket.terminate();
  },
  30_000,
);
