/**
 * Contract of the bus, durable rooms: order, acks, names (R1), the void rule (R2) and the chain
 * (R5).
 */
import { expect } from "vitest";
import type { Bus, DurableMessage, MessageId } from "../../bus/bus.ts";
import { judgeChain } from "../../bus/chain.ts";
import { type RoomAddress, roomAddress } from "../../bus/subjects.ts";
import type { DeclareRule } from "./contract.ts";
import {
  append,
  appendMany,
  codeOf,
  envelopeOf,
  newProducer,
  newRoom,
  nowUs,
  placeOf,
  Recorder,
  readAll,
  textsOf,
} from "./contract-tools.ts";

export function durableRules(rule: DeclareRule): void {
  rule("append: all listeners and readers see one order, and the chain is whole", async (bus) => {
    const room = newRoom();
    const recorders = [new Recorder(), new Recorder()];
    for (const recorder of recorders) bus.subscribeRoom(room, recorder);
    const bySlot = new Recorder();
    bus.subscribeSlot(room.slot, bySlot);
    await Promise.all([appendMany(bus, room, 100), appendMany(bus, room, 100)]);
    const stored = await readAll(bus, room);
    expect(stored).toHaveLength(200);
    expectWholeChain(stored);
    for (const recorder of [...recorders, bySlot]) {
      await recorder.durableCount(200);
      expect(recorder.messages.map(placeOf)).toEqual(stored.map(placeOf));
      expect(recorder.messages.map(({ prevSeq }) => prevSeq)).toEqual(
        stored.map(({ prevSeq }) => prevSeq),
      );
      expect(textsOf(recorder.messages)).toEqual(textsOf(stored));
    }
  });

  rule("append: the position of ack, message and read is one", async (bus) => {
    const room = newRoom();
    const recorder = new Recorder();
    bus.subscribeRoom(room, recorder);
    const acks = await appendMany(bus, room, 50);
    await recorder.durableCount(50);
    const places = acks.map(placeOf);
    expect(acks.every(({ isDuplicate }) => !isDuplicate)).toBe(true);
    expect(recorder.messages.map(placeOf)).toEqual(places);
    expect((await readAll(bus, room)).map(placeOf)).toEqual(places);
    expect(await bus.head(room)).toEqual(places.at(-1));
    for (const { epoch, seq, timeUs } of places) {
      expect(epoch).toBeGreaterThanOrEqual(1);
      expect(seq).toBeGreaterThanOrEqual(1);
      expect(Math.abs(timeUs - nowUs())).toBeLessThan(60_000_000);
    }
  });

  rule("append: done is called once, after the call, in the order of the calls", async (bus) => {
    const room = newRoom();
    const producer = newProducer();
    const order: number[] = [];
    let isInside = true;
    let insideCount = 0;
    await new Promise<void>((resolve) => {
      for (let i = 1; i <= 300; i += 1) {
        bus.append(room, { producer, seq: i }, nowUs(), envelopeOf(String(i)), () => {
          if (isInside) insideCount += 1;
          order.push(i);
          if (i === 300) resolve();
        });
      }
      isInside = false;
    });
    expect(insideCount).toBe(0);
    expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });

  rule("append: an ack means that a read sees it", async (bus) => {
    const room = newRoom();
    const producer = newProducer();
    for (let seq = 1; seq <= 30; seq += 1) {
      const ack = await append(bus, room, { producer, seq }, String(seq));
      expect(await bus.head(room)).toEqual(placeOf(ack));
    }
  });

  rule("append: rooms named like wildcards store only their own", async (bus) => {
    const names = ["*", ">", "a.b", "a.>", "🚀 läuft", "x y/z", newRoom().room.slice(5)];
    const rooms = names.map((name) => roomAddress("acme", `chat:${name}`));
    rooms.push(roomAddress("other", "chat:*"));
    const before = await Promise.all(rooms.map((room) => readAll(bus, room)));
    const producer = newProducer();
    const appends = rooms.map((room, i) => append(bus, room, { producer, seq: 1 }, `m${i}`));
    await Promise.all(appends);
    for (const [i, room] of rooms.entries()) {
      const added = (await readAll(bus, room)).slice(before[i]?.length);
      expect(textsOf(added)).toEqual([`m${i}`]);
    }
  });

  rule("append: many rooms at once keep each producer's order and each chain", async (bus) => {
    const rooms = Array.from({ length: 40 }, () => newRoom("many"));
    const producers = [newProducer(), newProducer()];
    const appends: Promise<unknown>[] = [];
    for (let seq = 1; seq <= 20; seq += 1) {
      for (const room of rooms) {
        for (const [p, producer] of producers.entries()) {
          appends.push(append(bus, room, { producer, seq }, `${p}:${seq}`));
        }
      }
    }
    await Promise.all(appends);
    for (const room of rooms) {
      const stored = await readAll(bus, room, 7);
      expectWholeChain(stored);
      for (const p of [0, 1]) {
        const own = textsOf(stored).filter((text) => text.startsWith(`${p}:`));
        expect(own).toEqual(Array.from({ length: 20 }, (_, i) => `${p}:${i + 1}`));
      }
    }
  });

  rule("append: envelopes of 0 bytes and 64 kB come back as they were", async (bus) => {
    const room = newRoom();
    const large = Buffer.alloc(65_536, "0123456789").toString();
    const producer = newProducer();
    await append(bus, room, { producer, seq: 1 }, "");
    await append(bus, room, { producer, seq: 2 }, large);
    expect(textsOf(await readAll(bus, room))).toEqual(["", large]);
  });
}

