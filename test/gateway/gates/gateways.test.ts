/**
 * Clients that not every gateway fits, on a gateway that sends its clients away: the others are
 * made up, since only what they say of themselves counts.
 */
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import type { ProcessEntry } from "../../../bus/topology.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { gateKey } from "../../../proto/gates/names.ts";
import { DrainOrder } from "../../../proto/gen/tidegate/bus/v1/drain.ts";
import {
  GatewayFacts,
  ServingState,
} from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { VersionGate } from "../../../proto/gen/tidegate/control/v1/version_gate.ts";
import { wrapMethods } from "../../controlplane/start-control-plane.ts";
import { gateRecord } from "../../proto/gates/gate-tools.ts";
import type { RawClient } from "../raw-client.ts";
import { testGateway } from "../start-gateway.ts";

const url = (id: string) => `ws://${id}.example/ws`;
const build = (version: string) => ({ name: "game", version, platform: "ios" });

/** Another gateway that takes clients. */
function other(id: string, version: string): ProcessEntry {
  const facts = {
    ...GatewayFacts.decode(new Uint8Array(0)),
    ...{ advertiseUrl: url(id), state: ServingState.SERVING, connectionCountMax: 1000 },
  };
  const nowUs = Date.now() * 1000;
  return {
    ...{ id, version, parts: "gateway", incarnation: id, host: "h", pid: 1, startedUs: nowUs },
    ...{ renewedUs: nowUs, expiresUs: null, routingRevision: 0 },
    facts: GatewayFacts.encode(facts).finish(),
  };
}

/** A gateway beside an older and a newer one; clients of 2.0.0 and later need the newer. */
async function beside(...others: ProcessEntry[]) {
  const wrapBus = (bus: Bus) =>
    wrapMethods(bus, {
      topology: wrapMethods(bus.topology, { processes: async () => others }),
    });
  const gateway = await testGateway({ wrapBus, parts: { gatewayId: "tidegate" } });
  const gate = gateRecord({ client: "game", versions: ">=2.0.0", gateways: ">=0.3.0" });
  const keys = await gateway.bus.keyValue(CONTROL_BUCKET);
  await keys.create(gateKey("new"), VersionGate.encode(gate).finish());
  const order = (each: NonNullable<DrainOrder["order"]>) => {
    const body = DrainOrder.encode({ order: each }).finish();
    return gateway.bus.ask("tidegate", "drain", body, 2000);
  };
  onTestFinished(() => void order({ $case: "undo", value: { drain: "" } }).catch(() => {}));
  const clients = async (version: string, count: number): Promise<RawClient[]> =>
    Promise.all(Array.from({ length: count }, () => gateway.client({ build: build(version) })));
  return { gateway, order, clients };
}

const drainOrder = {
  ...{ drain: "d", announceMs: 0, deadlineMs: 20_000, connectionsPerSecondMax: 0 },
};

test("targets: Welcome names to a client the gateways that fit it", async () => {
  const { clients } = await beside(other("old", "0.2.9"), other("new", "0.3.0"));
  const [[old], [recent]] = [await clients("1.0.0", 1), await clients("2.0.0", 1)];
  expect(old?.welcome?.targets.toSorted()).toEqual([url("new"), url("old")]);
  expect(recent?.welcome?.targets).toEqual([url("new")]);
});

test("drain: each client goes to a gateway that fits it, also when most do not fit the larger", async () => {
  const { clients, order } = await beside(other("old", "0.2.9"), other("new", "0.3.0"));
  const [old, recent] = [await clients("1.0.0", 30), await clients("2.0.0", 30)];
  await order({ $case: "start", value: drainOrder });
  const toldTo = (all: RawClient[]) =>
    Promise.all(all.map(async (client) => (await client.next("goAway")).target));
  expect(new Set(await toldTo(recent))).toEqual(new Set([url("new")]));
  expect(new Set(await toldTo(old))).toEqual(new Set([url("old"), url("new")]));
});

test("drain: who fits none of the others is not told to go, and the rest is", async () => {
  const { clients, order } = await beside(other("old", "0.2.9"));
  const [recent, old] = [await clients("2.0.0", 5), await clients("1.0.0", 5)];
  expect(recent[0]?.welcome?.targets).toEqual([]);
  await order({ $case: "start", value: drainOrder });
  await Promise.all(old.map((client) => client.next("goAway")));
  await Promise.all(recent.map((client) => client.settle()));
  const told = recent.flatMap(({ frames }) => frames.filter(({ $case }) => $case === "goAway"));
  expect(told).toEqual([]);
});

test("balance: the wanted number of clients moves, of those that fit", async () => {
  const { clients, order } = await beside(other("old", "0.2.9"));
  const [recent, old] = [await clients("2.0.0", 5), await clients("1.0.0", 5)];
  await order({ $case: "shed", value: { count: 3, connectionsPerSecondMax: 0 } });
  const isTold = ({ frames }: RawClient) => frames.some(({ $case }) => $case === "goAway");
  await Promise.all(old.slice(0, 3).map((client) => client.next("goAway")));
  await Promise.all([...recent, ...old].map((client) => client.settle()));
  expect([old.filter(isTold).length, recent.filter(isTold).length]).toEqual([3, 0]);
});
