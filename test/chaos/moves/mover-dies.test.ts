/**
 * R10's table: the mover is killed at each step of a move, and what it was about to do is done
 * late. Real processes, busy publishers and members; each row ends as the table says.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listUpdate, lockRelease, type MessageTest, marker, recordWrite } from "../mover.ts";
import type { SeenState } from "../slot-records.ts";
import { MoveStage, type Row } from "./stage.ts";

/** Processes that watch for moves whose mover is gone: three gateways and a control plane. */
const WATCHER_COUNT = 4;
/** A move in progress is finished or undone within this after its deadline, ms. */
const FINISH_MS_MAX = 10_000;

/** A step to die at. */
interface Death {
  readonly state: string;
  /** The first message of the mover that is not sent any more. */
  readonly before: (row: Row) => MessageTest;
  /** States from the first that the move makes; the last one is where it ends. */
  readonly states: readonly SeenState[];
  readonly lists: { from: number[]; to: number[] };
  /** States that come when the message arrives late after all. */
  readonly lateStates?: readonly SeenState[];
}

const undone = { from: [1], to: [] };
const done = { from: [], to: [2] };
const doneStates: SeenState[] = ["sealing 1", "removing 1", "open 2"];

const deaths: readonly Death[] = [
  {
    state: "open(e), B has not e+1",
    before: ({ to }) => listUpdate(to),
    states: [],
    lists: undone,
  },
  {
    state: "open(e), B has e+1",
    before: ({ slot }) => recordWrite(slot, 1),
    states: [],
    lists: undone,
    lateStates: ["sealing 1", "open 1"],
  },
  {
    state: "sealing",
    before: ({ slot }) => recordWrite(slot, 2),
    states: ["sealing 1", "open 1"],
    lists: undone,
  },
  {
    state: "removing, A shows e",
    before: ({ from }) => listUpdate(from),
    states: ["sealing 1", "removing 1", "open 1"],
    lists: undone,
  },
  {
    state: "removing, A shows e gone",
    before: ({ from, slot }) => marker(from, slot, 1),
    states: doneStates,
    lists: done,
  },
  {
    state: "removing, A has the marker",
    before: ({ slot }) => recordWrite(slot, 3),
    states: doneStates,
    lists: done,
  },
  {
    state: "open(e+1), its locks are held",
    before: () => lockRelease(),
    states: doneStates,
    lists: done,
  },
];

/** Further rows: movers whose update comes late, after the next one's moves. */
const [late, frozen] = [deaths.length, deaths.length + 1];
let stage: MoveStage;

beforeAll(async () => {
  const names = [...deaths.map((_, i) => `dies-${i}`), "late", "frozen", "next"];
  stage = await MoveStage.start(deaths.length + 2, names);
}, 120_000);

afterAll(async () => {
  await stage?.close();
});

describe.concurrent("R10: the mover is killed", () => {
  test.each(deaths.map((death, i) => ({ i, ...death })))(
    "in $state; late, its next act changes nothing for good",
    async ({ i, before, states, lists, lateStates = [] }) => {
      const row = stage.row(i);
      const { slot, from, to } = row;
      const mover = stage.mover(`dies-${i}`);
      const isHeld = mover.stopBefore(before(row));
      const end = mover.move(slot, to);
      await isHeld;
      await mover.kill();
      expect(await end).toBe("killed");
      await stage.untilLists(row, lists);
      await stage.untilAcked(row);
      expectStates(slot, states);
      const last = states.at(-1);
      if (last !== undefined && before !== deaths.at(-1)?.before) {
        for (const afterMs of stage.records.afterDeadlineMs(slot, last)) {
          expect(afterMs).toBeGreaterThanOrEqual(0);
          expect(afterMs).toBeLessThan(FINISH_MS_MAX);
        }
      }
      await mover.deliverLate(stage.world.nats.urls[0] ?? "");
      const lateEnd = lateStates.at(-1);
      if (lateEnd !== undefined) await stage.untilState(row, lateEnd);
      await stage.untilAcked(row);
      await stage.untilLists(row, lists);
      expectStates(slot, [...states, ...lateStates]);
      expect(stage.records.tries(slot)).toBeLessThan(8 + 2 * WATCHER_COUNT);
      const epoch = lists === done ? 2 : 1;
      const shard = lists === done ? to : from;
      const record = stage.records.last(slot);
      if (record !== null) expect(record).toMatchObject({ epoch, shard });
    },
    90_000,
  );

  // R11: the stale list takes epochs away that others have added, and brings others back.
  test("in removing; its update comes after the next mover's moves, of another slot too", async () => {
    const row = stage.row(late);
    const other = stage.neighbour(row);
    const mover = stage.mover("late");
    const isHeld = mover.stopBefore(listUpdate(row.from));
    void mover.move(row.slot, row.to);
    await isHeld;
    await mover.kill();
    await moveOn(row, other);
    await mover.deliverLate(stage.world.nats.urls[0] ?? "");
    await expectRepaired(row, other);
  }, 90_000);

  test("stopped in removing, thawed after the next mover's moves, of another slot too", async () => {
    const row = stage.row(frozen);
    const other = stage.neighbour(row);
    const mover = stage.mover("frozen");
    const isHeld = mover.stopBefore(listUpdate(row.from));
    const end = mover.move(row.slot, row.to);
    await isHeld;
    mover.freeze();
    await moveOn(row, other);
    mover.thaw();
    mover.release();
    expect(await end).toMatchObject({ error: expect.stringContaining("UNAVAILABLE") });
    await expectRepaired(row, other);
  }, 90_000);
});

test("whoever published and listened meanwhile: all once, in order, nothing unknown", async () => {
  const { counts, violations } = await stage.judge();
  console.info(JSON.stringify(counts));
  expect(violations.slice(0, 20)).toEqual([]);
  expect(counts).toMatchObject({ unknown: 0, failed: 0, missing: 0, doubled: 0, reordered: 0 });
  expect(counts.acked).toBeGreaterThan(1000);
}, 90_000);

/** The next mover: this slot to B, and another one to B and back. */
async function moveOn(row: Row, other: Row): Promise<void> {
  await stage.untilState(row, "open 1");
  const next = stage.mover("next");
  for (const [slot, shard] of [
    [row.slot, row.to],
    [other.slot, other.to],
    [other.slot, other.from],
  ] as const) {
    await stage.untilMoved(next, slot, shard);
  }
}

async function expectRepaired(row: Row, other: Row): Promise<void> {
  await stage.untilAcked(row);
  await stage.untilLists(row, done);
  await stage.untilLists(other, { from: [3], to: [] });
  // The stopped mover has a lease and does not acknowledge: it takes its tries, and is fenced.
  expect(stage.records.states(row.slot).slice(-3)).toEqual(expect.arrayContaining(["open 2"]));
}

/** A state of milliseconds may be missing; no other may be there, and the last one must. */
function expectStates(slot: number, wanted: readonly SeenState[]): void {
  const seen = stage.records.states(slot);
  const left = [...wanted];
  for (const state of seen) {
    const at = left.indexOf(state);
    expect(at, `${state} in ${seen.join(", ")}; wanted ${wanted.join(", ")}`).not.toBe(-1);
    left.splice(0, at + 1);
  }
  expect(seen.at(-1)).toBe(wanted.at(-1));
}
