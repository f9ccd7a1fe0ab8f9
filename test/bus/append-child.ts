/**
 * A process that opens the embedded bus, appends without end and reports acks, to be killed.
 *
 * Arguments: data folder, producer (16 characters), rooms, appends in flight, appends in all (0:
 * until killed), report descriptor, isSynchronous (0 or 1), shards (above 1: the rooms' slots move
 * among them, one with every 40th ack). A report is one line, written with one system call before
 * anything else happens: "opened", "ack <room> <seq> <position>", "error <seq> <code>", "moving
 * <room>", "moved <room> <epoch>", "end". It opens the bus when a byte comes on standard input, so
 * that it can be started ahead.
 */
import { readSync, writeSync } from "node:fs";
import type { Bus } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { formatPosition } from "../../bus/position.ts";
import { type RoomAddress, roomAddress } from "../../bus/subjects.ts";

/** Acks between two moves: not so many moves of a slot that its oldest epochs are given up. */
const moveEvery = 40;

/** What an envelope holds: found again in the store, and in a trace of system calls. */
function markOf(producer: string, seq: number): string {
  return `<${producer}:${seq}>`;
}

/** Moves the next room's slot to the next shard with each call; not two moves at a time. */
async function startMover(
  bus: Bus,
  rooms: readonly RoomAddress[],
  shardCount: number,
  report: (line: string) => void,
): Promise<() => void> {
  while ((await bus.topology.shardNumbers()).length < shardCount) {
    await bus.shards.create({ group: 0, region: "", capacity: 1 });
  }
  let moving = Promise.resolve();
  let count = Math.floor(Math.random() * rooms.length);
  return () => {
    moving = moving.then(async () => {
      count += 1;
      const index = count % rooms.length;
      const { slot } = rooms[index] as RoomAddress;
      const { shard } = await bus.topology.slot(slot);
      report(`moving ${index}`);
      await bus.shards.moveSlot(slot, (shard + 1 + (count % 2)) % shardCount);
      report(`moved ${index} ${(await bus.topology.slot(slot)).epoch}`);
    });
  };
}

async function main(args: readonly string[]): Promise<void> {
  const [dataDir, producer = "", ...numbers] = args;
  const [roomCount = 1, inFlight = 1, total = 0, descriptor = 1, isSynchronous = 1, shards = 1] =
    numbers.map(Number);
  const report = (line: string) => writeSync(descriptor, `${line}\n`);
  readSync(0, Buffer.alloc(1));
  const bus = await openEmbeddedBus({ dataDir, isSynchronous: isSynchronous === 1 });
  const rooms = Array.from({ length: roomCount }, (_, i) => roomAddress("acme", `chat:kill-${i}`));
  report("opened");
  const move = shards > 1 ? await startMover(bus, rooms, shards, report) : () => {};
  let sent = 0;
  let settled = 0;
  await new Promise<void>((resolve) => {
    const next = (): void => {
      sent += 1;
      const seq = sent;
      const roomIndex = seq % roomCount;
      const room = rooms[roomIndex];
      if (room === undefined) return;
      const envelope = Buffer.from(markOf(producer, seq));
      bus.append(room, { producer, seq }, Date.now() * 1000, envelope, (error, ack) => {
        settled += 1;
        if (settled % moveEvery === 0) move();
        if (ack === null) report(`error ${seq} ${error?.code}`);
        else report(`ack ${roomIndex} ${seq} ${formatPosition(ack)}`);
        if (settled === total) resolve();
        else if (sent < total || total === 0) next();
      });
    };
    for (let i = 0; i < inFlight; i += 1) next();
  });
  await bus.close();
  report("end");
}

await main(process.argv.slice(2));
