/** The other benches in small: they run, count exactly, and their targets name measures. */
import { expect, test } from "vitest";
import { benchDurable } from "../../bench/durable.ts";
import { benchFlags } from "../../bench/flags.ts";
import { benchFleet } from "../../bench/fleet.ts";
import { benchGates } from "../../bench/gates.ts";
import { benchLogins } from "../../bench/logins.ts";
import { benchMemory } from "../../bench/memory.ts";
import { benchMicro } from "../../bench/micro.ts";
import { DEFAULTS } from "../../bench/options.ts";
import { benchPlacement } from "../../bench/placement.ts";
import { benchRouting } from "../../bench/routing.ts";
import { benchScrape } from "../../bench/scrape.ts";
import { benchSeats } from "../../bench/seats.ts";
import { benchStart } from "../../bench/start.ts";
import { readTargets } from "../../bench/targets.ts";

const tiny = { ...DEFAULTS, isTiny: true };
const silent = (): void => {};

/** Names in bench/targets.json of one bench. */
function targetNames(bench: string): string[] {
  return readTargets().flatMap(({ name }) => (name.startsWith(`${bench}/`) ? [name] : []));
}

test("benchDurable: every publish is acknowledged, by gateway and bus", async () => {
  const report = await benchDurable(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([
    { shape: "gateway-1", ackedCount: 300 },
    { shape: "gateway-10", ackedCount: 300 },
    { shape: "bus-10", ackedCount: 300 },
  ]);
  expect(report.hash).toBe((900).toString(16));
  expect(Object.keys(report.measures)).toEqual(expect.arrayContaining(targetNames("durable")));
});

test("benchMemory: joins every connection on all systems", async () => {
  const report = await benchMemory(tiny, silent);
  expect(report.hash).toBe((90).toString(16));
  expect(Object.keys(report.measures)).toEqual(targetNames("memory"));
});

test("benchFlags: every client hears of every change, and the work is the same each time", async () => {
  const report = await benchFlags(tiny, silent);
  expect(report.runs).toMatchObject([{ connectionCount: 40, changes: [{}, {}] }]);
  expect(report.hash).toBe("213");
  const measures = Object.keys(report.measures).map((name) => name.replace("-40/", "-10000/"));
  expect(measures).toEqual(expect.arrayContaining(targetNames("flags")));
});

test("benchGates: every client hears of every change", async () => {
  const report = await benchGates(tiny, silent);
  expect(report.runs).toMatchObject([[{}, {}]]);
  const measures = Object.keys(report.measures).map((name) => name.replace("-40/", "-10000/"));
  expect(measures).toEqual(expect.arrayContaining(targetNames("gates")));
});

test("benchLogins: every login is answered by Welcome", async () => {
  const report = await benchLogins(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([{ failedCount: 0 }]);
  expect(Number.parseInt(report.hash, 16)).toBeGreaterThanOrEqual(40);
  expect(Object.keys(report.measures)).toEqual(expect.arrayContaining(targetNames("logins")));
});

test("benchStart: the all-in-one prints its ready figure", async () => {
  const report = await benchStart(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(Object.keys(report.measures)).toEqual(targetNames("start"));
});

test("benchMicro: the same work gives the same hash", async () => {
  const [one, two] = [await benchMicro(tiny, silent), await benchMicro(tiny, silent)];
  expect(one.runs.length).toBeGreaterThanOrEqual(6);
  expect(two.hash).toBe(one.hash);
  expect(Object.keys(one.measures)).toEqual(expect.arrayContaining(targetNames("micro")));
});

test("benchFleet: a small fleet's state is read whole, and every measure has its target", async () => {
  const report = await benchFleet(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([{ gateways: 5, seatCount: 200, recordCount: 280 }]);
  const measures = Object.keys(report.measures).map((name) => name.replace("/5/", "/1000/"));
  expect(measures).toEqual(expect.arrayContaining(targetNames("fleet")));
});

test("benchRouting: 100 gateways apply every change once, in order, by the stream alone", async () => {
  const report = await benchRouting(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([{ shape: "100", appliedCount: 1000 }]);
  expect(Object.keys(report.measures)).toEqual(targetNames("routing"));
});

test("benchPlacement: plans every shape, and the same work gives the same hash", async () => {
  const [one, two] = [await benchPlacement(tiny, silent), await benchPlacement(tiny, silent)];
  expect(one.runs.length).toBeGreaterThanOrEqual(6);
  expect(Object.keys(one.measures)).toEqual(expect.arrayContaining(targetNames("placement")));
  expect(one.runs[0]).toMatchObject({ shape: "even", moveCount: 0, pacedSeconds: 0 });
  expect(two.hash).toBe(one.hash);
});

test("benchScrape: reads a server with all its rooms, and tells what it takes", async () => {
  const report = await benchScrape(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(report.runs).toMatchObject([{ roomCount: 500 }]);
  expect(Object.keys(report.measures)).toEqual(targetNames("scrape"));
});

test("benchSeats: takes and moves seats on NATS, and admits locally", async () => {
  const report = await benchSeats(tiny, silent);
  expect(report.problems).toEqual([]);
  expect(Object.keys(report.measures)).toEqual(expect.arrayContaining(targetNames("seats")));
});
