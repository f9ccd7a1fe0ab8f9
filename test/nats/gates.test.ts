/**
 * Version gates over two gateways on one NATS: one answer of all, one rule for all, and sibling
 * rooms that reach from one to the other.
 */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { startControlPlane } from "../../controlplane/control-plane.ts";
import { authenticateNone } from "../../gateway/auth/authenticate.ts";
import { startGateway } from "../../gateway/gateway.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { gateKey } from "../../proto/gates/names.ts";
import { GateAction, type VersionGate } from "../../proto/gen/tidegate/control/v1/version_gate.ts";
import { VersionGateServiceClient } from "../../proto/gen/tidegate/control/v1/version_gate_service.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { gateRecord } from "../proto/gates/gate-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const build = (version: string) => ({ name: "game", version, platform: "ios" });
const { REFUSE } = GateAction;

let nats: TestNats;
let gateways: Awaited<ReturnType<typeof startOne>>[];

beforeAll(async () => {
  nats = await startTestNats(1);
  gateways = [await startOne("one"), await startOne("two")];
}, 120_000);
afterAll(async () => {
  for (const { gateway, bus } of gateways ?? []) {
    await gateway.close();
    await bus.close();
  }
  await nats?.stop();
});

async function startOne(name: string) {
  const bus = await openNatsBus({ servers: nats.urls, name, parts: "gateway" }, log);
  const parts = { bus, log, authenticate: authenticateNone(), version: "0.1.0", gatewayId: name };
  return { bus, gateway: await startGateway(parts, { port: 0 }) };
}

/** A client of a gateway, 0 or 1. */
const open = (at: number, version: string) =>
  RawClient.open(gateways[at]?.gateway.port ?? 0, { build: build(version) });

/** Does something with a control plane, which is gone afterwards. */
async function withPlane<T>(use: (client: VersionGateServiceClient) => Promise<T>): Promise<T> {
  const bus = await openNatsBus({ servers: nats.urls, name: "plane", parts: "controlplane" }, log);
  const plane = await startControlPlane(bus, log, { port: 0 });
  const client = new VersionGateServiceClient(plane.address, credentials.createInsecure());
  try {
    return await use(client);
  } finally {
    client.close();
    await plane.close();
    await bus.close();
  }
}

function update(
  client: VersionGateServiceClient,
  fields: Partial<VersionGate>,
  validateOnly = false,
) {
  return call(client, client.updateVersionGate, {
    ...{ versionGate: gateRecord(fields), updateMask: ["*"], allowMissing: true, validateOnly },
    requestId: "",
  });
}

test("a dry run counts on all gateways; the change reaches all, and stays without control plane", async () => {
  const gate = { name: "gates/min", required: ">=2.1.0", action: REFUSE };
  const old = [await open(0, "2.0.0"), await open(1, "2.0.0"), await open(1, "2.0.9")];
  const recent = await open(1, "2.1.0");
  const impact = await withPlane(async (client) => {
    const dry = await update(client, gate, true);
    await update(client, gate);
    return dry.impact;
  });
  expect(impact).toMatchObject({ connectionCount: 4n, affectedCount: 3n, silentGateways: [] });
  expect(impact?.builds.map(({ version, connectionCount }) => [version, connectionCount])).toEqual([
    ["2.0.0", 2n],
    ["2.0.9", 1n],
  ]);
  const closed = await Promise.all(old.map((client) => client.closed));
  expect(closed.map(({ code }) => code)).toEqual([4507, 4507, 4507]);
  await recent.settle();
  for (const at of [0, 1]) await expect(open(at, "2.0.0")).rejects.toThrow(/closed/);
  recent.socket.terminate();
}, 60_000);

test("a record that is none is refused by all gateways, which keep the last good one", async () => {
  const keys = await gateways[0]?.bus.keyValue(CONTROL_BUCKET);
  const present = await keys?.get(gateKey("min"));
  const junk = Buffer.from("junk that nobody wrote by our code");
  await keys?.update(gateKey("min"), junk, present?.revision ?? 0);
  const isTold = () => gateways.every(({ gateway }) => gateway.stats().config.trouble !== "");
  await expect.poll(isTold, { timeout: 10_000 }).toBe(true);
  for (const at of [0, 1]) await expect(open(at, "2.0.0")).rejects.toThrow(/closed/);
}, 60_000);

test("builds of a set meet in the sibling over gateways, and others do not hear them", async () => {
  const sets = [{ name: "green", versions: ">=3.0.0" }];
  await withPlane((client) => update(client, { name: "gates/sets", roomClasses: ["live"], sets }));
  const has = () => gateways.every(({ gateway }) => gateway.stats().gates.count === 2);
  await expect.poll(has, { timeout: 10_000 }).toBe(true);
  const clients = [await open(0, "3.0.0"), await open(1, "3.1.0"), await open(1, "2.1.0")];
  const [first, second, blue] = await Promise.all(clients.map((each) => each.join("live:lobby")));
  expect([first, second, blue].map((joined) => joined?.sibling)).toEqual([
    ...["live:lobby~green", "live:lobby~green", ""],
  ]);
  for (const each of clients) await each.settle();
  const [anna, ben, carl] = clients as [RawClient, RawClient, RawClient];
  for (;;) {
    // Interest of the other gateway takes a moment to be known to NATS.
    anna.publish({ alias: first?.roomAlias ?? 0, payload: "hello" });
    await anna.settle();
    if (ben.messages(second?.roomAlias ?? 0).length > 0) break;
  }
  await carl.settle();
  expect(carl.messages(blue?.roomAlias ?? 0)).toEqual([]);
  for (const each of clients) each.socket.terminate();
}, 60_000);
