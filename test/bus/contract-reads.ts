/**
 * Contract of the bus, reads: pages on and back, positions that are not in the history (R9), and a
 * random run against a model.
 */
import fc from "fast-check";
import { expect } from "vitest";
import { type Bus, type DurableMessage, READ_COUNT_MAX } from "../../bus/bus.ts";
import type { Position } from "../../bus/position.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import type { DeclareRule } from "./contract.ts";
import {
  append,
  appendMany,
  newProducer,
  newRoom,
  nowUs,
  placeOf,
  readAll,
  textsOf,
} from "./contract-tools.ts";

export function readRules(rule: DeclareRule): void {
  rule("reads: an empty room has no head, floor or messages", async (bus) => {
    const room = newRoom();
    expect(await bus.head(room)).toBeNull();
    expect(await bus.floor(room, 1)).toBeNull();
    expect(await bus.readBefore(room, null, 10)).toEqual({ messages: [], hasMore: false });
    expect(await bus.readAfter(room, null, 10)).toEqual({
      isContinuous: true,
      messages: [],
      isEnd: true,
    });
    const unknown: Position = { epoch: 1, seq: 1, timeUs: nowUs() };
    expect((await bus.readAfter(room, unknown, 10)).isContinuous).toBe(false);
    expect((await bus.readBefore(room, unknown, 10)).messages).toEqual([]);
  });

  rule("readAfter: pages of any size add up, and only the last is the end", async (bus) => {
    const room = newRoom();
    const count = 47;
    await appendMany(bus, room, count);
    for (const limit of [1, 2, 7, 46, 47, 48, READ_COUNT_MAX]) {
      const texts: string[] = [];
      let after: Position | null = null;
      for (let isEnd = false; !isEnd; ) {
        const page = await bus.readAfter(room, after, limit);
        expect(page.isContinuous).toBe(true);
        expect(page.messages.length).toBeLessThanOrEqual(limit);
        texts.push(...textsOf(page.messages));
        after = page.messages.at(-1) ?? after;
        isEnd = page.isEnd;
        expect(isEnd).toBe(texts.length === count);
      }
      expect(texts).toEqual(Array.from({ length: count }, (_, i) => String(i)));
    }
  });

  rule("readAfter: from any position on, exactly what follows", async (bus) => {
    const room = newRoom();
    const acks = await appendMany(bus, room, 30);
    for (const [i, ack] of acks.entries()) {
      const page = await bus.readAfter(room, placeOf(ack), 5);
      const expected = acks.slice(i + 1, i + 6).map(placeOf);
      expect(page.isContinuous).toBe(true);
      expect(page.messages.map(placeOf)).toEqual(expected);
      expect(page.isEnd).toBe(i + 6 >= acks.length);
    }
  });

  rule("readAfter: a position that is not in the history is no error (R9)", async (bus) => {
    const room = newRoom();
    const other = newRoom();
    const acks = await appendMany(bus, room, 10);
    const [foreign] = await appendMany(bus, other, 1);
    const held = placeOf(acks[4] as Position);
    const newest = placeOf(acks[9] as Position);
    const unknown: Position[] = [
      { ...held, timeUs: held.timeUs + 1 },
      { ...held, timeUs: held.timeUs - 1 },
      { ...held, epoch: held.epoch + 1 },
      { ...newest, seq: newest.seq + 1_000_000 },
      { epoch: 2 ** 32 - 1, seq: Number.MAX_SAFE_INTEGER, timeUs: Number.MAX_SAFE_INTEGER },
      { epoch: 1, seq: 1, timeUs: 1 },
      placeOf(foreign as Position),
    ];
    for (const position of unknown) {
      const page = await bus.readAfter(room, position, 3);
      expect({ position, isContinuous: page.isContinuous }).toEqual({
        position,
        isContinuous: false,
      });
      expect(page.messages.map(placeOf)).toEqual(acks.slice(0, 3).map(placeOf));
      expect(page.isEnd).toBe(false);
    }
  });

  rule("readBefore: pages back, exclusive, until nothing older is left", async (bus) => {
    const room = newRoom();
    const acks = await appendMany(bus, room, 23);
    const pages: string[][] = [];
    let before: Position | null = null;
    for (let hasMore = true; hasMore; ) {
      const page = await bus.readBefore(room, before, 5);
      pages.unshift(textsOf(page.messages));
      before = page.messages[0] ?? before;
      hasMore = page.hasMore;
    }
    expect(pages.map((page) => page.length)).toEqual([3, 5, 5, 5, 5]);
    expect(pages.flat()).toEqual(acks.map((_, i) => String(i)));
    const oldest = placeOf(acks[0] as Position);
    const none = { messages: [], hasMore: false };
    expect(await bus.readBefore(room, oldest, 5)).toEqual(none);
  });

  rule("reads: a limit above READ_COUNT_MAX is lowered", async (bus) => {
    const room = newRoom();
    await appendMany(bus, room, READ_COUNT_MAX + 10);
    const after = await bus.readAfter(room, null, READ_COUNT_MAX * 10);
    const before = await bus.readBefore(room, null, READ_COUNT_MAX * 10);
    expect(after.messages).toHaveLength(READ_COUNT_MAX);
    expect(after.isEnd).toBe(false);
    expect(before.messages).toHaveLength(READ_COUNT_MAX);
    expect(before.hasMore).toBe(true);
    expect(await readAll(bus, room)).toHaveLength(READ_COUNT_MAX + 10);
  });

  rule("floor: names the count-th newest, or nothing when fewer are stored", async (bus) => {
    const room = newRoom();
    const acks = await appendMany(bus, room, 12);
    // Too far back while the copy that answers lags, never for long.
    await expect.poll(() => bus.floor(room, 1)).toEqual(placeOf(acks[11] as Position));
    await expect.poll(() => bus.floor(room, 12)).toEqual(placeOf(acks[0] as Position));
    expect(await bus.floor(room, 13)).toBeNull();
  });

  rule("bus: random appends, retries and reads agree with a model", async (bus) => {
    const steps = fc.array(stepOf(), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(steps, (some) => runAgainstModel(bus, some)),
      { numRuns: 25 },
    );
  });
}

