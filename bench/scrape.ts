/**
 * `scrape`: what a reading of /metrics costs a gateway in which 100 000 rooms have members.
 *
 * The server tells its own CPU time, in microseconds: between two readings it is that of one
 * reading and of the idle time, which is measured by itself and taken off. A pause can not be
 * longer than the CPU time that was used: it is bounded by the most between any two readings. What
 * timers were late is told beside it, read all the time and left alone, but a shared machine has
 * pauses of its own, which are longer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../deploy/nats/node.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { RoomCommand, RoomReply } from "./load/room-protocol.ts";
import type { BenchOptions } from "./options.ts";
import { type BenchReport, spreadOf } from "./report.ts";
import { ServerProcess } from "./servers/server-process.ts";

/** Rooms, and those of one connection: the gateway's highest limit. */
const ROOM_COUNT = 100_000;
const TINY_ROOM_COUNT = 500;
const ROOMS_PER_CONNECTION = 4000;
const RUNS_DEFAULT = 5;
/** The server's window of its event loop, ms, and some more. */
const WINDOW_MS = 5200;
const TINY_MS = 300;
/** Between two readings, ms. */
const PAUSE_MS = 50;
/** OpenMetrics, which Prometheus asks for, is the longer of the two. */
const headers = { Accept: "application/openmetrics-text; version=1.0.0" };

interface ScrapeFigures {
  readonly cpuMs: number;
  /** Most CPU time from one reading to the next. */
  readonly mostMs: number;
  /** What timers were late at most, while it was read, and before. */
  readonly lateMs: number;
  readonly quietLateMs: number;
  readonly roomCount: number;
  readonly seriesCount: number;
  readonly byteCount: number;
  readonly readCount: number;
}

/** Runs the bench; targets: bench/targets.json. */
export async function benchScrape(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const roomCount = options.isTiny ? TINY_ROOM_COUNT : ROOM_COUNT;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const [port = 0] = await freePorts(1);
  const server = await ServerProcess.start({
    ...{ system: "tidegate", core: null, nodeFlags: [] },
    tidegateFlags: ["--room-count-max=4096", `--admin-port=${port}`],
  });
  const load = new LoadProcess<RoomCommand, RoomReply>("room-generator.ts", null);
  const runs: ScrapeFigures[] = [];
  try {
    for (let first = 0; first < roomCount; first += ROOMS_PER_CONNECTION) {
      const count = Math.min(ROOMS_PER_CONNECTION, roomCount - first);
      const join = { url: server.ready.url, firstRoom: first, roomCount: count, inTurn: false };
      await load.ask({ kind: "join", ...join }, "joined");
      progress(`${first + count} rooms`);
    }
    const windowMs = options.isTiny ? TINY_MS : WINDOW_MS;
    for (let round = 0; round < rounds; round += 1) {
      const figures = await measure(`http://127.0.0.1:${port}/metrics`, windowMs);
      progress(`round ${round + 1}/${rounds}: ${figures.cpuMs.toFixed(2)} ms of CPU`);
      runs.push(figures);
    }
  } finally {
    await load.stop();
    await server.stop();
  }
  return report(runs, roomCount);
}

async function measure(url: string, windowMs: number): Promise<ScrapeFigures> {
  await read(url); // begins a window of its own
  const [first, firstMs] = [await read(url), performance.now()];
  await sleep(windowMs);
  const [quiet, quietMs] = [await read(url), performance.now()];
  const idleShare = (quiet.cpuMs - first.cpuMs) / (quietMs - firstMs); // one reading in 5 s too
  let last = quiet;
  let readCount = 0;
  let mostMs = 0;
  for (; performance.now() - quietMs < windowMs; readCount += 1) {
    await sleep(PAUSE_MS);
    const next = await read(url);
    mostMs = Math.max(mostMs, next.cpuMs - last.cpuMs);
    last = next;
  }
  const idleMs = idleShare * (performance.now() - quietMs);
  return {
    cpuMs: (last.cpuMs - quiet.cpuMs - idleMs) / readCount,
    mostMs,
    lateMs: (await read(url)).lateMs,
    quietLateMs: quiet.lateMs,
    roomCount: last.roomCount,
    seriesCount: last.seriesCount,
    byteCount: last.byteCount,
    readCount,
  };
}

/** One reading, and what it says of the server. */
async function read(url: string) {
  const text = await (await fetch(url, { headers })).text();
  const values = new Map(
    text.split("\n").flatMap((line) => {
      const [, name = "", labels = "", value = ""] = /^(\w+){(.*)} ([^ ]+)/.exec(line) ?? [];
      return name === "" ? [] : [[`${name} ${labels.replace(/gateway="[^"]*",?/, "")}`, value]];
    }),
  );
  const of = (name: string) => Number(values.get(name) ?? Number.NaN);
  const cpuS = ["user", "system"].map((mode) =>
    of(`tidegate_process_cpu_seconds_total mode="${mode}"`),
  );
  return {
    cpuMs: cpuS.reduce((sum, each) => sum + each * 1000, 0),
    lateMs: of('tidegate_event_loop_delay_seconds statistic="max"') * 1000,
    roomCount: of("tidegate_rooms "),
    seriesCount: values.size,
    byteCount: text.length,
  };
}

function report(runs: readonly ScrapeFigures[], roomCount: number): BenchReport {
  const of = (figure: (run: ScrapeFigures) => number) => spreadOf(runs.map(figure));
  const measures = {
    "scrape/cpu-ms": of((run) => run.cpuMs),
    "scrape/pause-ms": of((run) => run.mostMs),
  };
  const problems = runs.some(({ cpuMs }) => Number.isNaN(cpuMs)) ? ["a figure is missing"] : [];
  if (runs.some(({ roomCount: count }) => count < roomCount)) problems.push("rooms are missing");
  return {
    ...{ bench: "scrape", measures, runs, problems, notes: [] },
    rows: [
      {
        series: of((run) => run.seriesCount).median,
        bytes: of((run) => run.byteCount).median,
        "CPU ms": measures["scrape/cpu-ms"].median,
        "at most": measures["scrape/pause-ms"].median,
        "timers late ms": of((run) => run.lateMs).median,
        "when quiet": of((run) => run.quietLateMs).median,
      },
    ],
    hash: String(runs.length),
  };
}
