/** The window of names against a plain Map, and at its bounds. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { DedupeWindow } from "../../../bus/embedded/dedupe-window.ts";

const windowUs = 1000;

function producerOf(n: number): Uint8Array {
  return Buffer.from(String(n).padStart(16, "0"), "latin1");
}

interface Step {
  readonly room: number;
  readonly producer: number;
  readonly seq: number;
  readonly passUs: number;
  readonly isUndone: boolean;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    room: fc.integer({ min: 1, max: 3 }),
    producer: fc.nat({ max: 2 }),
    seq: fc.oneof(
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(2 ** 32 + 1, 2 ** 33 + 1, Number.MAX_SAFE_INTEGER),
    ),
    passUs: fc.oneof(fc.constant(0), fc.nat({ max: 400 })),
    isUndone: fc.boolean(),
  }),
  { maxLength: 200 },
);

test("DedupeWindow: finds exactly what a map with times would, also after undo", () => {
  fc.assert(
    fc.property(steps, fc.nat({ max: 2 ** 32 - 1 }), (some, seed) => {
      const names = new DedupeWindow(windowUs, seed);
      const model = new Map<string, { seq: number; atUs: number }>();
      let nowUs = 0;
      let lastSeq = 0;
      for (const { room, producer, seq, passUs, isUndone } of some) {
        nowUs += passUs;
        names.expire(nowUs);
        const key = `${room}/${producer}/${seq}`;
        const known = model.get(key);
        const isKnown = known !== undefined && nowUs - known.atUs <= windowUs;
        const found = names.find(room, producerOf(producer), seq);
        expect(found?.seq ?? 0).toBe(isKnown ? known.seq : 0);
        if (isKnown) continue;
        const mark = names.mark;
        lastSeq += 1;
        names.add(
          room,
          producerOf(producer),
          seq,
          { seq: lastSeq, timeUs: nowUs, epoch: 1 },
          nowUs,
        );
        if (isUndone) names.undo(mark);
        else model.set(key, { seq: lastSeq, atUs: nowUs });
      }
    }),
    { numRuns: 300 },
  );
});

test("DedupeWindow: grows, keeps every name, and shrinks again", () => {
  const names = new DedupeWindow(windowUs, 7);
  const producer = producerOf(1);
  const copyOf = (seq: number) => ({ seq, timeUs: seq, epoch: 1 + (seq % 3) });
  for (let seq = 1; seq <= 20_000; seq += 1) names.add(1, producer, seq, copyOf(seq), 0);
  names.undo(19_990);
  for (const seq of [1, 2, 1024, 1025, 19_990]) {
    expect(names.find(1, producer, seq)).toEqual(copyOf(seq));
  }
  expect(names.find(1, producer, 19_991)).toBeNull();
  expect(names.find(2, producer, 1)).toBeNull();
  names.expire(windowUs + 1);
  expect(names.count).toBe(0);
  for (let i = 0; i < 6; i += 1) names.expire(windowUs + 1);
  names.add(1, producer, 5, { seq: 5, timeUs: 5, epoch: 1 }, windowUs + 1);
  expect(names.find(1, producer, 5)?.seq).toBe(5);
  expect(names.find(1, producer, 4)).toBeNull();
});

test("DedupeWindow: at its maximum it has no space until a name expires", () => {
  const names = new DedupeWindow(windowUs, 7, 2 ** 11);
  const producer = producerOf(1);
  const copy = { seq: 1, timeUs: 0, epoch: 1 };
  for (let seq = 1; names.hasSpace; seq += 1) names.add(1, producer, seq, copy, seq);
  expect(names.count).toBe(2 ** 11);
  names.expire(windowUs + 1);
  expect(names.hasSpace).toBe(false);
  names.expire(windowUs + 2);
  expect(names.hasSpace).toBe(true);
  expect(names.count).toBe(2 ** 11 - 1);
});
