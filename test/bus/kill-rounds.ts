/**
 * Writers on one embedded store that are killed in the middle, again and again, and what must be
 * there after each.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished } from "vitest";
import type { DurableMessage } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { formatPosition } from "../../bus/position.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import { type Acked, AppendProcess, commandOf, killRoom } from "./append-process.ts";
import { expectWholeChain } from "./contract-durable.ts";
import { append, placeOf, readAll, textOf } from "./contract-tools.ts";
import { StoreHarness } from "./embedded/store-harness.ts";

/**
 * Kills `rounds` writers one after the other, and looks at the store after each.
 *
 * @param shardCount with more than one, rooms move among them meanwhile.
 */
export async function killAndCheck(
  rounds: number,
  roomCount: number,
  shardCount: number,
): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-kill-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.info(`kill test: seed ${seed}`);
  const acked = new Map<string, Acked>();
  const epochs = new Map<number, number>();
  const start = (round: number) => {
    const inFlight = [1, 30, 200, 1000][round % 4] ?? 1;
    const producer = producerOf(round);
    return new AppendProcess(
      commandOf({ dataDir, producer, roomCount, inFlight, total: 0, shardCount }),
    );
  };
  // Two are started ahead, since starting Node takes longer than all the rest.
  const writers = [start(0), start(1)];
  for (let round = 0; round < rounds; round += 1) {
    // Ever another place: from the first ack to some hundreds, and few or many in flight.
    const lineCount = 2 + ((seed + round * 7919) % 700);
    const writer = writers.shift() as AppendProcess;
    writer.go();
    await writer.lineCount(lineCount);
    await writer.kill();
    if (round + 2 < rounds) writers.push(start(round + 2));
    expect(writer.lines.length).toBeGreaterThanOrEqual(lineCount);
    for (const ack of writer.acks) acked.set(`<${producerOf(round)}:${ack.seq}>`, ack);
    for (const [room, epoch] of writer.epochs) epochs.set(room, epoch);
    const rooms = Array.from({ length: roomCount }, (_, i) => killRoom(i));
    if (round + 1 < rounds) checkInThread(dataDir, round, rooms, writer.acks, acked, epochs);
    else await checkByBus(dataDir, round, rooms, writer.acks, acked);
  }
  expect(epochs.size > 0).toBe(shardCount > 1);
  expect(acked.size).toBeGreaterThan(rounds);
}

function producerOf(round: number): string {
  return `round-${round}`.padEnd(16, "-");
}

/** Opens the store as a new process would, but without a thread of its own, which takes long. */
function checkInThread(
  dataDir: string,
  round: number,
  rooms: readonly RoomAddress[],
  acks: readonly Acked[],
  acked: ReadonlyMap<string, Acked>,
  epochs: Map<number, number>,
): void {
  const store = new StoreHarness({ dataDir }, Date.now() * 1000);
  // A move that was answered stays; the one under way was finished or never began.
  for (const [room, epoch] of epochs) {
    const found = store.routeOf(killRoom(room)).epoch;
    expect([epoch, epoch + 1]).toContain(found);
    epochs.set(room, found);
  }
  expectAllStored(new Map(rooms.map((room) => [room, store.messagesOf(room)])), acked);
  for (const { room, seq, position } of ends(acks)) {
    const [again] = store.append({ room, producer: producerOf(round), seq });
    const { epoch, timeUs } = position;
    expect(again).toEqual({ seq: -position.seq, timeUs, prevSeq: 0, epoch });
  }
  store.close();
}

async function checkByBus(
  dataDir: string,
  round: number,
  rooms: readonly RoomAddress[],
  acks: readonly Acked[],
  acked: ReadonlyMap<string, Acked>,
): Promise<void> {
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(() => bus.close());
  const stored = new Map<RoomAddress, DurableMessage[]>();
  for (const room of rooms) stored.set(room, await readAll(bus, room));
  expectAllStored(stored, acked);
  for (const { room, seq, position } of ends(acks)) {
    const again = await append(bus, room, { producer: producerOf(round), seq }, "again");
    expect(again).toEqual({ ...placeOf(position), isDuplicate: true });
  }
}

/** First and last: the names survived the kill, a retry is answered with the first position. */
function ends(acks: readonly Acked[]): Acked[] {
  return [acks[0], acks.at(-1)].filter((ack) => ack !== undefined);
}

/**
 * Every acknowledged message is stored once, where its ack said; every producer's order is kept.
 */
function expectAllStored(
  stored: ReadonlyMap<RoomAddress, readonly DurableMessage[]>,
  acked: ReadonlyMap<string, Acked>,
): void {
  let foundCount = 0;
  const marks = new Set<string>();
  const places = new Set<number>();
  for (const messages of stored.values()) {
    for (const ofEpoch of Map.groupBy(messages, ({ epoch }) => epoch).values()) {
      expectWholeChain(ofEpoch);
    }
    const lastSeqs = new Map<string, number>();
    for (const message of messages) {
      const mark = textOf(message.envelope);
      const [producer = "", seq = 0] = mark.slice(1, -1).split(":");
      if (marks.has(mark)) throw new Error(`${mark} is stored twice`);
      if (places.has(message.seq)) throw new Error(`seq ${message.seq} is used twice`);
      if (Number(seq) <= (lastSeqs.get(producer) ?? 0)) throw new Error(`${mark} is out of order`);
      marks.add(mark);
      places.add(message.seq);
      lastSeqs.set(producer, Number(seq));
      const ack = acked.get(mark);
      if (ack === undefined) continue;
      foundCount += 1;
      const [said, found] = [ack.position, message].map(formatPosition);
      if (said !== found) throw new Error(`${mark} is stored at ${found}, its ack said ${said}`);
    }
  }
  expect(foundCount).toBe(acked.size);
}
