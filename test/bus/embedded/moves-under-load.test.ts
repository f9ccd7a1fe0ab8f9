/**
 * Slots that move while members read and producers publish: each message once, in order, for all,
 * without a gap (R5, R10), and a member that was away reads on over the epochs (R9).
 */
import { expect, onTestFinished, test, vi } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { openEmbeddedBus } from "../../../bus/embedded/embedded-bus.ts";
import type { RoomAddress } from "../../../bus/subjects.ts";
import { Producer, Reader, textsIn } from "../../nats/move-tools.ts";
import { newRoom, readAll } from "../contract-tools.ts";
import { newFolder } from "./store-harness.ts";

const roomCount = 8;
const moveCount = 40;
const shards = [0, 1, 2];

async function openBus(): Promise<Bus> {
  const bus = await openEmbeddedBus({ dataDir: newFolder() });
  onTestFinished(() => bus.close());
  while ((await bus.topology.shardNumbers()).length < shards.length) {
    await bus.shards.create({ group: 0, region: "", capacity: 1 });
  }
  return bus;
}

/** Publishes without end, eight at a time, until stopped; all acks. */
function load(producer: Producer, isStopping: () => boolean): Promise<unknown>[] {
  const acks: Promise<unknown>[] = [];
  const go = async () => {
    while (!isStopping()) {
      const some = Array.from({ length: 8 }, () => producer.publish());
      acks.push(...some);
      await Promise.all(some);
    }
  };
  acks.push(go());
  return acks;
}

/** What two producers of a room published is stored once, each's in its order; its texts. */
async function expectWhole(
  bus: Bus,
  room: RoomAddress,
  producers: readonly Producer[],
): Promise<string[]> {
  const stored = textsIn(await readAll(bus, room));
  expect(new Set(stored).size).toBe(stored.length);
  for (const producer of producers) {
    const prefix = producer.textOf(0).slice(0, -1);
    const own = stored.filter((text) => text.startsWith(prefix));
    expect(own).toEqual(own.map((_, i) => producer.textOf(i + 1)));
  }
  return stored;
}

test("moves under load: nothing lost, doubled, reordered or told as a gap", async () => {
  const bus = await openBus();
  const rooms = Array.from({ length: roomCount }, () => newRoom("moving"));
  const readers = rooms.map((room) => new Reader(bus, room));
  onTestFinished(() => {
    for (const { room } of readers) room.close();
  });
  await Promise.all(readers.map(({ room }) => room.ready));
  const producers = rooms.map((room) => [new Producer(bus, room), new Producer(bus, room)]);
  let isStopping = false;
  const acks = producers.flat().map((producer) => load(producer, () => isStopping));
  const count = () => acks.reduce((sum, each) => sum + each.length, 0);
  for (let i = 0; i < moveCount; i += 1) {
    const { slot } = rooms[i % roomCount] as RoomAddress;
    const { shard } = await bus.topology.slot(slot);
    await bus.shards.moveSlot(slot, (shard + 1 + (i % 2)) % shards.length);
    const wanted = count() + 100; // some load between moves
    await vi.waitUntil(() => count() >= wanted, { timeout: 20_000, interval: 1 });
  }
  isStopping = true;
  await Promise.all(acks.flat());
  for (const [i, room] of rooms.entries()) {
    const { epoch } = await bus.topology.slot(room.slot);
    expect(epoch).toBeGreaterThanOrEqual(1 + moveCount / roomCount);
    const stored = await expectWhole(bus, room, producers[i] ?? []);
    const reader = readers[i] as Reader;
    await vi.waitUntil(() => reader.texts.length >= stored.length, { timeout: 20_000 });
    expect(reader.texts).toEqual(stored);
    expect(reader.gapCount).toBe(0);
    // A member that left early in the first epoch.
    const early = reader.messages[3] ?? null;
    const page = await bus.readAfter(room, early, 500);
    expect(page.isContinuous).toBe(true);
    expect(textsIn(page.messages)).toEqual(stored.slice(4, 504));
  }
  const entries = await bus.topology.shards(shards);
  const inAll = entries.reduce((sum, { facts }) => sum + (facts?.messageCount ?? 0), 0);
  expect(inAll).toBe(readers.reduce((sum, { texts }) => sum + texts.length, 0));
  expect(entries.every(({ facts }) => (facts?.messageCount ?? 0) > 0)).toBe(true);
}, 60_000);
