/** How often a local room reads the store for what it can not find there. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Bus, DurableMessage } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { newRoom } from "../bus/contract-tools.ts";
import { Producer, Reader } from "../nats/move-tools.ts";

/** A room with three messages that its reader has, and how often it was read on since. */
async function openRoom() {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-fill-"));
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(async () => {
    await bus.close();
    rmSync(dataDir, { recursive: true });
  });
  let readCount = 0;
  const counted: Bus = new Proxy<Bus>(bus, {
    get(target, name) {
      if (name === "readAfter") readCount += 1;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const address = newRoom("fill");
  const reader = new Reader(counted, address);
  onTestFinished(() => reader.room.close());
  await reader.room.ready;
  const producer = new Producer(bus, address);
  for (let i = 0; i < 3; i += 1) await producer.publish();
  await vi.waitUntil(() => reader.texts.length === 3);
  readCount = 0;
  const [oldest] = reader.messages;
  const hear = (change: Partial<DurableMessage>) =>
    reader.room.onDurable(address.token, { ...(oldest as DurableMessage), ...change });
  return { reader, hear, more: () => producer.publish(), reads: () => readCount };
}

test("R5: an old message with a later time is looked into once, as leaders' clocks differ", async () => {
  const { reader, hear, more, reads } = await openRoom();
  hear({ timeUs: (Date.now() + 60_000) * 1000 });
  await vi.waitUntil(() => reads() > 0);
  await more();
  await vi.waitUntil(() => reader.texts.length === 4);
  expect(reads()).toBe(1);
  expect(reader.gapCount).toBe(0);
});

test("R10: a message of an epoch that is not known here yet is asked for calmly", async () => {
  const { reader, hear, more, reads } = await openRoom();
  hear({ epoch: 2, seq: 1, prevSeq: 0 });
  const endMs = performance.now() + 500;
  await vi.waitUntil(() => performance.now() > endMs);
  expect(reads()).toBeLessThan(10); // every 100 ms
  await more();
  await vi.waitUntil(() => reader.texts.length === 4);
});
