/** The steps of operations, decided on plain data: to the end, over crashes, pauses and aborts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideSteering } from "../../../controlplane/operations/decide-steering.ts";
import { PLAN_COUNT_MAX } from "../../../controlplane/operations/decide-step.ts";
import { hasEnded } from "../../../controlplane/operations/operation-record.ts";
import {
  type Operation,
  OperationState,
  SlotMoveState,
} from "../../../proto/gen/tidegate/control/v1/operation.ts";
import { begun, FakeFleet, runToEnd, stateOf, step } from "./fake-fleet.ts";

const drain0 = { $case: "drainShard", value: { shard: "groups/0/shards/0" } } as const;
const drain1 = { $case: "drainShard", value: { shard: "groups/0/shards/1" } } as const;
const rebalance = { $case: "rebalance", value: { group: "groups/0", planCount: 0 } } as const;

/** Slots dealt out in turn. */
function dealt(slotCount: number, shardCount: number): number[] {
  return Array.from({ length: slotCount }, (_, slot) => slot % shardCount);
}

function moveTo(slot: number, shard: number) {
  const value = { slot: `groups/0/slots/${slot}`, shard: `groups/0/shards/${shard}` };
  return { $case: "moveSlot", value } as const;
}

describe("decideStep: a drain", () => {
  test("moves exactly the shard's slots, then retires it", () => {
    const fleet = new FakeFleet(3, dealt(12, 3));
    const ended = runToEnd(fleet, begun(drain0));
    expect(ended).toMatchObject({
      ...{ state: OperationState.SUCCEEDED, stepCount: 4, doneCount: 4, activeCount: 0 },
      detail: "the shard is retired",
    });
    expect(fleet.moved.map(({ slot }) => slot).sort((a, b) => a - b)).toEqual([0, 3, 6, 9]);
    expect([0, 1, 2].map((shard) => fleet.ownedBy(shard))).toEqual([0, 6, 6]);
    expect(stateOf(fleet, 0)).toBe("retired");
  });

  test("of the last shard fails with what to do, and changes nothing", () => {
    const fleet = new FakeFleet(2, dealt(4, 1));
    fleet.setShard(1, { state: "retired" });
    const ended = runToEnd(fleet, begun(drain0));
    expect(ended).toMatchObject({
      state: OperationState.FAILED,
      failure: { code: "NO_ACTIVE_SHARD", fix: expect.stringContaining("Create a shard") },
    });
    expect([stateOf(fleet, 0), fleet.moved]).toEqual(["active", []]);
  });

  test("that can not go on waits, says why, and goes on when it is mended", () => {
    const fleet = new FakeFleet(2, dealt(4, 2));
    let operation = step(fleet, begun(drain0), "moves").operation; // draining
    fleet.setShard(1, { state: "retired" });
    operation = step(fleet, operation, "moves").operation;
    expect(operation.state).toBe(OperationState.RUNNING);
    expect(operation.detail).toMatch(
      /^waits: every shard of the group \(0, 1\) is draining.*Create/,
    );
    fleet.setShard(1, { state: "active" });
    expect(runToEnd(fleet, operation).state).toBe(OperationState.SUCCEEDED);
  });

  test("sees a slot that came back, and takes a shard that leaves for no target", () => {
    const fleet = new FakeFleet(3, dealt(12, 3));
    let operation = begun(drain0);
    while (operation.stepCount === 0) operation = step(fleet, operation, "moves").operation;
    fleet.setShard(2, { state: "draining" }); // what was planned to go there is planned anew
    fleet.move(1, 0);
    expect(runToEnd(fleet, operation).state).toBe(OperationState.SUCCEEDED);
    expect(fleet.ownedBy(0)).toBe(0);
    expect(fleet.moved.slice(1).every(({ to }) => to === 1)).toBe(true);
  });

  test("two at once end with every slot on the third shard, each moved once", () => {
    const fleet = new FakeFleet(3, dealt(12, 3));
    let [first, second] = [begun(drain0), begun(drain1)];
    for (let count = 0; count < 100; count += 1) {
      first = step(fleet, first, "moves", hasEnded(second) ? [] : [second]).operation;
      second = step(fleet, second, "moves", hasEnded(first) ? [] : [first]).operation;
    }
    expect([first.state, second.state]).toEqual([
      OperationState.SUCCEEDED,
      OperationState.SUCCEEDED,
    ]);
    expect(fleet.ownedBy(2)).toBe(12);
    expect(fleet.moved).toHaveLength(8);
  });

  test("aborted makes no further move, says how many were left, and the shard takes slots", () => {
    const fleet = new FakeFleet(2, dealt(12, 2));
    let operation = begun(drain0);
    while (fleet.moved.length < 2) operation = step(fleet, operation, "moves").operation;
    const ended = runToEnd(fleet, decideSteering(operation, "abort", 2));
    expect(ended).toMatchObject({
      ...{ state: OperationState.ABORTED, detail: "4 moves were not made" },
      endTime: expect.any(Date),
    });
    expect([fleet.moved.length, stateOf(fleet, 0)]).toEqual([2, "active"]);
  });

  test("aborted while a slot moves ends only when that has ended", () => {
    const fleet = new FakeFleet(2, dealt(4, 2));
    let operation = begun(drain0);
    while (operation.stepCount === 0) operation = step(fleet, operation, "fails").operation;
    fleet.slots.set(0, { slot: 0, owner: 0, isOpen: false });
    operation = step(fleet, decideSteering(operation, "abort", 2), "moves").operation;
    expect(operation).toMatchObject({ state: OperationState.ABORTING, activeCount: 1 });
    fleet.move(0, 1);
    expect(runToEnd(fleet, operation)).toMatchObject({
      state: OperationState.ABORTED,
      doneCount: 1,
    });
  });

  test("paused begins nothing, resumed it goes on", () => {
    const fleet = new FakeFleet(2, dealt(12, 2));
    let operation = begun(drain0);
    while (fleet.moved.length < 2) operation = step(fleet, operation, "moves").operation;
    operation = decideSteering(operation, "pause", 2);
    for (let count = 0; count < 5; count += 1) {
      operation = step(fleet, operation, "moves").operation;
    }
    expect([fleet.moved.length, operation.detail]).toEqual([2, "is paused with 4 moves left"]);
    const ended = runToEnd(fleet, decideSteering(operation, "resume", 3));
    expect(ended.state).toBe(OperationState.SUCCEEDED);
  });
});

