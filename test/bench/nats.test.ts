/** The benches on NATS in small, on real servers: they count exactly, targets name measures. */
import { expect, test, vi } from "vitest";
import { benchNatsFanout } from "../../bench/fanout.ts";
import { benchMoves } from "../../bench/moves.ts";
import { benchNatsDurable } from "../../bench/nats-durable.ts";
import { benchNatsJoin } from "../../bench/nats-join.ts";
import { benchNatsQuiet } from "../../bench/nats-quiet.ts";
import { benchNatsResume } from "../../bench/nats-resume.ts";
import { DEFAULTS } from "../../bench/options.ts";
import { benchRolling } from "../../bench/rolling.ts";
import { benchStorm } from "../../bench/storm.ts";
import { readTargets } from "../../bench/targets.ts";

const tiny = { ...DEFAULTS, isTiny: true, natsServer: process.env.NATS_SERVER ?? "" };
const silent = (): void => {};
// Each starts up to eleven processes one after the other: 3 s, ten times as much on a full machine.
vi.setConfig({ testTimeout: 120_000 });

/** Names in bench/targets.json of one bench. */
function targetNames(bench: string): string[] {
  return readTargets().flatMap(({ name }) => (name.startsWith(`${bench}/`) ? [name] : []));
}

test("benchNatsFanout: every delivery comes once on both systems", async () => {
  const report = await benchNatsFanout(tiny, silent);
  expect(report.problems).toEqual([]);
  const systems = report.runs.flat().map((run) => (run as { system: string }).system);
  expect(systems).toEqual(["bare-nats", "tidegate"]);
});

test("benchNatsDurable: every publish is acknowledged, by gateway and bus", async () => {
  const report = await benchNatsDurable(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.hash).toBe((5 * 300).toString(16));
  expect(Object.keys(report.measures)).toEqual(expect.arrayContaining(targetNames("nats-durable")));
});

test("benchNatsResume: every client recovers exactly what it missed", async () => {
  const report = await benchNatsResume(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([{ clientCount: 12, exactCount: 12 }]);
  expect(Object.keys(report.measures)).toEqual(targetNames("nats-resume"));
});

test("benchNatsJoin: rooms with and without messages are joined", async () => {
  const report = await benchNatsJoin(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([{ joinedCount: 5 }, { joinedCount: 5 }]);
  expect(Object.keys(report.measures)).toEqual(targetNames("nats-join"));
});

test("benchNatsQuiet: markers are seen with and not without, all rooms are asked for", async () => {
  const report = await benchNatsQuiet(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs.flat()).toMatchObject([
    { variant: "with", deliveredCount: 70 },
    { variant: "without", deliveredCount: 70, markerCount: 0 },
    { variant: "with", visitedCount: 40 },
  ]);
  expect(Object.keys(report.measures)).toEqual(targetNames("nats-quiet"));
});

test("benchMoves: slots move under load; nothing is lost, doubled or out of order", async () => {
  const report = await benchMoves(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.hash).toBe((4).toString(16));
  expect(report.runs).toMatchObject([{ movedCount: 4, lost: 0, doubled: 0, reordered: 0 }]);
  expect(Object.keys(report.measures)).toEqual(expect.arrayContaining(targetNames("moves")));
});

test("benchRolling: every client moves off each gateway, and nothing durable is amiss", async () => {
  const report = await benchRolling(tiny, silent);
  expect(report.problems).toEqual([]);
  const [run] = report.runs as { reconnectCount: number; lostCount: number }[];
  expect(run?.reconnectCount).toBeGreaterThanOrEqual(40);
  expect(Object.keys(report.measures)).toEqual(targetNames("rolling"));
});

test("benchStorm: every client of a killed worker is back, and has every message once", async () => {
  const report = await benchStorm(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([
    { clientCount: 60, backCount: 60, recoveredCount: 60, exactCount: 68, memberCount: 68 },
  ]);
  expect(Object.keys(report.measures).sort()).toEqual(targetNames("storm").sort());
});
