/** ShardService over real gRPC on the embedded bus, which has one shard. */
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { appendMany, newRoom } from "../bus/contract-tools.ts";
import { call, refusal, testControlPlane, wrapMethods } from "./start-control-plane.ts";

test("ListShards: one shard with all slots, and the store's own numbers", async () => {
  const { shards: client, bus } = await testControlPlane();
  await appendMany(bus, newRoom(), 7);
  const request = { parent: "groups/0", pageSize: 0, pageToken: "" };
  const { shards, nextPageToken } = await call(client, client.listShards, request);
  expect(nextPageToken).toBe("");
  expect(shards).toMatchObject([
    {
      ...{ name: "groups/0/shards/0", slotCount: 1024, arrivingSlotCount: 0, trouble: "" },
      settings: { revision: 1, replicaCount: 1, retentionMs: 2_592_000_000n },
      status: { leader: "", messageCount: 7n, firstSequence: 1n, lastSequence: 7n },
    },
  ]);
  const { bytes = 0n, bytesMax = 0n } = shards[0]?.status ?? {};
  expect(bytes).toBeGreaterThan(0n);
  expect(bytesMax).toBe(shards[0]?.settings?.bytesMax);
  await appendMany(bus, newRoom(), 3);
  const { shard } = await call(client, client.getShard, { name: "groups/0/shards/0" });
  expect(shard?.status).toMatchObject({ messageCount: 10n, lastSequence: 10n });
});

const page = { pageSize: 0, pageToken: "" };

test("ShardService: unknown shards are NOT_FOUND, other groups and names are refused", async () => {
  const { shards: client } = await testControlPlane();
  const get = (name: string) => refusal(call(client, client.getShard, { name }));
  expect(await get("groups/0/shards/1")).toMatchObject({ grpc: status.NOT_FOUND });
  const invalid = { grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" };
  // It is there, but not in that group.
  expect(await get("groups/1/shards/0")).toMatchObject({ grpc: status.NOT_FOUND });
  expect(await get("groups/16/shards/0")).toMatchObject({ ...invalid, fields: ["name"] });
  const list = (parent: string) => call(client, client.listShards, { ...page, parent });
  expect(await refusal(list("groups/1"))).toMatchObject({ grpc: status.NOT_FOUND });
  expect(await refusal(list("groups"))).toMatchObject({ ...invalid, fields: ["parent"] });
  expect((await list("groups/-")).shards).toHaveLength(1);
});

test("ListShards: only the shards of the page are asked how they are", async () => {
  const asked: number[][] = [];
  const { shards: client } = await testControlPlane({}, (bus) =>
    wrapMethods(bus, {
      topology: wrapMethods(bus.topology, {
        shards: (numbers) => {
          asked.push([...numbers]);
          return bus.topology.shards(numbers);
        },
      }),
    }),
  );
  for (const each of [1, 2, 3]) {
    const { shard } = await call(client, client.createShard, {
      ...{ parent: "groups/0", shard: undefined, validateOnly: false, requestId: "" },
    });
    expect(shard?.name).toBe(`groups/0/shards/${each}`);
  }
  asked.length = 0;
  const wish = { parent: "groups/0", pageSize: 2, pageToken: "" };
  const first = await call(client, client.listShards, wish);
  expect(first.shards.map(({ name }) => name.at(-1))).toEqual(["0", "1"]);
  const next = { ...wish, pageToken: first.nextPageToken };
  const second = await call(client, client.listShards, next);
  expect(second.shards.map(({ name }) => name.at(-1))).toEqual(["2", "3"]);
  expect(second.nextPageToken).toBe("");
  expect(asked).toEqual([
    [0, 1],
    [2, 3],
  ]);
});