export function nameRules(rule: DeclareRule): void {
  rule("append: a retried name is answered with the first position", async (bus) => {
    const room = newRoom();
    const recorder = new Recorder();
    bus.subscribeRoom(room, recorder);
    const id: MessageId = { producer: newProducer(), seq: 7 };
    const first = await append(bus, room, id, "one");
    await append(bus, room, { ...id, seq: 8 }, "two");
    const again = await append(bus, room, id, "one");
    expect(first.isDuplicate).toBe(false);
    expect(again).toEqual({ ...placeOf(first), isDuplicate: true });
    await recorder.durableCount(2);
    expect(textsOf(await readAll(bus, room))).toEqual(["one", "two"]);
    expect(textsOf(recorder.messages)).toEqual(["one", "two"]);
  });

  rule("append: a name given many times at once is stored once", async (bus) => {
    const room = newRoom();
    const id: MessageId = { producer: newProducer(), seq: 1 };
    const tries = Array.from({ length: 50 }, () => append(bus, room, id, "same"));
    const acks = await Promise.all(tries);
    expect(acks.filter(({ isDuplicate }) => !isDuplicate)).toHaveLength(1);
    expect(new Set(acks.map(({ seq }) => seq)).size).toBe(1);
    expect(await readAll(bus, room)).toHaveLength(1);
  });

  rule("append: names are a set, so a late 1 is stored after 2", async (bus) => {
    const room = newRoom();
    const producer = newProducer();
    const tooLate = () => append(bus, room, { producer, seq: 1 }, "one", nowUs() - 60_000_000);
    expect(await codeOf(tooLate)).toBe("OUTCOME_UNKNOWN");
    await append(bus, room, { producer, seq: 2 }, "two");
    const ack = await append(bus, room, { producer, seq: 1 }, "one");
    expect(ack.isDuplicate).toBe(false);
    expect(textsOf(await readAll(bus, room))).toEqual(["two", "one"]);
  });

  rule("append: the same count of another producer or room is another name", async (bus) => {
    const [room, other] = [newRoom(), newRoom()];
    const producer = newProducer();
    const near = `${producer.slice(0, 15)}${producer.endsWith("a") ? "b" : "a"}`;
    const acks = await Promise.all([
      append(bus, room, { producer, seq: 1 }, "a"),
      append(bus, other, { producer, seq: 1 }, "b"),
      append(bus, room, { producer: near, seq: 1 }, "c"),
      append(bus, room, { producer, seq: 2 ** 32 + 1 }, "d"),
      append(bus, room, { producer, seq: Number.MAX_SAFE_INTEGER }, "e"),
    ]);
    expect(acks.some(({ isDuplicate }) => isDuplicate)).toBe(false);
    expect(textsOf(await readAll(bus, room))).toEqual(["a", "c", "d", "e"]);
    expect(textsOf(await readAll(bus, other))).toEqual(["b"]);
  });

  rule("append: too long after its first try, a message is not stored (R2)", async (bus) => {
    const room = newRoom();
    const producer = newProducer();
    const sentAgo = (seconds: number, seq: number) => () =>
      append(bus, room, { producer, seq }, String(seq), nowUs() - seconds * 1_000_000);
    expect(await codeOf(sentAgo(26, 1))).toBe("OUTCOME_UNKNOWN");
    expect(await codeOf(sentAgo(86_400, 2))).toBe("OUTCOME_UNKNOWN");
    expect(await codeOf(sentAgo(15, 3))).toBe("no error");
    expect(textsOf(await readAll(bus, room))).toEqual(["3"]);
  });

  rule("append: a stored name is known however late its retry comes", async (bus) => {
    const room = newRoom();
    const id: MessageId = { producer: newProducer(), seq: 1 };
    const first = await append(bus, room, id, "a", nowUs() - 19_000_000);
    const again = await append(bus, room, id, "a", nowUs() - 19_000_000);
    expect(again).toEqual({ ...placeOf(first), isDuplicate: true });
  });
}

export function closeRules(rule: DeclareRule): void {
  rule("close: settles what was appended, then refuses", async (bus) => {
    const room = newRoom();
    const acks = appendMany(bus, room, 100);
    const read = bus.readAfter(room, null, 1);
    let settledCount = 0;
    void acks.then((all) => {
      settledCount = all.length;
    });
    await Promise.all([bus.close(), bus.close()]);
    await acks;
    expect(settledCount).toBe(100);
    await read;
    expect(bus.status().isConnected).toBe(false);
    await expectAllRefused(bus, room);
  });
}

async function expectAllRefused(bus: Bus, room: RoomAddress): Promise<void> {
  const calls: (() => unknown)[] = [
    () => bus.publish(room, envelopeOf("a")),
    () => append(bus, room, { producer: newProducer(), seq: 1 }, "a"),
    () => bus.readAfter(room, null, 1),
    () => bus.readBefore(room, null, 1),
    () => bus.head(room),
    () => bus.floor(room, 1),
    async () => (await bus.keyValue("closed")).get("a"),
  ];
  for (const call of calls) expect(await codeOf(call)).toBe("UNAVAILABLE");
}

/** Every message follows the one before it, and none is old. */
export function expectWholeChain(messages: readonly DurableMessage[]): void {
  let reached = { epoch: messages[0]?.epoch ?? 1, seq: 0 };
  for (const message of messages) {
    expect(judgeChain(reached, message)).toBe("next");
    if (message.epoch === reached.epoch && reached.seq > 0) {
      expect(message.prevSeq).toBe(reached.seq);
    }
    reached = message;
  }
}