type Step =
  | { kind: "append"; room: number; producer: number; seq: number }
  | { kind: "after"; room: number; index: number; limit: number }
  | { kind: "before"; room: number; index: number; limit: number }
  | { kind: "head"; room: number };

function stepOf(): fc.Arbitrary<Step> {
  const room = fc.nat({ max: 2 });
  const index = fc.integer({ min: -1, max: 12 });
  const limit = fc.integer({ min: 1, max: 6 });
  const seq = fc.integer({ min: 1, max: 12 });
  const producer = fc.nat({ max: 1 });
  return fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("append"), room, producer, seq }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("after"), room, index, limit }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("before"), room, index, limit }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("head"), room }) },
  ) as fc.Arbitrary<Step>;
}

interface ModelRoom {
  readonly address: RoomAddress;
  readonly stored: { text: string; place: Position }[];
  readonly names: Map<string, Position>;
}

async function runAgainstModel(bus: Bus, steps: readonly Step[]): Promise<void> {
  const producers = [newProducer(), newProducer()];
  const rooms: ModelRoom[] = [0, 1, 2].map(() => ({
    address: newRoom("model"),
    stored: [],
    names: new Map(),
  }));
  for (const step of steps) {
    const room = rooms[step.room] as ModelRoom;
    if (step.kind === "append") await stepAppend(bus, room, producers[step.producer] ?? "", step);
    else if (step.kind === "head") {
      expect(await bus.head(room.address)).toEqual(room.stored.at(-1)?.place ?? null);
    } else await stepRead(bus, room, step);
  }
}

async function stepAppend(
  bus: Bus,
  room: ModelRoom,
  producer: string,
  step: Extract<Step, { kind: "append" }>,
): Promise<void> {
  const text = `${step.producer}/${step.seq}`;
  const known = room.names.get(text);
  const ack = await append(bus, room.address, { producer, seq: step.seq }, text);
  expect(ack.isDuplicate).toBe(known !== undefined);
  if (known !== undefined) {
    expect(placeOf(ack)).toEqual(known);
    return;
  }
  const newest = room.stored.at(-1)?.place;
  if (newest !== undefined) expect(ack.seq).toBeGreaterThan(newest.seq);
  room.stored.push({ text, place: placeOf(ack) });
  room.names.set(text, placeOf(ack));
}

async function stepRead(
  bus: Bus,
  room: ModelRoom,
  step: Extract<Step, { kind: "after" | "before" }>,
): Promise<void> {
  const { index, limit } = step;
  const from = room.stored[index]?.place ?? null;
  const all = room.stored.map(({ text }) => text);
  if (step.kind === "after") {
    const page = await bus.readAfter(room.address, from, limit);
    const start = from === null ? 0 : index + 1;
    expect(page.isContinuous).toBe(true);
    expect(textsOf(page.messages)).toEqual(all.slice(start, start + limit));
    expect(page.isEnd).toBe(start + limit >= all.length);
    expectPlaces(page.messages, room);
    return;
  }
  const page = await bus.readBefore(room.address, from, limit);
  const end = from === null ? all.length : index;
  expect(textsOf(page.messages)).toEqual(all.slice(Math.max(0, end - limit), end));
  expect(page.hasMore).toBe(end > limit);
  expectPlaces(page.messages, room);
}

function expectPlaces(messages: readonly DurableMessage[], room: ModelRoom): void {
  const places = new Map(room.stored.map(({ text, place }) => [text, place]));
  for (const message of messages) {
    expect(placeOf(message)).toEqual(places.get(textsOf([message])[0] ?? ""));
  }
}
