/**
 * One message followed through everything that is real: both SDKs, two gateways and a control plane
 * on a NATS of three nodes, all telling one OTLP receiver; and its tree, rebuilt from what it got.
 */
import { existsSync } from "node:fs";
import { credentials, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  GatewayServiceClient,
  type ListGatewaysResponse,
} from "../../proto/gen/tidegate/control/v1/gateway_service.ts";
import { PYTHON } from "../chaos/client-process.ts";
import { startTestNats, type TestNats } from "../nats/start-nats.ts";
import { type Server, startServer } from "../start-server.ts";
import { drawTree, type SpanTree, spansIn, treeOf } from "./message-tree.ts";
import { joinPython, joinTypeScript, type TracedMember } from "./otlp-clients.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";

/** Clocks of processes on one machine agree within this, ns: two ticks of milliseconds. */
const CLOCK_NS = 2_000_000n;
/** Spans of a message with two members at two gateways. */
const SPAN_COUNT = 9;

let nats: TestNats;
let receiver: OtlpReceiver;
const servers = new Map<string, Server>();

beforeAll(async () => {
  [nats, receiver] = await Promise.all([startTestNats(3), OtlpReceiver.start()]);
  const start = async (id: string, env: Record<string, string>) => {
    const common = { GATEWAY_ID: id, NATS_URL: nats.urls.join(","), REPLICA_COUNT: "3" };
    const telemetry = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
    servers.set(id, await startServer({ env: { ...common, ...telemetry, ...env } }));
  };
  await start("plane", { PARTS: "controlplane" });
  const gateway = { PARTS: "gateway" };
  await Promise.all([start("east", gateway), start("west", gateway)]);
}, 120_000);

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.close()));
  receiver?.close();
  await nats?.stop();
});

/** Two members of a room, the first at east, the second at west. */
async function joinBoth(room: string, isPython: boolean): Promise<TracedMember[]> {
  const urls = ["east", "west"].map((id) => servers.get(id)?.url ?? "");
  const join = isPython ? joinPython : joinTypeScript;
  return await Promise.all([
    joinTypeScript(urls[0] ?? "", receiver, room),
    join(urls[1] ?? "", receiver, room),
  ]);
}

/** Publishes, waits for both, and gives the tree. */
async function follow(from: TracedMember, members: readonly TracedMember[]): Promise<SpanTree> {
  const words = `hello ${Math.random()}`;
  const traceId = await from.publish(words);
  await Promise.all(members.map((member) => member.has(words)));
  await receiver.until(() => receiver.trace(traceId).length >= SPAN_COUNT);
  return treeOf(receiver.trace(traceId));
}

function find(tree: SpanTree, name: string): SpanTree[] {
  return [...spansIn(tree)].filter((span) => span.name === name);
}

function attributesOf(tree: SpanTree, name: string): Record<string, unknown>[] {
  return find(tree, name).map((span) => span.attributes);
}

/** Each began no earlier than its parent; and inside a process ended no later, but at the bus. */
function checkTimes(tree: SpanTree): void {
  for (const span of spansIn(tree)) {
    expect(span.endNs).toBeGreaterThanOrEqual(span.startNs);
    for (const child of span.children) {
      expect(child.startNs + CLOCK_NS).toBeGreaterThanOrEqual(span.startNs);
      const isInside = /^(ingress|bus\.publish|fanout) /.test(child.name);
      if (isInside) expect(child.endNs).toBeLessThanOrEqual(span.endNs + CLOCK_NS);
    }
  }
}

/** The tree of a message in a class that came in at a gateway from one client. */
function expectedTree(name: string, from: string, at: string, members: [string, string]): string[] {
  const deliver = ["east", "west"].flatMap((gateway, i) => [
    `      ${gateway} bus.deliver ${name} CONSUMER`,
    `        ${gateway} fanout ${name} PRODUCER`,
    `          ${members[i]} receive ${name} CONSUMER`,
  ]);
  return [
    `${from} publish ${name} PRODUCER`,
    `  ${at} ingress ${name} SERVER`,
    `    ${at} bus.publish ${name} PRODUCER`,
    ...deliver,
  ];
}

test("a durable message from TypeScript: its tree, links, attributes and times", async (context) => {
  const isPython = existsSync(PYTHON);
  if (!isPython) context.skip("no Python environment (python3 with venv)");
  const members = await joinBoth("chat:traced", isPython);
  const [first] = members;
  if (first === undefined) throw new Error("no member");
  const tree = await follow(first, members);
  const both: [string, string] = ["typescript-client", "python-client"];
  expect(drawTree(tree)).toEqual(expectedTree("chat", "typescript-client", "east", both));
  checkTimes(tree);

  const [sent] = find(tree, "bus.publish chat");
  const id = tree.attributes["messaging.message.id"];
  expect(id).toMatch(/^1\.\d+\.\d+$/);
  for (const span of spansIn(tree)) {
    expect(span.attributes).toMatchObject({
      "messaging.system": "tidegate",
      "messaging.destination.name": "chat:traced",
      "messaging.destination.template": "chat:*",
    });
    expect(span.error).toBeNull();
    const isLinked = /^(bus\.deliver|receive) /.test(span.name);
    expect(span.links.map((link) => link.spanId)).toEqual(isLinked ? [sent?.spanId] : []);
  }
  const ids = ["publish chat", "bus.publish chat", "bus.deliver chat", "receive chat"].flatMap(
    (name) => attributesOf(tree, name).map((found) => found["messaging.message.id"]),
  );
  expect(ids).toEqual(Array(6).fill(id));
  for (const found of attributesOf(tree, "fanout chat")) {
    expect(found).toMatchObject({ "tidegate.fanout.recipients": 1, "tidegate.fanout.skipped": 0 });
  }
  const sizes = ["publish chat", "ingress chat", "receive chat"].flatMap((name) =>
    attributesOf(tree, name).map((found) => found["messaging.message.body.size"]),
  );
  expect(new Set(sizes).size).toBe(1);
}, 60_000);

test("a call of the control plane: a child of who asks, with its status", async () => {
  const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  const metadata = new Metadata();
  metadata.set("traceparent", `00-${traceId}-${spanId}-01`);
  const address = servers.get("plane")?.grpc ?? "";
  const client = new GatewayServiceClient(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const request = { pageSize: 10, pageToken: "" };
  const { gateways } = await new Promise<ListGatewaysResponse>((resolve, reject) => {
    client.listGateways(request, metadata, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  });
  expect(gateways.map(({ name }) => name)).toContain("gateways/east");
  await receiver.until(() => receiver.trace(traceId).length > 0);
  const [span] = receiver.trace(traceId);
  expect(span).toMatchObject({
    name: "tidegate.control.v1.GatewayService/ListGateways",
    kind: "SERVER",
    parentSpanId: spanId,
    error: null,
  });
  expect(span?.resource["service.instance.id"]).toBe("plane");
  expect(span?.attributes["rpc.response.status_code"]).toBe("OK");
});

test("an ephemeral message, and one from Python: the same tree", async (context) => {
  const isPython = existsSync(PYTHON);
  if (!isPython) context.skip("no Python environment (python3 with venv)");
  const members = await joinBoth("live:traced", isPython);
  const [, second] = members;
  if (second === undefined) throw new Error("no member");
  const tree = await follow(second, members);
  const both: [string, string] = ["typescript-client", "python-client"];
  expect(drawTree(tree)).toEqual(expectedTree("live", "python-client", "west", both));
  checkTimes(tree);
}, 60_000);
