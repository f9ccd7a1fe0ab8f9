/** kill -9 at any moment loses no acknowledged message, doubles none, and re-uses no position. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { type Acked, AppendProcess, commandOf, killRoom } from "./append-process.ts";
import { expectWholeChain } from "./contract-durable.ts";
import { append, placeOf, readAll, textOf } from "./contract-tools.ts";

const rounds = 20;
const roomCount = 3;

test(`embedded bus: ${rounds} times kill -9 in the middle of appends, on one store`, {
  timeout: 60_000,
}, async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-kill-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.info(`kill test: seed ${seed}`);
  const acked = new Map<string, Acked>();
  for (let round = 0; round < rounds; round += 1) {
    // Ever another place: from the first ack to some thousand, and few or many in flight.
    const lineCount = 2 + ((seed + round * 7919) % 700);
    const inFlight = [1, 30, 200, 1000][round % 4] ?? 1;
    const producer = `round-${round}`.padEnd(16, "-");
    const task = { dataDir, producer, roomCount, inFlight, total: 0 };
    const writer = new AppendProcess(commandOf(task));
    await writer.lineCount(lineCount);
    await writer.kill();
    expect(writer.acks.length).toBeGreaterThanOrEqual(lineCount - 1);
    for (const ack of writer.acks) acked.set(`<${producer}:${ack.seq}>`, ack);
    const bus = await openEmbeddedBus({ dataDir });
    try {
      await expectAllStored(bus, acked);
      await expectRetriesKnown(bus, producer, writer.acks);
    } finally {
      await bus.close();
    }
  }
  expect(acked.size).toBeGreaterThan(rounds);
});

/** Every acknowledged message is stored once, where its ack said; every producer's order is kept. */
async function expectAllStored(bus: Bus, acked: ReadonlyMap<string, Acked>): Promise<void> {
  let foundCount = 0;
  const places = new Set<number>();
  for (let room = 0; room < roomCount; room += 1) {
    const stored = await readAll(bus, killRoom(room));
    expectWholeChain(stored);
    const marks = stored.map(({ envelope }) => textOf(envelope));
    expect(new Set(marks).size).toBe(marks.length);
    const lastSeqs = new Map<string, number>();
    for (const [i, message] of stored.entries()) {
      const mark = marks[i] ?? "";
      const [producer = "", seq = 0] = mark.slice(1, -1).split(":");
      if (Number(seq) <= (lastSeqs.get(producer) ?? 0)) throw new Error(`${mark} is out of order`);
      lastSeqs.set(producer, Number(seq));
      expect(places.has(message.seq)).toBe(false);
      places.add(message.seq);
      const ack = acked.get(mark);
      if (ack === undefined) continue;
      foundCount += 1;
      if (ack.position.seq !== message.seq || ack.position.timeUs !== message.timeUs) {
        throw new Error(`${mark} is stored at ${message.seq}, its ack said ${ack.position.seq}`);
      }
    }
  }
  expect(foundCount).toBe(acked.size);
}

/** The names survived the kill: a retry is answered with the first position (R1, R4). */
async function expectRetriesKnown(bus: Bus, producer: string, acks: Acked[]): Promise<void> {
  for (const { room, seq, position } of [acks[0], acks.at(-1)].filter((ack) => ack !== undefined)) {
    const again = await append(bus, room, { producer, seq }, `<${producer}:${seq}>`);
    expect(again.isDuplicate).toBe(true);
    expect(placeOf(again)).toEqual(position);
  }
}
