/**
 * R10's table: what dies or stands still inside a move is not its mover, or not only: gateways that
 * should acknowledge, all control planes, the old stream's leader, NATS nodes. Real processes, busy
 * publishers and members.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { listUpdate, type MessageTest, type Mover, marker, recordWrite } from "../mover.ts";
import { type HeldMove, MoveStage, type OwnedRow, until } from "./stage.ts";

/** The messages of a move that it may be stopped before, in their order. */
const steps: readonly ((row: OwnedRow) => MessageTest)[] = [
  ({ to }) => listUpdate(to),
  ({ slot }) => recordWrite(slot, 1),
  ({ slot }) => recordWrite(slot, 2),
  ({ from }) => listUpdate(from),
  ({ from, slot, epoch }) => marker(from, slot, epoch),
  ({ slot }) => recordWrite(slot, 3),
];
const [sealing, beforeRemoval, afterRemoval] = [2, 3, 4];
let stage: MoveStage;

beforeAll(async () => {
  stage = await MoveStage.start(steps.length, ["mover", "doomed"]);
}, 120_000);

afterAll(async () => {
  await stage?.close();
});

/** Moves rows, each up to its step; what is returned resolves when all are held there. */
function moveUpTo(mover: Mover, chosen: readonly number[]) {
  const moves = chosen.map(async (step) => {
    const before = steps[step];
    if (before === undefined) throw new RangeError(`there is no step ${step}`);
    return stage.moveUpTo(mover, stage.row(step), before);
  });
  return Promise.all(moves);
}

/** A move that says it is done is; one that can not say may have been finished by others. */
async function expectWhole({ row, end }: HeldMove): Promise<void> {
  const said = await end;
  const after = await stage.untilWhole(row);
  if (said === "done") expect(after.epoch).toBe(row.epoch + 1);
}

test("a gateway that dies before it acknowledges counts as acknowledged", async () => {
  const { server } = stage.world.gateways[2] ?? {};
  const mover = stage.mover("mover");
  await stage.breaking("gateway-kill", async () => {
    const [move] = await moveUpTo(mover, [1]);
    await server?.end("SIGKILL");
    mover.release();
    expect(await move?.end).toBe("done");
    const row = stage.row(1);
    await stage.untilState(row, "open 2");
    // Its lease is still there; nobody listens to its control subject.
    expect(await stage.incarnation("g2")).not.toBeNull();
    expect(stage.records.states(row.slot)).not.toContain("open 1");
    expect(stage.now(row)).toMatchObject({ epoch: 2, from: row.to });
    await server?.start();
    await stage.untilWhole(stage.now(row));
  });
}, 60_000);

test("a gateway that stands still: back to open twice, then it is fenced and the slot moves", async () => {
  const { server } = stage.world.gateways[1] ?? {};
  const before = await stage.incarnation("g1");
  await stage.breaking("gateway-freeze", async () => {
    server?.freeze();
    const row = stage.now(stage.row(0));
    expect(await stage.mover("mover").move(row.slot, row.to)).toBe("done");
    await stage.untilState(row, "open 2");
    expect(await stage.incarnation("g1")).toBeNull();
    const tries = ["sealing 1", "open 1", "sealing 1", "open 1", "sealing 1"];
    expect(stage.records.states(row.slot).slice(0, tries.length)).toEqual(tries);
    expect(stage.records.states(row.slot).at(-1)).toBe("open 2");
    server?.thaw();
    await stage.untilWhole(stage.now(row));
    await until("a new incarnation of g1", async () => {
      return (await stage.incarnation("g1")) !== null;
    });
    expect(await stage.incarnation("g1")).not.toBe(before);
  });
}, 60_000);

test("all control planes die: gateways alone finish or undo what was under way", async () => {
  const { controlPlane } = stage.world;
  const doomed = stage.mover("doomed");
  const moves = await moveUpTo(doomed, [sealing, beforeRemoval, afterRemoval]);
  await Promise.all([controlPlane.end("SIGKILL"), doomed.kill(), stage.mover("mover").kill()]);
  const after = await Promise.all(moves.map(({ row }) => stage.untilWhole(row)));
  const epochs = after.map(({ epoch }, i) => epoch - (moves[i]?.row.epoch ?? 0));
  expect(epochs).toEqual([0, 0, 1]); // forward only once A shows e gone
  await controlPlane.start();
  await stage.startMover("next");
}, 60_000);

test.each([1500, 3000, 5000])(
  "the old stream's leader stands still for %i ms inside the move",
  async (ms) => {
    const mover = stage.mover("next");
    const shards = [beforeRemoval, afterRemoval].map((step) => stage.now(stage.row(step)).from);
    const node = await stage.leaderOf(`TG_${shards[0]}`);
    await stage.leadBy(
      node,
      shards.map((shard) => `TG_${shard}`),
    );
    await stage.breaking("nats-freeze", async () => {
      const moves = await moveUpTo(mover, [beforeRemoval, afterRemoval]);
      const frozen = stage.freezeNode(node, ms);
      mover.release();
      await frozen;
      await Promise.all(moves.map(expectWhole));
      await stage.world.untilNatsHealthy();
    });
  },
  60_000,
);

test.each([
  ["the old stream", (rows: readonly OwnedRow[]) => rows.map(({ from }) => `TG_${from}`)],
  ["the new stream", (rows: readonly OwnedRow[]) => rows.map(({ to }) => `TG_${to}`)],
  ["the records", () => ["KV_control"]],
])(
  "kill -9 of the node that leads %s, at each step of a move",
  async (_, streamsOf) => {
    const mover = stage.mover("next");
    const streams = streamsOf(stage.rows.map((row) => stage.now(row)));
    const node = await stage.leaderOf(streams[0] ?? "");
    await stage.leadBy(node, streams);
    await stage.breaking("nats-kill", async () => {
      const moves = await moveUpTo(mover, [...steps.keys()]);
      const down = stage.node(node);
      await down.signal("SIGKILL");
      mover.release();
      try {
        await Promise.all(moves.map(expectWhole));
      } finally {
        await down.start();
      }
      await stage.world.untilNatsHealthy();
    });
  },
  90_000,
);

test("whoever published and listened meanwhile: all once, in order", async () => {
  const { counts, violations } = await stage.judge();
  console.info(JSON.stringify(counts));
  expect(violations.slice(0, 20)).toEqual([]);
  expect(counts).toMatchObject({ missing: 0, doubled: 0, reordered: 0 });
  expect(counts.acked).toBeGreaterThan(1000);
  // R11: in the end every list is as the records say.
  for (const row of stage.rows.map((each) => stage.now(each))) {
    await stage.untilLists(row, { from: [row.epoch], to: [] });
  }
}, 90_000);
