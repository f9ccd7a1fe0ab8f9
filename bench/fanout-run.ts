/**
 * One run of `fanout`: one system, one shape, in processes started for it alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  expectedHash,
  type FanoutShape,
  type FanoutTiming,
  fullCount,
  messageCount,
  warmCount,
  warmRate,
} from "./fanout-shapes.ts";
import { Histogram } from "./load/histogram.ts";
import { LoadProcess } from "./load/load-process.ts";
import type {
  DurableCommand,
  DurableReply,
  LoadCommand,
  LoadPlan,
  LoadReply,
  System,
} from "./load/protocol.ts";
import type { TallyPlain } from "./load/tally.ts";
import { cpuTime, machineCpuUs, residentBytes, threadCpuTimes } from "./proc.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";
import { setLimits } from "./servers/set-limits.ts";

/**
 * The server's core; everything that makes load is on the other. Beside a durable load both systems
 * may use both: Tidegate stores in a thread of its own. A nats-server may always use both.
 */
const SERVER_CORE = 0;
const LOAD_CORE = 1;
/** Every fourth connection records latency: 250 of 1000 show the same curve for less. */
const SAMPLE_EVERY = 4;
/** Rooms that take the durable publishes, each by a connection of its own. */
const DURABLE_CONNECTIONS = 10;
type Load = LoadProcess<LoadCommand, LoadReply>;
type DurableLoad = LoadProcess<DurableCommand, DurableReply>;

export interface FanoutFigures {
  readonly system: System;
  readonly shape: string;
  readonly deliveriesPerS: number;
  /** Of the server, and of the nats-server where there is one. */
  readonly cpuPerDeliveryUs: number;
  /** Of one core, over the window. */
  readonly serverShare: number;
  readonly natsShare: number;
  readonly generatorShare: number;
  /** What other processes of the machine took in the window, of one core: the noise. */
  readonly foreignShare: number;
  /** Share of one core by thread of the server, those above 1 %. */
  readonly threadShares: readonly { readonly name: string; readonly share: number }[];
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** Resident memory that connecting and joining added, without forced collection. */
  readonly residentBytesPerConnection: number;
  readonly deliveredCount: number;
  readonly expectedCount: number;
  readonly repeatedCount: number;
  readonly hash: number;
  /** How late publishes left, p99. */
  readonly sendLagP99Us: number;
  readonly durableAckedPerS: number;
  readonly problems: readonly string[];
}

/**
 * Runs it; the processes are gone when it returns, however it ends.
 *
 * @param natsBinary the bus is a nats-server, this one ("" to look for one); null: no NATS.
 */
export async function runFanout(
  system: System,
  shape: FanoutShape,
  timing: FanoutTiming,
  nodeFlags: readonly string[],
  natsBinary: string | null,
): Promise<FanoutFigures> {
  const nats = natsBinary === null ? null : await NatsFleet.start(natsBinary, 1);
  try {
    return await runWith(nats, system, shape, timing, nodeFlags);
  } finally {
    await nats?.stop();
  }
}

async function runWith(
  nats: NatsFleet | null,
  system: System,
  shape: FanoutShape,
  timing: FanoutTiming,
  nodeFlags: readonly string[],
): Promise<FanoutFigures> {
  const receivers: Load = new LoadProcess("generator.ts", LOAD_CORE);
  const publishers: Load = new LoadProcess("generator.ts", LOAD_CORE);
  const hasDurable = system === "tidegate" && shape.durablePerS > 0;
  const durable: DurableLoad | null = hasDurable
    ? new LoadProcess("durable-generator.ts", LOAD_CORE)
    : null;
  const starting = ServerProcess.start({
    system,
    core: shape.durablePerS > 0 ? null : SERVER_CORE,
    nodeFlags,
    tidegateFlags: [],
    nats: nats?.target ?? null,
  });
  try {
    const server = await starting;
    if (system === "tidegate-limits") await setLimits(server.ready.grpc ?? "");
    const base = residentBytes(server.pid);
    await openMembers(server, receivers, publishers, system, shape);
    const connections = shape.roomCount * shape.membersPerRoom;
    const perConnection = (residentBytes(server.pid) - base) / connections;
    const work = { server, nats, receivers, publishers, durable };
    return {
      ...(await measure(work, system, shape, timing)),
      residentBytesPerConnection: perConnection,
    };
  } finally {
    await Promise.all([receivers.stop(), publishers.stop(), durable?.stop()]);
    await starting.then((server) => server.stop());
  }
}

