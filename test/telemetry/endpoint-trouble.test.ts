/**
 * An OTLP endpoint that is down, slow or refuses costs a gateway a counter: messages go on, all of
 * them and in order, and what waits for the endpoint is bounded.
 */
import { expect, onTestFinished, test, vi } from "vitest";
import { freePorts } from "../../deploy/nats/node.ts";
import { connect, text } from "../../sdk/typescript/index.ts";
import { QUEUE_COUNT_MAX } from "../../telemetry/tracing/recorder.ts";
import { BATCH_COUNT_MAX } from "../../telemetry/tracing/span-export.ts";
import { type Server, startServer } from "../start-server.ts";
import { type Manner, OtlpReceiver } from "./otlp-receiver.ts";

/** Each makes four spans here: more than the queue holds. */
const MESSAGE_COUNT = 2000;
const SPANS_EACH = 4;

async function startTraced(endpoint: string, port: number): Promise<Server> {
  const env = { TRACE_RATIO: "1", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  const server = await startServer({ env: { ...env, ADMIN_PORT: String(port) } });
  onTestFinished(() => server.close());
  return server;
}

async function startReceiver(manner: Manner): Promise<OtlpReceiver> {
  const receiver = await OtlpReceiver.start();
  onTestFinished(() => receiver.close());
  receiver.manner = manner;
  return receiver;
}

/** Publishes to a room, and returns what its member got. */
async function publishAll(server: Server): Promise<string[]> {
  const client = await connect(server.url, { codec: text });
  onTestFinished(() => client.close());
  const room = await client.join("chat:traced");
  const words = Array.from({ length: MESSAGE_COUNT }, (_, n) => String(n));
  const acked = Promise.all(words.map((word) => room.publish(word)));
  const got: string[] = [];
  for await (const event of room) {
    if (event.type === "message") got.push(event.payload);
    if (got.length === MESSAGE_COUNT) break;
  }
  for (const ack of await acked) expect(ack.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(got).toEqual(words);
  return got;
}

/** The sum of a metric over its labels. */
async function readMetric(server: Server, name: string): Promise<number> {
  const page = await (await fetch(`${server.admin}/metrics`)).text();
  const lines = page.split("\n").filter((line) => line.startsWith(name) && !line.startsWith("#"));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

test("OTLP endpoint down, silent or refusing: every message, a counter, a bounded queue", async () => {
  const [closed, silent, refusing] = await Promise.all([
    startReceiver("takes"),
    startReceiver("hangs"),
    startReceiver("refuses"),
  ]);
  closed.close();
  const endpoints = [closed, silent, refusing].map(({ endpoint }) => endpoint);
  const ports = await freePorts(3);
  const starts = endpoints.map((endpoint, i) => startTraced(endpoint, ports[i] ?? 0));
  const servers = await Promise.all(starts);
  await Promise.all(servers.map(publishAll));
  await Promise.all([silent, refusing].map((each) => each.until(() => each.requestCount > 0)));
  for (const server of servers) {
    const made = await readMetric(server, "tidegate_spans_total");
    const dropped = await readMetric(server, "tidegate_spans_dropped_total");
    expect(made).toBeGreaterThanOrEqual(MESSAGE_COUNT * SPANS_EACH);
    expect(made - dropped).toBeLessThanOrEqual(QUEUE_COUNT_MAX + BATCH_COUNT_MAX);
  }
  // Nor does it hold up an end.
  expect(await Promise.all(servers.map((server) => server.stop()))).toEqual([0, 0, 0]);
}, 60_000);

test("OTLP endpoint that refused takes spans again when it will", async () => {
  const receiver = await startReceiver("refuses");
  const [port = 0] = await freePorts(1);
  const server = await startTraced(receiver.endpoint, port);
  const client = await connect(server.url, { codec: text });
  onTestFinished(() => client.close());
  await client.publish("chat:traced", "lost");
  await vi.waitUntil(async () => (await readMetric(server, "tidegate_spans_dropped_total")) > 0);
  expect(receiver.requestCount).toBeGreaterThan(0);
  receiver.manner = "takes";
  const { traceId } = await client.publish("chat:traced", "found");
  await receiver.until(() => receiver.trace(traceId).length === 2); // no member: it ends at the bus
}, 60_000);
