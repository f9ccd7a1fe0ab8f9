/**
 * Shards that come, change and go while processes run; and what is left when who changed them died.
 * A real nats-server.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { type NatsBus, openNatsBus } from "../../bus/nats/nats-bus.ts";
import { shardKey } from "../../bus/record-keys.ts";
import { decodeShardSettings, encodeShardSettings } from "../../bus/shard-record.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { ShardState } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { appendMany, codeOf, newRoom, readAll, textsOf } from "../bus/contract-tools.ts";
import { change, move, shardOf, wish } from "../bus/shard-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;
let busCount = 0;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 60_000);

afterAll(async () => {
  await nats?.stop();
});

async function openBus(): Promise<NatsBus> {
  busCount += 1;
  const name = `shards-${busCount}`;
  const limits = { shardCount: 2, dedupeWindowMs: 3000, shardBytesMax: 64 * 1024 ** 2 };
  const bus = await openNatsBus({ servers: nats.urls, name, ...limits });
  onTestFinished(() => bus.close());
  return bus;
}

async function openManager() {
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  return jetstreamManager(connection);
}

/** Deletes a shard as soon as no publish can be looked up in it any more (R4). */
async function remove(bus: NatsBus, shard: number): Promise<void> {
  const tryOnce = () => codeOf(() => bus.shards.delete(shard, { discardHistory: true }));
  await vi.waitUntil(async () => (await tryOnce()) !== "SHARD_IN_USE", {
    timeout: 20_000,
    interval: 200,
  });
}

test("a shard made while another process runs is used by it, changed and forgotten", async () => {
  const [bus, other] = [await openBus(), await openBus()];
  const room = newRoom("made");
  const shard = await bus.shards.create(wish);
  await move(bus, room.slot, shard);
  const acks = await appendMany(other, room, 3);
  expect(acks.map(({ epoch }) => epoch)).toEqual([2, 2, 2]);
  expect((await shardOf(other, shard)).slots).toContain(room.slot);
  await change(bus, shard, { roomMessageCountMax: 2, retentionMs: 120_000 });
  expect((await shardOf(other, shard)).settings).toMatchObject({ roomMessageCountMax: 2 });
  expect(textsOf(await readAll(other, room))).toEqual(["1", "2"]);
  const { streams } = await openManager();
  expect((await streams.info(`TG_${shard}`)).config).toMatchObject({
    ...{ max_msgs_per_subject: 2, max_age: 120e9 },
  });
  await move(bus, room.slot, 0);
  await remove(bus, shard);
  expect(await other.topology.shardNumbers()).not.toContain(shard);
  expect(await readAll(other, room)).toEqual([]);
  expect((await appendMany(other, room, 1))[0]?.epoch).toBe(3);
}, 60_000);

test("R9: a read over an epoch whose shard was deleted says that it does not continue", async () => {
  const [bus, other] = [await openBus(), await openBus()];
  const room = newRoom("discarded");
  const [first] = await appendMany(bus, room, 1);
  if (first === undefined) throw new Error("it is stored");
  const shard = await bus.shards.create(wish);
  await move(bus, room.slot, shard);
  await appendMany(bus, room, 2);
  await move(bus, room.slot, 0);
  await remove(bus, shard);
  // Nothing came after: what is missing shows only in the missing epoch.
  for (const reader of [bus, other]) {
    await vi.waitUntil(async () => !(await reader.readAfter(room, first, 10)).isContinuous);
    expect(textsOf((await reader.readAfter(room, null, 10)).messages)).toEqual(["0"]);
  }
  // The number is free: another shard that has it is not asked for the epoch of the first.
  expect(await bus.shards.create(wish)).toBe(shard);
  await move(bus, room.slot, shard);
  const [last] = await appendMany(bus, room, 1);
  for (const reader of [bus, other]) {
    const all = await reader.readAfter(room, null, 10);
    expect(all.messages.map(({ epoch }) => epoch)).toEqual([first.epoch, last?.epoch]);
    expect((await reader.readAfter(room, first, 10)).isContinuous).toBe(false);
  }
  await move(bus, room.slot, 0);
}, 60_000);

test("R9: an epoch from before its shard's limits were raised does not count as whole", async () => {
  const bus = await openBus();
  const room = newRoom("raised");
  const [first] = await appendMany(bus, room, 1);
  if (first === undefined) throw new Error("it is stored");
  const shard = await bus.shards.create({ ...wish, roomMessageCountMax: 4 });
  await move(bus, room.slot, shard);
  await appendMany(bus, room, 2);
  expect((await bus.readAfter(room, first, 10)).isContinuous).toBe(true);
  await appendMany(bus, room, 6); // the first ones go
  await change(bus, shard, { roomMessageCountMax: 1000 });
  await appendMany(bus, room, 2);
  expect((await bus.readAfter(room, first, 10)).isContinuous).toBe(false);
  await move(bus, room.slot, 0);
}, 30_000);

test("what cannot be held is BUS_UNSUITABLE, and nothing is made or changed", async () => {
  const bus = await openBus();
  const before = await bus.topology.shardNumbers();
  expect(await codeOf(() => bus.shards.create({ ...wish, replicaCount: 3 }))).toBe(
    "BUS_UNSUITABLE",
  );
  expect(await bus.topology.shardNumbers()).toEqual(before);
  const { settings } = await shardOf(bus, 0);
  expect(await codeOf(() => change(bus, 0, { replicaCount: 3 }))).toBe("BUS_UNSUITABLE");
  expect((await shardOf(bus, 0)).settings).toEqual(settings);
}, 30_000);

test("a stream set by hand is set back; shards that were half made or half deleted go", async () => {
  const bus = await openBus();
  const { streams } = await openManager();
  const [half, gone] = [await bus.shards.create(wish), await bus.shards.create(wish)];
  const keys = await bus.keyValue(CONTROL_BUCKET);
  const unfinished = async (shard: number, state: ShardState) => {
    const entry = await keys.get(shardKey(shard));
    const settings = entry && decodeShardSettings(entry.value);
    if (!entry || !settings) throw new Error(`there is shard ${shard}`);
    const stateUs = BigInt((Date.now() - 60_000) * 1000);
    const value = encodeShardSettings({ ...settings, state, stateUs });
    await keys.update(shardKey(shard), value, entry.revision);
  };
  await unfinished(half, ShardState.CREATING);
  await unfinished(gone, ShardState.DELETING);
  const numbers = await bus.topology.shardNumbers();
  expect(numbers.filter((each) => each === half || each === gone)).toEqual([]);
  const { config } = await streams.info("TG_0");
  await streams.update("TG_0", { ...config, max_msgs_per_subject: 3 });
  await vi.waitUntil(
    async () =>
      (await keys.get(shardKey(half))) === null &&
      (await keys.get(shardKey(gone))) === null &&
      (await streams.info("TG_0")).config.max_msgs_per_subject === config.max_msgs_per_subject,
    { timeout: 40_000, interval: 200 },
  );
  for (const shard of [half, gone]) {
    await expect(streams.info(`TG_${shard}`)).rejects.toThrow("stream not found");
  }
}, 60_000);
