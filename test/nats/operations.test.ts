/**
 * Operations on a real NATS: the control plane moves slots, alone and as plans.
 */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { type ControlPlane, startControlPlane } from "../../controlplane/control-plane.ts";
import { OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import { OperationServiceClient } from "../../proto/gen/tidegate/control/v1/operation_service.ts";
import { SlotServiceClient } from "../../proto/gen/tidegate/control/v1/slot_service.ts";
import { appendMany, newRoom, readAll } from "../bus/contract-tools.ts";
import { endOf } from "../controlplane/operations/wait-operation.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 60_000);

afterAll(async () => {
  await nats?.stop();
});

const log = { debug: () => {}, info: () => {}, warn: console.log, error: console.log };

async function openPlane(
  name: string,
): Promise<{ plane: ControlPlane; bus: Awaited<ReturnType<typeof openNatsBus>> }> {
  const bus = await openNatsBus({ servers: nats.urls, name, replicaCount: 1, shardCount: 3 });
  const plane = await startControlPlane(bus, log, { port: 0, name });
  onTestFinished(async () => {
    await plane.close();
    await bus.close();
  });
  return { plane, bus };
}

const empty = { etag: "", validateOnly: false, requestId: "" };

test("MoveSlot: the slot is on the other shard, and its history is read over the move", async () => {
  const { plane, bus } = await openPlane("cp1");
  const slots = new SlotServiceClient(plane.address, credentials.createInsecure());
  const operations = new OperationServiceClient(plane.address, credentials.createInsecure());
  onTestFinished(() => {
    slots.close();
    operations.close();
  });
  const room = newRoom("moved");
  await appendMany(bus, room, 5);
  const name = `groups/0/slots/${room.slot}`;
  const shard = `groups/0/shards/${((room.slot % 3) + 1) % 3}`;
  const { operation } = await call(slots, slots.moveSlot, { ...empty, name, shard, pin: false });
  const ended = await endOf(operations, operation?.name ?? "");
  expect(ended).toMatchObject({ state: OperationState.SUCCEEDED, stepCount: 1, doneCount: 1 });
  expect((await call(slots, slots.getSlot, { name })).slot).toMatchObject({ shard, epoch: 2 });
  await appendMany(bus, room, 5);
  expect(await readAll(bus, room)).toHaveLength(10);
}, 60_000);