describe("decideStep: a rebalance", () => {
  test("moves nothing for a few messages in a quiet installation", () => {
    const fleet = new FakeFleet(2, dealt(64, 2));
    for (let slot = 0; slot < 64; slot += 1) fleet.loads.set(slot, slot === 5 ? 0.1 : 0);
    expect(runToEnd(fleet, begun(rebalance)).state).toBe(OperationState.SUCCEEDED);
    expect(fleet.moved).toEqual([]);
    fleet.loads.set(5, 500); // that much is worth its own shard
    runToEnd(fleet, begun(rebalance));
    expect(fleet.moved.length).toBeGreaterThan(10);
  });

  test("gives a new shard its share, and ends when all is even", () => {
    const fleet = new FakeFleet(3, dealt(24, 2));
    const ended = runToEnd(fleet, begun(rebalance));
    expect(ended).toMatchObject({ state: OperationState.SUCCEEDED, detail: "all is even" });
    expect(fleet.ownedBy(2)).toBeGreaterThanOrEqual(6);
    expect(fleet.moved.length).toBeLessThanOrEqual((1.2 / 3) * 24);
  });

  test("with nothing to do ends at once", () => {
    const ended = runToEnd(new FakeFleet(2, dealt(8, 2)), begun(rebalance));
    expect(ended).toMatchObject({ state: OperationState.SUCCEEDED, stepCount: 0 });
  });

  test("carries out pins and regions", () => {
    const fleet = new FakeFleet(3, dealt(9, 3));
    fleet.setShard(2, { region: "us" });
    for (const id of [0, 1]) fleet.setShard(id, { region: "eu" });
    fleet.rules.push({ name: "class game", regions: ["eu"] });
    fleet.pins.set(0, 1);
    expect(runToEnd(fleet, begun(rebalance)).state).toBe(OperationState.SUCCEEDED);
    expect([fleet.slots.get(0)?.owner, fleet.ownedBy(2)]).toEqual([1, 0]);
  });

  test("waits for a drain of its group, and leaves that its slots", () => {
    const fleet = new FakeFleet(3, dealt(12, 3));
    const drain = begun(drain0);
    const waiting = step(fleet, begun(rebalance), "moves", [drain]).operation;
    expect(waiting.detail).toBe("waits for operations/1-1, a drain");
    expect(fleet.moved).toEqual([]);
  });

  test(`ends after ${PLAN_COUNT_MAX} plans, even or not`, () => {
    const value = { ...rebalance.value, planCount: PLAN_COUNT_MAX };
    const ended = runToEnd(new FakeFleet(2, dealt(16, 1)), begun({ ...rebalance, value }));
    expect(ended.detail).toBe(`ended after ${PLAN_COUNT_MAX} plans, still uneven`);
  });
});

