/**
 * WORKERS with DIRECT_PORT: each worker has an address of its own, a drained one leaves the shared
 * port to its siblings, and a signal to the parent drains them all.
 */
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { DrainOrder } from "../../proto/gen/tidegate/bus/v1/drain.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { freePort, startGateway } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 120_000);

afterAll(() => nats?.stop());

test("WORKERS, DIRECT_PORT: each is reached alone, moves to siblings, and drains by SIGTERM", async () => {
  const direct = await freePort(2);
  const env = { WORKERS: "2", DIRECT_PORT: `${direct}`, GATEWAY_ID: "many", ADVERTISE_URL: "" };
  const pair = await startGateway(nats.urls, { ...env, HOST: "127.0.0.1" });
  const other = await startGateway(nats.urls, { GATEWAY_ID: "other" });
  const urls = [direct, direct + 1].map((port) => `ws://127.0.0.1:${port}/ws`);
  const clients = await Promise.all(
    [direct, direct + 1].map((port, i) => {
      const open = async () => {
        const client = await RawClient.open(port);
        expect(client.welcome?.connectionId.startsWith(`many-${i + 1}-`)).toBe(true);
        const targets = client.welcome?.targets ?? [];
        if (targets.includes(urls[1 - i] ?? "") && targets.includes(other.url)) return client;
        client.socket.terminate();
        return null;
      };
      return vi.waitUntil(open, { timeout: 30_000, interval: 100 });
    }),
  );
  onTestFinished(() => {
    for (const client of clients) client.socket.terminate();
  });
  const [first, second] = clients;
  if (first === undefined || second === undefined) throw new Error("two clients");

  const bus = await openNatsBus({ servers: nats.urls, name: "orders" });
  onTestFinished(() => bus.close());
  const order = (value: DrainOrder["order"]) =>
    bus.ask("many-1", "drain", DrainOrder.encode({ order: value }).finish(), 5000);
  const start = { drain: "d", announceMs: 0, deadlineMs: 60_000, connectionsPerSecondMax: 0 };
  await order({ $case: "start", value: start });
  const { target } = await first.next("goAway");
  expect([urls[1], other.url]).toContain(target);
  for (let i = 0; i < 20; i += 1) {
    const client = await RawClient.open(pair.port); // none reaches the one that drains
    expect(client.welcome?.connectionId.startsWith("many-2-")).toBe(true);
    client.socket.terminate();
  }
  await order({ $case: "undo", value: { drain: "" } });
  for (let ids = new Set<string>(); ids.size < 2; ) {
    const client = await RawClient.open(pair.port); // it shares the port again
    ids = ids.add(client.welcome?.connectionId.slice(0, 6) ?? "");
    client.socket.terminate();
  }

  process.kill(pair.pid, "SIGTERM");
  const last = await second.next("goAway");
  expect([urls[0], other.url]).toContain(last.target);
  for (const client of clients) client.socket.close(1000);
  expect(await pair.ended).toBe(0);
}, 90_000);
