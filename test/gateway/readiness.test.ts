/**
 * R12 at the door: a gateway that may not publish takes no clients, but for a moment's wait. And
 * what probes are told meanwhile.
 */
import { expect, onTestFinished, test, vi } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import type { KeyValue } from "../../bus/key-value.ts";
import { freePorts } from "../../deploy/nats/node.ts";
import { wrapMethods } from "../controlplane/start-control-plane.ts";
import { RawClient } from "./raw-client.ts";
import { openTestGateway, testGateway } from "./start-gateway.ts";

/** A gateway whose bus says what `isConnected` says. */
async function gatewayWith(isConnected: () => boolean) {
  const wrapBus = (bus: Bus): Bus =>
    new Proxy(bus, {
      get(target, name) {
        if (name === "status") {
          return () => ({ isConnected: isConnected(), detail: "the lease is being renewed" });
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  return testGateway({ wrapBus });
}

async function ask(port: number, path: string): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return [response.status, (await response.text()).trim()];
}

test("Hello: waits for a bus that comes back soon, and is answered then", async () => {
  let lookCount = 0;
  const { port } = await gatewayWith(() => {
    lookCount += 1;
    return lookCount > 5;
  });
  const client = await RawClient.open(port);
  expect(client.welcome?.protocol).toBe(1);
  expect(lookCount).toBeGreaterThan(5);
});

test("Hello: a bus that stays away closes with a code that reconnects; /readyz says 503", async () => {
  let isConnected = true;
  const { port } = await gatewayWith(() => isConnected);
  const early = await RawClient.open(port);
  isConnected = false;
  const late = new RawClient(port);
  await late.opened();
  late.hello();
  const { code, reason } = await late.closed;
  expect(code).toBe(4006);
  expect(reason).toContain("GATEWAY_NOT_READY");
  expect(await ask(port, "/readyz")).toEqual([503, "degraded"]);
  expect(await ask(port, "/livez")).toEqual([200, "ok"]);
  await early.settle(); // who is here stays
  isConnected = true;
  await (await RawClient.open(port)).settle();
  expect(await ask(port, "/readyz")).toEqual([200, "ok"]);
});

test("at CONNECTION_COUNT_MAX: not ready, alive, and ready again when one has gone", async () => {
  const { port, client } = await testGateway({ options: { connectionCountMax: 2 } });
  const first = await client();
  expect(await ask(port, "/readyz")).toEqual([200, "ok"]);
  await client();
  expect(await ask(port, "/readyz")).toEqual([503, "full"]);
  const health = await fetch(`http://127.0.0.1:${port}/health`);
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({
    ...{ status: "full", connections: 2, connections_max: 2 },
    ready: { bus: true, configuration: true, not_draining: true, below_connection_limit: false },
  });
  expect(await ask(port, "/livez")).toEqual([200, "ok"]);
  await first.close();
  await vi.waitFor(async () => expect(await ask(port, "/readyz")).toEqual([200, "ok"]));
});

test("before its configuration has come nobody is answered; then it is ready", async () => {
  const [port = 0] = await freePorts(1);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: asked, resolve: tellAsked } = Promise.withResolvers<void>();
  /** All records come, but not the word that these were all. */
  const late = (keys: KeyValue) =>
    wrapMethods(keys, {
      watch: (...[prefixes, handlers]: Parameters<KeyValue["watch"]>) =>
        keys.watch(prefixes, {
          ...handlers,
          onSynced: () => {
            tellAsked();
            void released.then(() => handlers.onSynced());
          },
        }),
    });
  const wrapBus = (bus: Bus) =>
    wrapMethods(bus, { keyValue: async (name: string) => late(await bus.keyValue(name)) });
  const starting = openTestGateway({ options: { port }, wrapBus });
  await asked;
  await testGateway(); // one that waits for nothing has begun later, and listens now
  await expect(ask(port, "/readyz")).rejects.toThrow("fetch failed");
  release();
  const { close } = await starting;
  onTestFinished(close);
  expect(await ask(port, "/readyz")).toEqual([200, "ok"]);
});
