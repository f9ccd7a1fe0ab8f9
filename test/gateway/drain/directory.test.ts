/** Where a gateway's picture of the others comes from: the control plane's list, or the leases. */
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../gateway/clock.ts";
import { Addresses } from "../../../gateway/control-link/addresses.ts";
import { Directory } from "../../../gateway/drain/directory.ts";
import {
  GatewayFacts,
  ServingState,
} from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { StreamRoutingResponse } from "../../../proto/gen/tidegate/control/v1/routing_service.ts";

const nobody = () => {};
const silentLog = { debug: nobody, info: nobody, warn: nobody, error: nobody };
const nothing = StreamRoutingResponse.decode(new Uint8Array(0));
const room = { connectionCount: 1, connectionCountMax: 10, cpuShare: 0, connectRate: 0 };

const listing = (...ids: string[]): StreamRoutingResponse => ({
  ...nothing,
  allGateways: true,
  gateways: ids.map((id) => ({
    ...{ name: `gateways/${id}`, advertiseUrl: `ws://${id}/ws`, region: "", accepting: true },
    ...{ ...room, version: "0.3.0" },
  })),
});

/** A gateway "own" on a bus where a gateway "leased" is. */
function setUp(addresses: Addresses) {
  const reads = { count: 0 };
  const facts = {
    ...GatewayFacts.decode(new Uint8Array(0)),
    ...{ ...room, advertiseUrl: "ws://leased/ws", state: ServingState.SERVING },
  };
  const processes = async () => {
    reads.count += 1;
    return [
      {
        ...{ id: "leased", parts: "gateway" as const, incarnation: "x", host: "h", pid: 1 },
        ...{ version: "1.0.0", startedUs: 0, renewedUs: systemClock.nowUs(), expiresUs: null },
        ...{ routingRevision: 0, facts: GatewayFacts.encode(facts).finish() },
      },
    ];
  };
  const sources = { bus: { topology: { processes } }, addresses, clock: systemClock };
  const directory = new Directory(
    { ...sources, log: silentLog },
    { id: "own", region: "", url: "ws://own/ws" },
  );
  onTestFinished(() => directory.close());
  return { directory, reads };
}

test("listed by a control plane: nobody's lease is read, and changes are taken at once", () => {
  const addresses = new Addresses();
  addresses.take(listing("own", "a"));
  const { directory, reads } = setUp(addresses);
  expect(directory.targets).toEqual(["ws://a/ws"]);
  addresses.take(listing("own", "a", "b"));
  expect(directory.peers.map(({ id }) => id)).toEqual(["a", "b"]);
  expect([...directory.targets].sort()).toEqual(["ws://a/ws", "ws://b/ws"]);
  expect(reads.count).toBe(0);
});

test("no control plane heard: the leases are read; a list does not replace what was just read", async () => {
  const addresses = new Addresses();
  const { directory, reads } = setUp(addresses);
  await directory.refresh(60_000);
  expect(reads.count).toBe(1);
  expect(directory.targets).toEqual(["ws://leased/ws"]);
  addresses.take(listing("own", "a"));
  expect(directory.peers.map(({ id }) => id)).toEqual(["leased"]);
});

test("refresh: reads the leases although a control plane lists, for who drains", async () => {
  const addresses = new Addresses();
  addresses.take(listing("own", "a"));
  const { directory, reads } = setUp(addresses);
  await directory.refresh(5000);
  expect(reads.count).toBe(1);
  expect(directory.peers.map(({ id }) => id)).toEqual(["leased"]);
});
