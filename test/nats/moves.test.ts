/**
 * R10: slots that get their next epoch, on another shard and on the same, under load and with
 * movers that die. Real nats-servers.
 */
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { LEASE_BUCKET } from "../../bus/nats/lease-records.ts";
import { type NatsBus, openNatsBus } from "../../bus/nats/nats-bus.ts";
import { addEpoch, hasEpoch, removeEpoch } from "../../bus/nats/shard-subjects.ts";
import type { Position } from "../../bus/position.ts";
import { routeKey } from "../../bus/record-keys.ts";
import { encodeRoute, firstRoute, startRemoving, startSealing } from "../../bus/route.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { Lease, ProcessKind } from "../../proto/gen/tidegate/bus/v1/lease.ts";
import {
  append,
  newProducer,
  newRoom,
  nowUs,
  placeOf,
  readAll,
  textsOf,
} from "../bus/contract-tools.ts";
import { Producer, Reader, textsIn } from "./move-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const shardCount = 4;
const firstShards = [0, 1, 2, 3];
let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(3);
}, 120_000);

afterAll(async () => {
  await nats?.stop();
});

async function openBus(): Promise<NatsBus> {
  const name = `m${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const bus = await openNatsBus({ servers: nats.urls, name, replicaCount: 3, shardCount });
  onTestFinished(() => bus.close());
  return bus;
}

async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(condition, { timeout: 20_000, interval: 20 });
}

test("advanceEpoch: over shards and back under load, all once, in order, seen by all", async () => {
  const [first, second] = [await openBus(), await openBus()];
  const room = newRoom("moving");
  const readers = [new Reader(first, room), new Reader(second, room)];
  await Promise.all(readers.map((reader) => reader.room.ready));
  const producers = [first, first, second, second].map((bus) => new Producer(bus, room));
  let isStopping = false;
  const acked: Promise<unknown>[] = [];
  const load = producers.map(async (producer) => {
    while (!isStopping) {
      const acks = Array.from({ length: 8 }, () => producer.publish());
      acked.push(...acks);
      await Promise.all(acks);
    }
  });
  const home = room.slot % shardCount;
  const shards = [(home + 1) % shardCount, home, home, (home + 2) % shardCount, home];
  for (const shard of shards) {
    await first.advanceEpoch(room.slot, shard);
    const count = acked.length + 64; // some load in each epoch
    await waitUntil(() => acked.length > count);
  }
  isStopping = true;
  await Promise.all(load);
  const stored = await readAll(second, room);
  expect(new Set(stored.map(({ epoch }) => epoch))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
  expect(new Set(textsIn(stored)).size).toBe(stored.length);
  expect(stored.length).toBe(acked.length);
  for (const producer of producers) {
    const prefix = producer.textOf(0).slice(0, -1);
    const own = textsIn(stored).filter((text) => text.startsWith(prefix));
    expect(own).toEqual(own.map((_, i) => producer.textOf(i + 1)));
  }
  await waitUntil(() => readers.every(({ texts }) => texts.length >= stored.length));
  for (const reader of readers) {
    expect(reader.texts).toEqual(textsIn(stored));
    expect(reader.gapCount).toBe(0);
  }
}, 60_000);

test("history: every read works across the epochs of a slot", async () => {
  const bus = await openBus();
  const room = newRoom("epochs");
  const producer = new Producer(bus, room);
  const acks: Position[] = [];
  for (let epoch = 1; epoch <= 4; epoch += 1) {
    // The third epoch stays empty.
    for (let i = 0; i < 7 && epoch !== 3; i += 1) acks.push(placeOf(await producer.publish()));
    if (epoch < 4) await bus.advanceEpoch(room.slot, (room.slot + epoch) % shardCount);
  }
  expect(acks.map(({ epoch }) => epoch)).toEqual([1, 2, 4].flatMap((e) => Array(7).fill(e)));
  for (const limit of [1, 3, 7, 100]) {
    expect((await readAll(bus, room, limit)).map(placeOf)).toEqual(acks);
    for (const [i, after] of acks.entries()) {
      const page = await bus.readAfter(room, after, limit);
      expect(page.isContinuous).toBe(true);
      expect(page.messages.map(placeOf)).toEqual(acks.slice(i + 1, i + 1 + limit));
      expect(page.isEnd).toBe(i + limit >= acks.length - 1);
      const back = await bus.readBefore(room, after, limit);
      expect(back.messages.map(placeOf)).toEqual(acks.slice(Math.max(0, i - limit), i));
      expect(back.hasMore).toBe(i > limit);
    }
  }
  for (const [i, place] of acks.entries()) {
    expect(placeOf((await bus.floor(room, acks.length - i)) as Position)).toEqual(place);
  }
  expect(await bus.floor(room, acks.length + 1)).toBeNull();
  expect(await bus.head(room)).toEqual(acks.at(-1));
  const [oldest] = acks;
  const unknown = { ...(oldest as Position), epoch: 3 };
  expect((await bus.readAfter(room, unknown, 5)).isContinuous).toBe(false);
}, 60_000);

test("R4: a publish stored before the move is found by its name, not stored again", async () => {
  const bus = await openBus();
  const room = newRoom("probe");
  const id = { producer: newProducer(), seq: 1 };
  const firstSentUs = nowUs();
  const stored = await append(bus, room, id, "once", firstSentUs);
  await bus.advanceEpoch(room.slot, (room.slot + 1) % shardCount);
  const late = { producer: newProducer(), seq: 1 };
  // As if its ack had been lost with its gateway; and one that was not stored.
  const again = await append(bus, room, id, "once", firstSentUs);
  const other = await append(bus, room, late, "later", firstSentUs);
  expect(again).toEqual({ ...stored, isDuplicate: true });
  expect(other).toMatchObject({ epoch: 2, isDuplicate: false });
  // On the same shard the name itself answers, and names the earlier epoch.
  await bus.advanceEpoch(room.slot, (room.slot + 1) % shardCount);
  expect(await append(bus, room, late, "later", firstSentUs)).toEqual({
    ...other,
    isDuplicate: true,
  });
  expect(await append(bus, room, id, "once", firstSentUs)).toEqual({
    ...stored,
    isDuplicate: true,
  });
  expect(textsOf(await readAll(bus, room))).toEqual(["once", "later"]);
});

test("advanceEpoch: a holder that is dead counts as settled", async () => {
  const bus = await openBus();
  const leases = await bus.keyValue(LEASE_BUCKET);
  const lease = (id: string) =>
    Lease.encode({
      id,
      kind: ProcessKind.GATEWAY,
      incarnation: "0",
      host: "h",
      pid: 1,
      version: "0.0.0",
      startedUs: 0n,
      routingRevision: 0n,
      facts: Buffer.alloc(0),
    }).finish();
  const room = newRoom("fenced");
  await leases.create("gateway.dead", lease("dead"), 45_000);
  await bus.advanceEpoch(room.slot, room.slot % shardCount);
  expect((await append(bus, room, { producer: newProducer(), seq: 1 }, "a")).epoch).toBe(2);
  expect(await leases.get("gateway.dead")).not.toBeNull();
  await leases.delete("gateway.dead");
});

test("a mover that dies while sealing: gateways open the epoch again", async () => {
  const bus = await openBus();
  const room = newRoom("sealing");
  const routing = await bus.keyValue(CONTROL_BUCKET);
  const { record } = firstRoute(room.slot, firstShards);
  const sealing = startSealing(record, 1, false, nowUs());
  await routing.create(routeKey(room.slot), encodeRoute(sealing));
  const ack = await new Producer(bus, room).publish();
  expect(ack.epoch).toBe(1);
}, 20_000);

test("a mover that dies before the removal: gateways open the epoch again", async () => {
  const bus = await openBus();
  const room = newRoom("removing");
  const routing = await bus.keyValue(CONTROL_BUCKET);
  const { record } = firstRoute(room.slot, firstShards);
  const removing = startRemoving(startSealing(record, 1, false, nowUs()), nowUs());
  await routing.create(routeKey(room.slot), encodeRoute(removing));
  expect((await new Producer(bus, room).publish()).epoch).toBe(1);
}, 20_000);

test("a mover that dies after the removal: gateways commit the next epoch", async () => {
  const [bus, other] = [await openBus(), await openBus()];
  const room = newRoom("gone");
  const before = await new Producer(bus, room).publish();
  const target = (room.slot + 1) % shardCount;
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  await addEpoch(connection, target, room.slot, 2, () => {});
  const routing = await bus.keyValue(CONTROL_BUCKET);
  const { record } = firstRoute(room.slot, firstShards);
  const removing = startRemoving(startSealing(record, target, false, nowUs()), nowUs());
  await routing.create(routeKey(room.slot), encodeRoute(removing));
  await removeEpoch(connection, room.slot % shardCount, room.slot, 1, () => {});
  const acks = await Promise.all([
    new Producer(bus, room).publish(),
    new Producer(other, room).publish(),
  ]);
  expect(acks.map(({ epoch }) => epoch)).toEqual([2, 2]);
  const read = await other.readAfter(room, before, 10);
  expect(read.isContinuous).toBe(true);
  expect(read.messages.map(placeOf)).toEqual(acks.map(placeOf).sort((a, b) => a.seq - b.seq));
}, 20_000);

test("R11: a slot that lost its subject, and one nobody uses, are put right", async () => {
  const bus = await openBus();
  const room = newRoom("lists");
  const shard = room.slot % shardCount;
  const other = (shard + 1) % shardCount;
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  // As a mover does that was frozen through its move; and one that died before it began.
  await removeEpoch(connection, shard, room.slot, 1, () => {});
  await addEpoch(connection, other, room.slot, 2, () => {});
  expect((await new Producer(bus, room).publish()).epoch).toBe(1);
  expect(await hasEpoch(connection, shard, room.slot, 1)).toBe(true);
  await waitUntil(async () => !(await hasEpoch(connection, other, room.slot, 2)));
  expect(bus.status().troubles?.list_repaired).toBeGreaterThan(0);
}, 30_000);

test("a fleet that was restarted inside a move: the first process finishes it", async () => {
  const before = await openNatsBus({ servers: nats.urls, name: "before", replicaCount: 3 });
  const room = newRoom("restarted");
  const routing = await before.keyValue(CONTROL_BUCKET);
  const { record } = firstRoute(room.slot, firstShards);
  const sealing = startSealing(record, 1, false, nowUs() + 1_000_000);
  await routing.create(routeKey(room.slot), encodeRoute(sealing));
  await before.close();
  expect((await new Producer(await openBus(), room).publish()).epoch).toBe(1);
}, 20_000);
