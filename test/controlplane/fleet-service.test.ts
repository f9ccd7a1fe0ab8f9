/** FleetService over real gRPC, and the same numbers for autoscalers. */
import { credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { FleetServiceClient } from "../../proto/gen/tidegate/control/v1/fleet_service.ts";
import { GatewayFacts, ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { metricsText } from "../telemetry/metrics-text.ts";
import { call, testControlPlane } from "./start-control-plane.ts";

test("GetScaleAdvice: from what the gateway says of itself, and from its shard", async () => {
  const { plane, bus } = await testControlPlane({ scaleTriggerPercent: 50 });
  const client = new FleetServiceClient(plane.address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const silent = (await call(client, client.getScaleAdvice, {})).advice;
  expect(silent?.reasons).toContain("No gateway is there that could be measured.");
  const facts = {
    ...GatewayFacts.decode(new Uint8Array(0)),
    ...{ state: ServingState.SERVING, connectionCount: 90, connectionCountMax: 100 },
  };
  bus.topology.announce(GatewayFacts.encode(facts).finish());
  const { advice } = await call(client, client.getScaleAdvice, {});
  expect(advice).toMatchObject({ trigger: 0.5, gateways: { count: 1, wantedCount: 2 } });
  expect(advice?.shardParts).toMatchObject([{ name: "groups/0/shards/0" }]);
  const text = await metricsText([plane.collect]);
  expect(text).toContain('\ntidegate_gateways_wanted{gateway="test"} 2\n');
  const draining = { ...facts, state: ServingState.DRAINING };
  bus.topology.announce(GatewayFacts.encode(draining).finish());
  const drained = (await call(client, client.getScaleAdvice, {})).advice;
  expect(drained?.gatewayParts).toEqual([]);
});
