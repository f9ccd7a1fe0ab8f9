/** A gateway that is full, and what a client hears that comes then. */
import { expect, test, vi } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import type { ProcessEntry } from "../../../bus/topology.ts";
import {
  GatewayFacts,
  ServingState,
} from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { RawClient } from "../raw-client.ts";
import { testGateway } from "../start-gateway.ts";

/** Another gateway's lease. */
function entryOf(id: string, connectionCount: number): ProcessEntry {
  const facts = {
    ...GatewayFacts.decode(new Uint8Array(0)),
    ...{ state: ServingState.SERVING, connectionCount, connectionCountMax: 100 },
    advertiseUrl: `wss://${id}.example/ws`,
  };
  return {
    ...{ id, parts: "gateway", incarnation: "x", host: "h", pid: 1, version: "1.0.0" },
    ...{ startedUs: 0, renewedUs: Date.now() * 1000, expiresUs: null, routingRevision: 0 },
    facts: GatewayFacts.encode(facts).finish(),
  };
}

/** A gateway with one place, which is taken, beside others. */
async function openFull(others: readonly ProcessEntry[]) {
  let readCount = 0;
  const wrapBus = (bus: Bus): Bus => {
    const processes = async () => {
      readCount += 1;
      return others;
    };
    Object.defineProperty(bus.topology, "processes", { value: processes });
    return bus;
  };
  const gateway = await testGateway({ options: { connectionCountMax: 1 }, wrapBus });
  await gateway.client();
  await vi.waitUntil(() => readCount > 0);
  return async () => {
    const client = new RawClient(gateway.port);
    const { code, reason } = await client.closed;
    const target = client.frames.flatMap((each) =>
      each.$case === "redirect" ? [each.value.target] : [],
    );
    return { code, reason, target, last: client.frames.at(-1) };
  };
}

test("full: a client is told where there is room, then why, and closed with 1013", async () => {
  const refusal = await openFull([entryOf("full", 100), entryOf("free", 20)]);
  for (let i = 0; i < 3; i += 1) {
    expect(await refusal()).toMatchObject({
      ...{ code: 1013, reason: "TOO_MANY_CONNECTIONS", target: ["wss://free.example/ws"] },
      last: {
        $case: "error",
        value: { code: "TOO_MANY_CONNECTIONS", limit: "connections-per-gateway", limitValue: 1n },
      },
    });
  }
});

test("full: nobody is sent to a gateway whose last places were given away already", async () => {
  const refusal = await openFull([entryOf("nearly", 98)]);
  const targets = [await refusal(), await refusal(), await refusal(), await refusal()];
  expect(targets.map(({ target }) => target.length)).toEqual([1, 1, 0, 0]);
  expect(targets.map(({ code }) => code)).toEqual([1013, 1013, 1013, 1013]);
});
