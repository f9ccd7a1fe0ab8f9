/** What a running gateway says of itself in the list of processes. */
import { expect, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { Announcer } from "../../../gateway/facts/announcer.ts";
import {
  GatewayFacts,
  ServingState,
} from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { testGateway } from "../start-gateway.ts";

async function factsOf(bus: Bus): Promise<GatewayFacts> {
  const [own] = await bus.topology.processes();
  return GatewayFacts.decode(own?.facts ?? new Uint8Array(0));
}

test("a gateway says region, limits and that it serves; when it closes, that it has stopped", async () => {
  const options = { region: "eu-west-1", connectionCountMax: 77 };
  const { bus, gateway } = await testGateway({ options });
  expect(await factsOf(bus)).toMatchObject({
    ...{ region: "eu-west-1", connectionCountMax: 77, state: ServingState.SERVING },
    ...{ connectionCount: 0, roomCount: 0, memberCount: 0, advertiseUrl: "" },
  });
  await gateway.close();
  expect((await factsOf(bus)).state).toBe(ServingState.STOPPED);
});

test("a change of the state is said at once, with the counts of now, and rates are per second", async () => {
  const { bus } = await testGateway();
  const facts = {
    ...{ region: "", advertiseUrl: "", connectionCount: 3, connectionCountMax: 9 },
    ...{ roomCount: 2, memberCount: 5, configVersion: 4n, configAgeMs: 6 },
    ...{ configTrouble: "", rssBytes: 80n, slowConnectionCount: 1 },
  };
  const counts = { connected: 3, published: 50, delivered: 70 };
  const announcer = new Announcer(bus, { facts: () => facts, counts: () => counts });
  const first = await factsOf(bus);
  expect(first).toMatchObject({ ...facts, state: ServingState.SERVING });
  expect(first.publishRate / first.connectRate).toBeCloseTo(50 / 3, 6);
  expect(first.deliveryRate / first.connectRate).toBeCloseTo(70 / 3, 6);
  expect(first.cpuShare).toBeLessThanOrEqual(1);
  facts.connectionCount = 2;
  announcer.setState(ServingState.DRAINING);
  expect(announcer.state).toBe(ServingState.DRAINING);
  expect(await factsOf(bus)).toMatchObject({ connectionCount: 2, state: ServingState.DRAINING });
  announcer.close();
});
