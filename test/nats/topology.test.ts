/** The fleet as operators see it when not all is well: a dead process, a move, a lost stream. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { type NatsBus, openNatsBus } from "../../bus/nats/nats-bus.ts";
import { routeKey } from "../../bus/record-keys.ts";
import { encodeRoute, firstRoute, startSealing } from "../../bus/route.ts";
import { startControlPlane } from "../../controlplane/control-plane.ts";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { GatewayState } from "../../proto/gen/tidegate/control/v1/gateway.ts";
import { GatewayServiceClient } from "../../proto/gen/tidegate/control/v1/gateway_service.ts";
import { nowUs } from "../bus/contract-tools.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

/** Long enough to see a dead process's lease, short enough to wait for its end. */
const leaseTtlMs = 9000;
const shardCount = 4;
const firstShards = [0, 1, 2, 3];
let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 60_000);

afterAll(() => nats?.stop());

async function openBus(name: string): Promise<NatsBus> {
  const bus = await openNatsBus({ servers: nats.urls, name, leaseTtlMs, shardCount });
  onTestFinished(() => bus.close());
  return bus;
}

/** Another process with a lease; ends with the test. */
async function startOther(id: string): Promise<{ child: ChildProcess; exited: Promise<unknown> }> {
  const file = path.join(import.meta.dirname, "lease-child.ts");
  const args = [file, nats.urls.join(","), id, String(leaseTtlMs), "chat:topology"];
  const child = spawn(process.execPath, [...NODE_FLAGS, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  await once(child.stdout, "data"); // "held"
  return { child, exited };
}

/** The states of a process that a control plane on the bus shows, each as often as it changes. */
async function watchState(bus: NatsBus, id: string) {
  const ignore = () => {};
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const plane = await startControlPlane(bus, log, { port: 0 });
  const client = new GatewayServiceClient(plane.address, credentials.createInsecure());
  onTestFinished(async () => {
    client.close();
    await plane.close();
  });
  const seen: GatewayState[] = [];
  const look = async () => {
    const request = { pageSize: 0, pageToken: "" };
    const { gateways } = await call(client, client.listGateways, request);
    const state = gateways.find(({ name }) => name === `gateways/${id}`)?.state;
    if (state !== undefined && state !== seen.at(-1)) seen.push(state);
  };
  return { seen, look };
}

test("processes: a killed one is shown, silent at last, until its lease ends", async () => {
  const bus = await openBus("looker");
  const { child, exited } = await startOther("killed");
  const find = async () => {
    const all = await bus.topology.processes();
    expect(all.map(({ id }) => id)).toContain("looker");
    return all.find(({ id }) => id === "killed");
  };
  const alive = await find();
  expect(alive).toMatchObject({ pid: child.pid, parts: "gateway" });
  await vi.waitUntil(async () => (await find())?.renewedUs !== alive?.renewedUs, {
    timeout: 20_000,
    interval: 50,
  });
  child.kill("SIGKILL");
  await exited;
  const states = await watchState(bus, "killed");
  const dead = await find();
  expect(dead).toMatchObject({ pid: child.pid, incarnation: alive?.incarnation });
  expect((dead?.expiresUs ?? 0) - (dead?.renewedUs ?? 0)).toBe(leaseTtlMs * 1000);
  const shown: number[] = [];
  await vi.waitUntil(
    async () => {
      const now = await find();
      await states.look();
      if (now !== undefined) shown.push(now.renewedUs);
      return now === undefined;
    },
    { timeout: 40_000, interval: 50 },
  );
  expect(new Set(shown)).toEqual(new Set([dead?.renewedUs]));
  const { LIVE, SILENT } = GatewayState;
  expect([SILENT, `${LIVE},${SILENT}`].map(String)).toContain(states.seen.join());
}, 90_000);

test("slots: a move is shown while it goes on, and what it left behind", async () => {
  const bus = await openBus("mover");
  const slot = 6;
  await bus.advanceEpoch(slot, 3);
  expect(await bus.topology.slot(slot)).toMatchObject({
    ...{ state: "open", epoch: 2, shard: 3, targetShard: null },
    sealed: [{ epoch: 1, shard: 2, openedUs: 0, wentBackwards: false }],
  });
  const routing = await bus.keyValue(CONTROL_BUCKET);
  const sealing = startSealing(firstRoute(9, firstShards).record, 0, false, nowUs() + 60_000_000);
  await routing.create(routeKey(9), encodeRoute(sealing));
  const slots = await bus.topology.slots();
  expect(slots[9]).toMatchObject({ state: "sealing", epoch: 1, shard: 1, targetShard: 0 });
  expect(slots[9]?.deadlineUs).toBeGreaterThan(nowUs());
  expect(slots.filter(({ state }) => state !== "open").map((each) => each.slot)).toEqual([9]);
  const shards = await bus.topology.shards([0, 1, 2, 3]);
  expect(shards.map((each) => each.slots.length)).toEqual([256, 256, 255, 257]);
  expect(shards.map((each) => each.arrivingSlots)).toEqual([[9], [], [], []]);
});

test("shards: one whose stream is gone is shown with what is known, the others whole", async () => {
  const bus = await openBus("loser");
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  await (await jetstreamManager(connection)).streams.delete("TG_1");
  const shards = await bus.topology.shards([0, 1]);
  expect(shards[0]).toMatchObject({ trouble: "", store: "TG_0" });
  expect(shards[0]?.facts?.lastSeq).toBeGreaterThan(0);
  expect(shards[1]).toMatchObject({ facts: null, store: "TG_1", settings: { replicaCount: 1 } });
  expect(shards[1]?.trouble).toContain("stream not found");
});
