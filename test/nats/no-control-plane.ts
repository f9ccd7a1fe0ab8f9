/**
 * A time without any control plane: no connection drops, joins and publishes go on, and a change is
 * refused as UNAVAILABLE until one is back.
 */
import { credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, vi } from "vitest";
import { OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import { OperationServiceClient } from "../../proto/gen/tidegate/control/v1/operation_service.ts";
import { SlotServiceClient } from "../../proto/gen/tidegate/control/v1/slot_service.ts";
import { endOf } from "../controlplane/operations/wait-operation.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats } from "./start-nats.ts";

const wish = { etag: "", validateOnly: false, requestId: "", pin: false };

/** Kills all control planes for so long, ms, under members that publish and others that come. */
export async function killControlPlanesFor(awayMs: number): Promise<void> {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const start = async (parts: string, id: string): Promise<Server> => {
    const env = { PARTS: parts, NATS_URL: nats.urls.join(","), GATEWAY_ID: id, SHARD_COUNT: "2" };
    const server = await startServer({ env: { ...env, LOG_LEVEL: "warn" } });
    onTestFinished(() => server.close());
    return server;
  };
  const gateway = await start("gateway", "gw");
  const planes = [await start("controlplane", "cp-1"), await start("controlplane", "cp-2")];
  const members = await Promise.all([1, 2, 3].map(() => RawClient.open(gateway.port)));
  const joined = await Promise.all(members.map((member) => member.join("chat:steady")));
  let closedCount = 0;
  for (const { socket } of members) socket.on("close", () => (closedCount += 1));

  // Nobody is left who could do it: a change is refused, and asked for again later.
  const [first] = planes.map(({ grpc }) => clientsOf(grpc));
  const name = "groups/0/slots/7";
  const moving = { ...wish, name, shard: "groups/0/shards/0" }; // slot 7 began on shard 1
  await Promise.all(planes.map((plane) => plane.kill()));
  const refused = call(first?.slots ?? never(), first?.slots.moveSlot ?? never(), moving);
  await expect(refused).rejects.toMatchObject({ code: 14 }); // UNAVAILABLE, nothing half done

  const startedMs = performance.now();
  let seq = 0;
  while (performance.now() - startedMs < awayMs) {
    seq += 1;
    for (const [i, member] of members.entries()) {
      member.publish({ room: "chat:steady", seq, payload: `${i}:${seq}` });
    }
    const late = await RawClient.open(gateway.port);
    expect((await late.join(`chat:late-${seq}`)).roomAlias).toBeGreaterThan(0);
    await late.close();
    await vi.waitUntil(() => performance.now() - startedMs >= seq * 1000, { timeout: 10_000 });
  }
  expect(seq).toBeGreaterThanOrEqual(awayMs / 2000);
  const texts = await members[0]?.texts(joined[0]?.roomAlias ?? 0, seq * members.length);
  expect(new Set(texts).size).toBe(seq * members.length);
  expect(closedCount).toBe(0);

  const back = await start("controlplane", "cp-3");
  const { slots, operations } = clientsOf(back.grpc);
  const { operation } = await call(slots, slots.moveSlot, moving);
  const ended = await endOf(operations, operation?.name ?? "");
  expect(ended).toMatchObject({ state: OperationState.SUCCEEDED, doneCount: 1 });
  expect(closedCount).toBe(0);
  for (const member of members) await member.close();
}

function clientsOf(address: string) {
  const slots = new SlotServiceClient(address, credentials.createInsecure());
  const operations = new OperationServiceClient(address, credentials.createInsecure());
  onTestFinished(() => {
    slots.close();
    operations.close();
  });
  return { slots, operations };
}

function never(): never {
  throw new Error("there is one");
}
