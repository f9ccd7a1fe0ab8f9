/**
 * R9: a shard restored from an older copy. Its history is sealed, the next epoch opens, and members
 * are told; nothing that was stored after the copy is mixed up with what comes later.
 */
import { cpSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { type NatsBus, openNatsBus } from "../../bus/nats/nats-bus.ts";
import { newRoom, placeOf, readAll } from "../bus/contract-tools.ts";
import { collectLeftovers } from "../leftovers.ts";
import { Producer, Reader, textsIn } from "./move-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const atEnd = collectLeftovers();
async function startOne(): Promise<TestNats> {
  const nats = await startTestNats(1);
  atEnd(() => nats.stop());
  return nats;
}

async function openBus(nats: TestNats, name: string): Promise<NatsBus> {
  const bus = await openNatsBus({ servers: nats.urls, name, shardCount: 1, sweepMs: 500 });
  atEnd(() => bus.close());
  return bus;
}

/** The folder of the shard's stream. */
function streamFolder(nats: TestNats): string {
  const found = readdirSync(nats.folder, { recursive: true, encoding: "utf8" });
  const stream = found.find((name) => name.endsWith("streams/TG_0"));
  if (stream === undefined) throw new Error("no folder of TG_0");
  return path.join(nats.folder, stream);
}

async function publishMany(producer: Producer, count: number) {
  return Promise.all(Array.from({ length: count }, () => producer.publish()));
}

test.concurrent.each([
  ["less than before", 3],
  ["more than before", 30],
])(
  "a shard restored from a copy, then %s is published: members are told, lose nothing",
  async (_, count) => {
    const nats = await startOne();
    const [node] = nats.nodes;
    const [first, second] = [await openBus(nats, "first"), await openBus(nats, "second")];
    const room = newRoom("restored");
    const reader = new Reader(first, room);
    await reader.room.ready;
    const producer = new Producer(second, room);
    const kept = await publishMany(producer, 10);
    await vi.waitUntil(() => reader.texts.length === 10);
    await node?.signal("SIGTERM");
    const backup = path.join(nats.folder, "backup");
    cpSync(streamFolder(nats), backup, { recursive: true });
    await node?.start();
    const lost = await publishMany(producer, 10);
    await vi.waitUntil(() => reader.texts.length === 20, { timeout: 10_000 });
    await node?.signal("SIGTERM");
    const folder = streamFolder(nats);
    rmSync(folder, { recursive: true });
    cpSync(backup, folder, { recursive: true });
    await node?.start();

    const after = await publishMany(producer, count);
    await vi.waitUntil(() => reader.gapCount > 0, { timeout: 20_000 });
    // The epoch is sealed soon after; publishes go on meanwhile.
    while (after.at(-1)?.epoch !== 2) after.push(await producer.publish());
    const texts = after.map((_, i) => producer.textOf(21 + i));
    await vi.waitUntil(() => reader.texts.at(-1) === texts.at(-1), { timeout: 10_000 });
    // The member had 20; then exactly what was acknowledged since, once, in order.
    expect(reader.texts.slice(20)).toEqual(texts);
    const stored = await readAll(first, room);
    expect(stored.slice(0, 10).map(placeOf)).toEqual(kept.map(placeOf));
    expect(textsIn(stored.slice(10))).toEqual(texts);
    // Positions that were lost are not in this history, whoever asks.
    for (const position of lost) {
      expect((await second.readAfter(room, position, 5)).isContinuous).toBe(false);
    }
    for (const position of [...kept, ...after]) {
      expect((await second.readAfter(room, position, 50)).isContinuous).toBe(true);
    }
  },
  60_000,
);
