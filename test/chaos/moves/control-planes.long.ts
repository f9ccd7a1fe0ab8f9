/**
 * A shard is drained through real control planes while they die: the one that leads, then all of
 * them for a real minute, while publishers and members go on and others come.
 */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ShardState } from "../../../proto/gen/tidegate/control/v1/shard.ts";
import {
  DrainShardRequest,
  ShardServiceClient,
} from "../../../proto/gen/tidegate/control/v1/shard_service.ts";
import type { ServerProcess } from "../server-process.ts";
import { MoveStage, until } from "./stage.ts";

const rowCount = 8;
/** All control planes are away for so long, ms. */
const AWAY_MS = 60_000;
/** Moves of a shard's slots follow one another; on a busy machine each takes half a second. */
const DRAIN_MS_MAX = 150_000;
let stage: MoveStage;
let servers: readonly ServerProcess[];

beforeAll(async () => {
  stage = await MoveStage.start(rowCount);
  servers = [stage.world.controlPlane, await stage.world.addControlPlane("cp-other")];
}, 120_000);

afterAll(async () => {
  await stage?.close();
});

const name = "groups/0/shards/0";

async function drain(address: string): Promise<void> {
  const client = new ShardServiceClient(address, credentials.createInsecure());
  const request = { ...DrainShardRequest.decode(new Uint8Array()), name };
  await new Promise<void>((resolve, reject) => {
    client.drainShard(request, (error) => (error === null ? resolve() : reject(error)));
  }).finally(() => client.close());
}

async function stateOf(address: string): Promise<ShardState | null> {
  const client = new ShardServiceClient(address, credentials.createInsecure());
  const state = await new Promise<ShardState | null>((resolve) => {
    client.getShard({ name }, (error, answer) => {
      resolve(error === null ? (answer.shard?.state ?? null) : null);
    });
  });
  client.close();
  return state;
}

test("DrainShard: its leader dies, then all control planes for a minute; it is drained", async () => {
  const { room, slot } = stage.row(0);
  const all = await stage.slotCount(0);
  await drain(servers[0]?.grpc ?? "");
  await until("the first slots to have moved", async () => (await stage.slotCount(0)) < all - 3);
  const leader = await stage.leader();
  const leading = servers.find((server) => server.name === leader);
  expect(leading).toBeDefined();
  await leading?.end("SIGKILL");
  const left = await stage.slotCount(0);
  const isGoingOn = async () => (await stage.slotCount(0)) < Math.max(1, left - 3);
  await until("the next leader to go on", isGoingOn, DRAIN_MS_MAX);

  await Promise.all(servers.map((server) => server.end("SIGKILL")));
  const endMs = performance.now() + AWAY_MS;
  for (let turn = 0; performance.now() < endMs; turn += 1) {
    const before = stage.ackedCount;
    await until("acks while no control plane is there", () => stage.ackedCount > before + 100);
    if (turn === 0) await stage.addConsumer("c-late");
  }
  await Promise.all(servers.map((server) => server.start()));
  const isRetired = async () => (await stateOf(servers[1]?.grpc ?? "")) === ShardState.RETIRED;
  await until("the shard to be retired", isRetired, DRAIN_MS_MAX);
  expect(await stage.slotCount(0)).toBe(0);
  await stage.records.read(slot);
  expect(stage.records.last(slot)?.shard).not.toBe(0);
  expect(stage.ackedEpochs({ ...stage.row(0), room })).toEqual([1, 2]);
}, 400_000);

test("whoever published and listened meanwhile: all once, in order, nothing unknown", async () => {
  const { counts, violations } = await stage.judge();
  console.info(JSON.stringify(counts));
  expect(violations.slice(0, 20)).toEqual([]);
  expect(counts).toMatchObject({ unknown: 0, failed: 0, missing: 0, doubled: 0, reordered: 0 });
}, 90_000);
