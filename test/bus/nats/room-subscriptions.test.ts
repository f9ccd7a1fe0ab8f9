/**
 * From subscriptions of single rooms to a slot's wildcard and back, under traffic: nothing is lost,
 * doubled or told as lost. A real nats-server.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Bus, Unsubscribe } from "../../../bus/bus.ts";
import { NARROW_ROOM_COUNT, WIDEN_ROOM_COUNT } from "../../../bus/nats/interest-width.ts";
import { openNatsBus } from "../../../bus/nats/nats-bus.ts";
import { type RoomAddress, roomAddress } from "../../../bus/subjects.ts";
import { type NatsCluster, startNats } from "../../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../../deploy/nats/find-server.ts";
import { append, codeOf, envelopeOf, newProducer, Recorder } from "../contract-tools.ts";

/** Ephemeral messages published at once. */
const AT_ONCE = 20;
const folder = mkdtempSync(path.join(tmpdir(), "tidegate-width-"));
let nats: NatsCluster;

beforeAll(async () => {
  nats = await startNats(findNatsServer(process.env.NATS_SERVER ?? "", console.error), folder, 1);
}, 60_000);

afterAll(async () => {
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function openBus(name: string): Promise<Bus> {
  const bus = await openNatsBus({ servers: nats.urls, name });
  onTestFinished(() => bus.close());
  return bus;
}

/** Rooms that all lie in slot 7. */
function roomsOfSlot(count: number): RoomAddress[] {
  const rooms: RoomAddress[] = [];
  for (let i = 0; rooms.length < count; i += 1) {
    const room = roomAddress("acme", `live:w${i}`);
    if (room.slot === 7) rooms.push(room);
  }
  return rooms;
}

/** Tries again while it is refused: a process that stood still renews its lease first (R12). */
async function untilTaken(action: () => unknown): Promise<void> {
  while ((await codeOf(action)) === "UNAVAILABLE") {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("subscriptions: to the wildcard and back under traffic, nothing lost or doubled", async () => {
  const [publisher, member] = [await openBus("width-a"), await openBus("width-b")];
  const rooms = roomsOfSlot(WIDEN_ROOM_COUNT);
  const [watched, durable] = rooms as [RoomAddress, RoomAddress];
  const [recorder, stored] = [new Recorder(), new Recorder()];
  member.subscribeRoom(watched, recorder);
  member.subscribeRoom(durable, stored);
  await member.head(durable); // over the same connection, so NATS has the subscriptions
  const producer = newProducer();
  let count = 0;
  let storedCount = 0;
  const send = async () => {
    for (let i = 0; i < AT_ONCE; i += 1) {
      const text = envelopeOf(String(count * AT_ONCE + i));
      await untilTaken(() => publisher.publish(watched, text));
    }
    count += 1;
    // Some are always under way, so that a switch has something to lose.
    await new Promise((resolve) => setImmediate(resolve));
    await recorder.ephemeralCount((count - 5) * AT_ONCE);
    if (count % 20 > 0) return;
    storedCount += 1;
    const id = { producer, seq: storedCount };
    await untilTaken(() => append(publisher, durable, id, String(storedCount)));
  };
  const sendUntil = async (isDone: (counters: Readonly<Record<string, number>>) => boolean) => {
    while (!isDone(member.status().counters ?? {})) await send();
  };
  const last = rooms.at(-1) as RoomAddress;
  for (let turn = 0; turn < 2; turn += 1) {
    const leaves: Unsubscribe[] = [];
    for (const room of rooms.slice(2, -1)) leaves.push(member.subscribeRoom(room, new Recorder()));
    expect(member.status().counters?.slots_by_wildcard).toBe(0);
    await send();
    leaves.push(member.subscribeRoom(last, new Recorder())); // now they are many
    await sendUntil((now) => now.slots_by_wildcard === 1 && now.subscriptions === 0);
    for (const leave of leaves.splice(NARROW_ROOM_COUNT - 3)) leave();
    await sendUntil((now) => now.slots_by_wildcard === 0 && now.subscriptions === 31);
    for (const leave of leaves) leave();
  }
  await stored.durableCount(storedCount);
  await recorder.ephemeralCount(count * AT_ONCE);
  expect(recorder.texts).toEqual(Array.from({ length: count * AT_ONCE }, (_, i) => String(i)));
  expect(recorder.losses).toEqual([]);
  // Durable messages may come twice, but never out of order: receivers keep the chain (R5).
  const seqs = stored.messages.map(({ seq }) => seq);
  expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  expect(new Set(seqs).size).toBe(storedCount);
}, 60_000);