interface Work {
  readonly server: ServerProcess;
  readonly nats: NatsFleet | null;
  readonly receivers: Load;
  readonly publishers: Load;
  readonly durable: DurableLoad | null;
}

async function openMembers(
  server: ServerProcess,
  receivers: Load,
  publishers: Load,
  system: System,
  shape: FanoutShape,
): Promise<void> {
  const url = server.ready.url;
  const plan: LoadPlan = {
    system,
    url,
    firstIndex: 0,
    firstRoom: 0,
    roomCount: shape.roomCount,
    firstMember: 0,
    endMember: 1,
    sampleEvery: SAMPLE_EVERY,
  };
  await publishers.ask({ kind: "open", plan }, "opened");
  const members = { firstMember: 1, endMember: shape.membersPerRoom };
  const rest = { ...plan, ...members, firstIndex: shape.roomCount };
  await receivers.ask({ kind: "open", plan: rest }, "opened");
}

/** Counters of all parts at one moment. */
interface Mark {
  readonly atMs: number;
  readonly receivers: TallyPlain;
  readonly publishers: TallyPlain;
  readonly durable: TallyPlain | null;
  readonly serverCpuUs: number;
  readonly natsCpuUs: number;
  readonly threads: ReturnType<typeof threadCpuTimes>;
  readonly generatorCpuUs: number;
  readonly machineCpuUs: number;
  readonly ownCpuUs: number;
}

async function takeMark(work: Work): Promise<Mark> {
  const { userUs, systemUs } = cpuTime(work.server.pid);
  const natsCpuUs = work.nats?.cpuUs() ?? 0;
  const threads = threadCpuTimes(work.server.pid);
  const own = process.cpuUsage();
  const machine = machineCpuUs();
  const atMs = performance.now();
  const [receivers, publishers, durable] = await Promise.all([
    work.receivers.ask({ kind: "take" }, "taken"),
    work.publishers.ask({ kind: "take" }, "taken"),
    work.durable?.ask({ kind: "take" }, "taken"),
  ]);
  return {
    atMs,
    receivers: receivers.tally,
    publishers: publishers.tally,
    durable: durable?.tally ?? null,
    serverCpuUs: userUs + systemUs,
    natsCpuUs,
    threads,
    generatorCpuUs: receivers.cpuUs + publishers.cpuUs + (durable?.cpuUs ?? 0),
    machineCpuUs: machine,
    ownCpuUs: own.user + own.system,
  };
}

type Measured = Omit<FanoutFigures, "residentBytesPerConnection">;

async function measure(
  work: Work,
  system: System,
  shape: FanoutShape,
  timing: FanoutTiming,
): Promise<Measured> {
  const count = messageCount(shape, timing);
  await openDurable(work);
  const warm = { count: warmCount(shape, timing), ratePerS: warmRate(shape) };
  await Promise.all([
    publishDurable(work, (shape.durablePerS * timing.warmMs) / 1000, shape.durablePerS),
    work.publishers.ask({ kind: "publish", ...warm }, "published"),
  ]);
  await settle(work, shape, warm.count);
  const full = { count: fullCount(shape.ratePerS, timing), ratePerS: shape.ratePerS };
  const durable = publishDurable(work, fullCount(shape.durablePerS, timing), shape.durablePerS);
  durable.catch(() => undefined); // as the next
  const published = work.publishers.ask({ kind: "publish", ...full }, "published");
  published.catch(() => undefined); // awaited below; a failure of the marks comes first
  await sleep(timing.leadMs);
  const begin = await takeMark(work);
  await sleep(timing.windowMs);
  const end = await takeMark(work);
  await published;
  await durable;
  await settle(work, shape, count);
  const total = await takeMark(work);
  return figuresOf({ system, shape, count, begin, end, total });
}

async function openDurable({ durable, server }: Work): Promise<void> {
  if (durable === null) return;
  const plan = {
    url: server.ready.url,
    nats: null,
    connectionCount: DURABLE_CONNECTIONS,
    inFlightMax: DURABLE_CONNECTIONS * 1000,
  };
  await durable.ask({ kind: "open", plan }, "opened");
}