describe("decideStep: a move", () => {
  test("is made once; one that is there already ends at once", () => {
    const fleet = new FakeFleet(2, dealt(4, 2));
    expect(runToEnd(fleet, begun(moveTo(0, 1))).detail).toBe("the slot is moved");
    expect(runToEnd(fleet, begun(moveTo(0, 1))).detail).toBe("the slot was there");
    expect(fleet.moved).toEqual([{ slot: 0, to: 1 }]);
  });

  test.each([
    ["no such shard", moveTo(0, 9), "NOT_FOUND"],
    ["no such slot", moveTo(99, 1), "NOT_FOUND"],
    ["a shard that drains", moveTo(0, 2), "SHARD_NOT_ACTIVE"],
    ["a region that is not allowed", moveTo(0, 3), "REGION_NOT_ALLOWED"],
    ["a slot that is pinned elsewhere", moveTo(1, 0), "SLOT_PINNED"],
  ])("fails for %s", (_case, work, code) => {
    const fleet = new FakeFleet(4, dealt(4, 2));
    for (const id of [0, 1, 2]) fleet.setShard(id, { region: "eu" });
    fleet.setShard(2, { state: "draining" });
    fleet.rules.push({ name: "groups/0", regions: ["eu"] });
    fleet.pins.set(1, 1);
    const ended = runToEnd(fleet, begun(work));
    expect(ended).toMatchObject({ state: OperationState.FAILED, failure: { code } });
    expect(fleet.moved).toEqual([]);
  });
});

test("leaders that die anywhere: each operation comes to its end, no slot moves for nothing", () => {
  const chances = fc.array(fc.constantFrom("moves", "fails", "dies"), { maxLength: 200 });
  const kinds = fc.constantFrom(drain0, rebalance, moveTo(3, 1));
  fc.assert(
    fc.property(kinds, fc.integer({ min: 2, max: 5 }), chances, (work, shardCount, luck) => {
      const fleet = new FakeFleet(shardCount, dealt(40, Math.max(1, shardCount - 1)));
      let stored: Operation = begun(work);
      let present = stored;
      for (const each of luck) {
        const made = step(fleet, present, each === "fails" ? "fails" : "moves");
        // Progress is written from time to time only: what was not is forgotten by a crash.
        if (made.isWritten) stored = made.operation;
        present = each === "dies" ? stored : made.operation;
      }
      const ended = runToEnd(fleet, present);
      expect(ended.state).toBe(OperationState.SUCCEEDED);
      expect(ended.moves.every(({ state }) => state === SlotMoveState.MOVED)).toBe(true);
      const slots = fleet.moved.map(({ slot }) => slot);
      expect(new Set(slots).size).toBe(slots.length);
      if (work === drain0) expect(fleet.ownedBy(0)).toBe(0);
    }),
    { numRuns: 300 },
  );
});
