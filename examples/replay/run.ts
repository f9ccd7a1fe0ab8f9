/**
 * One run: starts the server and the consumers, replays, cuts, kills, waits for the end, and
 * judges.
 */
import { AllInOne } from "./all-in-one.ts";
import { type Consumer, startChromium, startNode, startPython } from "./consumers.ts";
import { readDataSet } from "./data-set.ts";
import { judgeRoom, type RoomVerdict, type SentMessage } from "./judge.ts";
import type { ReplayOptions } from "./options.ts";
import { startPageServer } from "./page-server.ts";
import { openProxy, type Way } from "./proxy.ts";
import { Publisher } from "./publisher.ts";
import { createRoomClass } from "./room-class.ts";
import { pressIntoTime, type TimedEvent } from "./time-line.ts";

/** Flights a second: lively, and still little for three consumers on a small shared machine. */
const FLIGHTS_PER_S = 100;
const EARTHQUAKES_PER_S = 40;
/**
 * A consumer that has not caught up so long after the last publish is judged by what it has. Longer
 * than the longest wait of an SDK between two tries, 30 s.
 */
const CATCH_UP_MS = 40_000;

const rooms = {
  /** Of a class made for the run. */
  flights: "flight:departures",
  /** Of a class that is built in. */
  earthquakes: "chat:earthquakes",
  /** The flights once more, where nothing is stored. */
  board: "live:departures",
};
const durableRooms = [rooms.flights, rooms.earthquakes];

/** How many publishes ended in which way. */
export type OutcomeCounts = Readonly<Record<SentMessage["outcome"], number>>;

/** What a run found. */
export interface Outcome {
  readonly verdicts: readonly RoomVerdict[];
  /** Publishes by room and by what became of them. */
  readonly publishes: { readonly durable: OutcomeCounts; readonly ephemeral: OutcomeCounts };
  /** Consumers that could not run here, and why. */
  readonly skipped: readonly string[];
  /** Connections of consumers and publishers that were reset. */
  readonly cutCount: number;
  readonly killCount: number;
  /** From kill -9 until the server was ready again. */
  readonly restartMs: number;
  readonly seconds: number;
}

/**
 * Runs it; everything it started has ended when it resolves or rejects.
 *
 * @param chromiumPath null leaves the browser out.
 * @param tell takes progress, one sentence at a time.
 */
export async function runReplay(
  options: ReplayOptions,
  chromiumPath: string | null,
  tell: (text: string) => void,
): Promise<Outcome> {
  const closers: (() => Promise<void>)[] = [];
  try {
    return await replay(options, chromiumPath, tell, closers);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function replay(
  options: ReplayOptions,
  chromiumPath: string | null,
  tell: (text: string) => void,
  closers: (() => Promise<void>)[],
): Promise<Outcome> {
  const pageServer = await startPageServer();
  closers.push(() => pageServer.close());
  const server = new AllInOne(pageServer.origin);
  closers.push(() => server.close());
  await server.start();
  await createRoomClass(server.addresses.grpc, "flight");
  const way = async () => {
    const proxy = await openProxy(() => server.addresses.port);
    closers.push(() => proxy.close());
    return proxy;
  };
  const { consumers, skipped, ways } = await startConsumers(
    way,
    pageServer.origin,
    chromiumPath,
    closers,
  );
  const publisherWay = await way();
  const publishers = [
    await Publisher.open("A", urlOf(publisherWay)),
    await Publisher.open("B", urlOf(publisherWay)),
  ];
  for (const publisher of publishers) closers.push(() => publisher.close());
  await Promise.all(consumers.map((consumer) => consumer.joined));
  const names = consumers.map((consumer) => consumer.log.name).join(", ");
  tell(`${names} have joined; replaying for ${options.seconds} s`);

  const [{ cutCount, restartMs }] = await Promise.all([
    makeTrouble(server, ways, publisherWay, options.seconds, tell),
    publishAll(publishers, options.seconds),
  ]);
  tell("everything is published; waiting for the last consumer");
  await Promise.all(durableRooms.map((room) => publishers[0]?.markEnd(room)));
  await Promise.race([
    Promise.all(consumers.map((consumer) => consumer.hasEnded(durableRooms))),
    new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS).unref()),
  ]);
  const sent = publishers.flatMap((publisher) => publisher.sent);
  const logs = consumers.map(({ log }) => forget(log, options.forgetOneOf));
  const verdicts = Object.values(rooms).flatMap((room) =>
    judgeRoom(room, durableRooms.includes(room), sent, logs),
  );
  const publishes = {
    durable: countOutcomes(sent.filter(({ room }) => durableRooms.includes(room))),
    ephemeral: countOutcomes(sent.filter(({ room }) => !durableRooms.includes(room))),
  };
  const { seconds } = options;
  return { verdicts, publishes, skipped, cutCount, killCount: 1, restartMs, seconds };
}