/** Resolves when all are acknowledged. */
async function publishDurable({ durable }: Work, count: number, ratePerS: number): Promise<void> {
  if (durable === null) return;
  await durable.ask({ kind: "publish", count: Math.ceil(count), ratePerS }, "published");
}

async function settle(work: Work, shape: FanoutShape, count: number): Promise<void> {
  const own = { kind: "settle", deliveredCount: count } as const;
  const others = count * (shape.membersPerRoom - 1);
  await Promise.all([
    work.publishers.ask(own, "settled"),
    work.receivers.ask({ kind: "settle", deliveredCount: others }, "settled"),
  ]);
}

interface Marks {
  readonly system: System;
  readonly shape: FanoutShape;
  readonly count: number;
  readonly begin: Mark;
  readonly end: Mark;
  readonly total: Mark;
}

function figuresOf({ system, shape, count, begin, end, total }: Marks): Measured {
  const windowUs = (end.atMs - begin.atMs) * 1000;
  const delivered = deliveredOf(end) - deliveredOf(begin);
  const cpuUs = end.serverCpuUs - begin.serverCpuUs;
  const natsCpuUs = end.natsCpuUs - begin.natsCpuUs;
  const durableCount = (end.durable?.deliveredCount ?? 0) - (begin.durable?.deliveredCount ?? 0);
  const latency = Histogram.fromPlain(end.receivers.latency);
  latency.merge(Histogram.fromPlain(end.publishers.latency));
  const figures = {
    system,
    shape: shape.name,
    deliveriesPerS: (delivered / windowUs) * 1e6,
    cpuPerDeliveryUs: (cpuUs + natsCpuUs) / delivered,
    serverShare: cpuUs / windowUs,
    natsShare: natsCpuUs / windowUs,
    generatorShare: (end.generatorCpuUs - begin.generatorCpuUs) / windowUs,
    foreignShare: foreignUs(begin, end) / windowUs,
    threadShares: threadShares(begin, end, windowUs),
    p50Us: latency.percentile(0.5),
    p99Us: latency.percentile(0.99),
    maxUs: latency.max,
    deliveredCount: deliveredOf(total),
    expectedCount: count * shape.membersPerRoom,
    repeatedCount: total.receivers.repeatedCount + total.publishers.repeatedCount,
    hash: (total.receivers.hash + total.publishers.hash) >>> 0,
    sendLagP99Us: Histogram.fromPlain(end.publishers.sendLag).percentile(0.99),
    durableAckedPerS: (durableCount / windowUs) * 1e6,
  };
  return { ...figures, problems: problemsOf(figures, expectedHash(shape, count), total) };
}

function foreignUs(begin: Mark, end: Mark): number {
  const ours = (mark: Mark): number =>
    mark.serverCpuUs + mark.natsCpuUs + mark.generatorCpuUs + mark.ownCpuUs;
  return end.machineCpuUs - begin.machineCpuUs - (ours(end) - ours(begin));
}

function deliveredOf(mark: Mark): number {
  return mark.receivers.deliveredCount + mark.publishers.deliveredCount;
}

function threadShares(begin: Mark, end: Mark, windowUs: number): FanoutFigures["threadShares"] {
  const shares: { name: string; share: number }[] = [];
  for (const [id, time] of end.threads) {
    const before = begin.threads.get(id);
    const cpuUs = time.userUs + time.systemUs - (before?.userUs ?? 0) - (before?.systemUs ?? 0);
    if (cpuUs / windowUs > 0.01) shares.push({ name: time.name, share: cpuUs / windowUs });
  }
  return shares;
}

function problemsOf(
  figures: Omit<Measured, "problems">,
  wantedHash: number,
  total: Mark,
): readonly string[] {
  const where = `${figures.system} ${figures.shape}`;
  const problems: string[] = [];
  const { deliveredCount, expectedCount, repeatedCount } = figures;
  if (deliveredCount !== expectedCount)
    problems.push(`${where}: ${deliveredCount} of ${expectedCount} deliveries came`);
  else if (figures.hash !== wantedHash)
    problems.push(`${where}: the hash is ${figures.hash}, not ${wantedHash}`);
  if (repeatedCount > 0) problems.push(`${where}: ${repeatedCount} repeated or out of order`);
  for (const tally of [total.receivers, total.publishers, total.durable])
    if (tally !== null && tally.errorCount > 0)
      problems.push(`${where}: ${tally.errorCount} errors: ${tally.reasons.join("; ")}`);
  return problems;
}
