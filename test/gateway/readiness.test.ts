/** R12 at the door: a gateway that may not publish takes no clients, but for a moment's wait. */
import { expect, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { RawClient } from "./raw-client.ts";
import { testGateway } from "./start-gateway.ts";

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
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
  await early.settle(); // who is here stays
  isConnected = true;
  await (await RawClient.open(port)).settle();
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
});
