/**
 * Balance after a scale-out: two real control planes, one of which leads, real gateways and SDK
 * clients in a room. A gateway that is added gets its part, gently, and nobody misses anything.
 *
 * Clients come through one address, behind which the gateways are, as behind a load balancer: who
 * connected before the scale-out has no other address of the new gateway.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { text } from "../../sdk/typescript/codec.ts";
import { connect } from "../../sdk/typescript/connect.ts";
import { type Server, startServer } from "../start-server.ts";
import { healthOf, startGateway, waitForTargets } from "./drain-tools.ts";
import { startTestNats } from "./start-nats.ts";

const CLIENT_COUNT = 180;
/** Reconnects a second that the balance may cause. */
const RATE_MAX = 10;
/** A gateway gets clients when it is a minute old; then come turns of 10 s. */
const BALANCED_MS_MAX = 180_000;
const room = "chat:balanced";

/** One port for gateways: a connection goes to the one that has the fewest. */
async function openBalancer(servers: readonly Server[]): Promise<string> {
  const counts = new Map<Server, number>();
  const listener = createServer((client) => {
    const [server] = [...servers].sort((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0));
    if (server === undefined) throw new Error("no gateway");
    counts.set(server, (counts.get(server) ?? 0) + 1);
    const gateway = dial(server.port, "127.0.0.1");
    gateway.pipe(client).pipe(gateway);
    for (const end of [client, gateway]) end.on("error", () => gateway.destroy()); // and so both
    gateway.on("close", () => client.destroy());
    client.on("close", () => {
      gateway.destroy();
      counts.set(server, (counts.get(server) ?? 0) - 1);
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  onTestFinished(() => void listener.close());
  return `ws://127.0.0.1:${(listener.address() as AddressInfo).port}/ws`;
}

async function openMember(url: string) {
  const client = await connect(url, { codec: text });
  onTestFinished(() => client.close());
  const member = { client, words: [] as string[], openTimesMs: [] as number[], gapCount: 0 };
  client.onStatus(({ state }) => {
    if (state === "open") member.openTimesMs.push(performance.now());
  });
  const joined = await client.join(room);
  void (async () => {
    for await (const event of joined) {
      if (event.type === "gap") member.gapCount += 1;
      if (event.type === "message") member.words.push(event.payload);
    }
  })();
  return member;
}

test("a gateway that is added gets its part at a pace; nobody moves twice, nothing is lost", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const startPlane = async (id: string) => {
    const env = { PARTS: "controlplane", NATS_URL: nats.urls.join(","), GATEWAY_ID: id };
    const server = await startServer({ env: { ...env, BALANCE_RATE_MAX: String(RATE_MAX) } });
    onTestFinished(() => server.close());
  };
  await Promise.all([startPlane("cp-1"), startPlane("cp-2")]);
  const env = (id: string) => ({ GATEWAY_ID: id, PARTS: "gateway" });
  const servers: Server[] = [
    await startGateway(nats.urls, env("gw-1")),
    await startGateway(nats.urls, env("gw-2")),
  ];
  const url = await openBalancer(servers);
  const members = await Promise.all(Array.from({ length: CLIENT_COUNT }, () => openMember(url)));
  servers.push(await startGateway(nats.urls, env("gw-3")));
  await waitForTargets(servers);
  let sentCount = 0;
  let isStopped = false;
  const publishing = (async () => {
    while (!isStopped) {
      await members[0]?.client.publish(room, String(sentCount));
      sentCount += 1;
    }
  })();
  const counts = () =>
    Promise.all(servers.map(async (server) => (await healthOf(server)).connections));
  const part = CLIENT_COUNT / servers.length;
  // It ends when every gateway is within a tenth of its part, or 20 clients.
  await vi.waitUntil(async () => ((await counts())[2] ?? 0) > part - 20, {
    timeout: BALANCED_MS_MAX,
    interval: 1000,
  });
  isStopped = true;
  await publishing;
  await vi.waitUntil(() => members.every(({ words }) => words.length >= sentCount), {
    timeout: 30_000,
  });
  const wanted = Array.from({ length: sentCount }, (_, i) => String(i));
  for (const { words, gapCount } of members) {
    expect(words).toEqual(wanted);
    expect(gapCount).toBe(0);
  }
  const after = await counts();
  expect(after.reduce((sum, each) => sum + each, 0)).toBe(CLIENT_COUNT);
  for (const count of after) expect(Math.abs(count - part)).toBeLessThanOrEqual(20);
  const moves = members.map(({ openTimesMs }) => openTimesMs.length);
  expect(Math.max(...moves)).toBe(1);
  const times = members.flatMap(({ openTimesMs }) => openTimesMs).sort((a, b) => a - b);
  expect(times.length).toBeLessThanOrEqual(part + 1);
  // A lower bound, which no slow machine can break.
  const tookMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  expect(tookMs).toBeGreaterThan(((times.length / RATE_MAX) * 1000) / 2);
}, 300_000);
