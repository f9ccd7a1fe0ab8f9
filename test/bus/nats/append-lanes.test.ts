/** bus/nats/append-lanes.ts: names of publishes, and answers in the order of the calls. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { AppendLanes, type LaneEntry } from "../../../bus/nats/append-lanes.ts";
import { roomAddress } from "../../../bus/subjects.ts";
import { CodedError } from "../../../proto/coded-error.ts";

const room = roomAddress("default", "chat:a");

function entry(done: (number: number) => void, number: number): LaneEntry {
  return { done: () => done(number), isAnswered: false, error: null, ack: null };
}

test("AppendLane: whatever the order of answers, they are told in the order of the calls", () => {
  const order = fc
    .integer({ min: 1, max: 700 })
    .chain((count) => fc.shuffledSubarray([...Array(count).keys()], { minLength: count }));
  fc.assert(
    fc.property(order, (answers) => {
      const lanes = new AppendLanes();
      const lane = lanes.of(room, "p");
      const told: number[] = [];
      const entries = answers.map((_, i) => entry((number) => told.push(number), i));
      for (const each of entries) lane.push(each);
      for (const [i, number] of answers.entries()) {
        const answered = entries[number];
        if (answered !== undefined) lane.answer(answered, null, null);
        const expected = entries.findIndex(({ isAnswered }) => !isAnswered);
        expect(told.length).toBe(expected < 0 ? i + 1 : expected);
      }
      expect(told).toEqual(answers.map((_, i) => i));
      expect(lane.isEmpty).toBe(true);
      lanes.close();
    }),
    { numRuns: 30 },
  );
});

test("AppendLane: an append made in an answer takes its place behind", () => {
  const lanes = new AppendLanes();
  const lane = lanes.of(room, "p");
  const told: number[] = [];
  const second = entry((number) => told.push(number), 2);
  const first = entry((number) => {
    told.push(number);
    lane.push(second);
  }, 1);
  lane.push(first);
  lane.answer(first, null, null);
  expect(told).toEqual([1]);
  lane.answer(second, null, null);
  expect(told).toEqual([1, 2]);
  lanes.close();
});

// A publish that came between a refusal and its answer was stored, and overtook what was refused.
test("R3: a lane fails from the first failure until the last one is told", () => {
  const lanes = new AppendLanes();
  const lane = lanes.of(room, "p");
  const entries = [1, 2, 3].map((number) => entry(() => {}, number));
  for (const each of entries) lane.push(each);
  const [first, second, third] = entries as [LaneEntry, LaneEntry, LaneEntry];
  const error = new CodedError("UNAVAILABLE", "not now");
  lane.fail(second, error);
  expect(lane.isFailing).toBe(true);
  lane.answer(second, error, null);
  lane.answer(third, error, null);
  expect(lane.isFailing).toBe(true); // the first is not answered, so nobody was told
  lane.answer(first, null, null);
  expect(lane.isFailing).toBe(false);
  lanes.close();
});

test("AppendLanes: a name holds hashes of room and producer, never their texts", () => {
  const lanes = new AppendLanes();
  const a = lanes.of(room, "0123456789abcdef");
  expect(lanes.of(room, "0123456789abcdef")).toBe(a);
  expect(a.idPrefix).toMatch(/^[\w-]{22}\.[\w-]{22}\.$/);
  const others = [lanes.of(room, "x".repeat(16)), lanes.of(roomAddress("default", "chat:b"), "0")];
  expect(new Set([a, ...others].map(({ idPrefix }) => idPrefix)).size).toBe(3);
  expect([a.subject(1), a.subject(2)]).toEqual([
    `tg.in.0-${room.slot}.1.${room.token}`,
    `tg.in.0-${room.slot}.2.${room.token}`,
  ]);
  lanes.close();
});