function countOutcomes(sent: readonly SentMessage[]): OutcomeCounts {
  const count = (outcome: SentMessage["outcome"]) =>
    sent.filter((message) => message.outcome === outcome).length;
  return {
    acknowledged: count("acknowledged"),
    unknown: count("unknown"),
    failed: count("failed"),
  };
}

async function startConsumers(
  way: () => Promise<Way>,
  pageOrigin: string,
  chromiumPath: string | null,
  closers: (() => Promise<void>)[],
) {
  const ways = [await way(), await way(), await way()];
  const [nodeUrl = "", pythonUrl = "", pageUrl = ""] = ways.map(urlOf);
  const all = Object.values(rooms);
  const consumers: Consumer[] = [];
  const skipped: string[] = [];
  const starts: [string, Promise<Consumer | string> | Consumer | string][] = [
    ["Node", startNode({ url: nodeUrl, rooms: all })],
    ["Python", startPython({ url: pythonUrl, rooms: all })],
    ["Chromium", startChromium({ url: pageUrl, rooms: all }, pageOrigin, chromiumPath)],
  ];
  for (const [name, start] of starts) {
    const consumer = await start;
    if (typeof consumer === "string") {
      skipped.push(`${name}: ${consumer}`);
      continue;
    }
    consumers.push(consumer);
    closers.push(() => consumer.close());
  }
  return { consumers, skipped, ways };
}

/** Flights by two publishers in turn, so that their order is the server's to decide. */
async function publishAll(publishers: readonly Publisher[], seconds: number): Promise<void> {
  const data = await readDataSet();
  const flights = pressIntoTime(data.flights, seconds * 1000, FLIGHTS_PER_S * seconds);
  const earthquakes = pressIntoTime(data.earthquakes, seconds * 1000, EARTHQUAKES_PER_S * seconds);
  const half = (rest: number): TimedEvent[] => flights.filter((_, at) => at % 2 === rest);
  const [a, b] = publishers;
  const startMs = performance.now();
  await Promise.all([
    a?.replay(rooms.flights, half(0), startMs),
    b?.replay(rooms.flights, half(1), startMs),
    a?.replay(rooms.earthquakes, earthquakes, startMs),
    b?.replay(rooms.board, flights, startMs),
  ]);
}

/** The cuts and the kill, each at its time; ends before the replay does. */
async function makeTrouble(
  server: AllInOne,
  consumerWays: readonly Way[],
  publisherWay: Way,
  seconds: number,
  tell: (text: string) => void,
): Promise<{ cutCount: number; restartMs: number }> {
  const startMs = performance.now();
  const at = (share: number) => {
    const waitMs = startMs + share * seconds * 1000 - performance.now();
    return new Promise((resolve) => setTimeout(resolve, waitMs));
  };
  let cutCount = 0;
  await at(0.15);
  cutCount += publisherWay.cut(0);
  tell("cut the publishers' connections");
  await at(0.3);
  const awayMs = Math.min(1000, seconds * 50);
  for (const way of consumerWays) cutCount += way.cut(awayMs);
  tell(`cut every consumer's connection, for ${awayMs} ms`);
  await at(0.55);
  const killedMs = performance.now();
  await server.kill();
  tell("killed the server with kill -9; starting it again");
  await server.start();
  const restartMs = Math.round(performance.now() - killedMs);
  tell(`the server is ready again after ${restartMs} ms`);
  return { cutCount, restartMs };
}

/** Leaves one message out of a consumer's log: the checker must notice. */
function forget(log: Consumer["log"], name: string): Consumer["log"] {
  if (name === "" || log.name.toLowerCase() !== name) return log;
  const lost = log.received.findIndex(({ room }) => durableRooms.includes(room));
  return { ...log, received: log.received.filter((_, at) => at !== lost) };
}

function urlOf(way: Way): string {
  return `ws://127.0.0.1:${way.port}/ws`;
}
