/**
 * `nats-resume`: 5 000 clients lose their gateway (kill -9) and resume on another that knows none
 * of their 500 rooms, while what they missed came in by a third.
 *
 * Three servers, three replicas. The clock runs from the first dial, after the last missed message
 * was acknowledged, to the last missed message at the last client; each client checks that it was
 * told `recovered: true` and got exactly what it missed, in order.
 */
import { Histogram, type PlainHistogram } from "./load/histogram.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { RoomCommand, RoomReply } from "./load/room-protocol.ts";
import type { BenchOptions } from "./options.ts";
import { cpuTime } from "./proc.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";

interface ResumeSize {
  readonly roomCount: number;
  readonly membersPerRoom: number;
  /** Messages of each room before the gateway dies, and while its clients are away. */
  readonly beforeCount: number;
  readonly missedCount: number;
  readonly ratePerS: number;
}

const SIZE: ResumeSize = {
  roomCount: 500,
  membersPerRoom: 10,
  beforeCount: 5,
  missedCount: 5,
  ratePerS: 1000,
};
const TINY_SIZE: ResumeSize = {
  roomCount: 4,
  membersPerRoom: 3,
  beforeCount: 2,
  missedCount: 3,
  ratePerS: 1000,
};
const RUNS_DEFAULT = 3;

type Load = LoadProcess<RoomCommand, RoomReply>;

export interface ResumeFigures {
  readonly seconds: number;
  readonly clientCount: number;
  readonly exactCount: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** In the time of the resumes, of all threads. */
  readonly gatewayCpuS: number;
  readonly natsCpuS: number;
  readonly generatorCpuS: number;
  readonly problems: readonly string[];
}

/** Runs the bench; targets: bench/targets.json. */
export async function benchNatsResume(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const size = options.isTiny ? TINY_SIZE : SIZE;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: ResumeFigures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const run = await runOnce(size, options, progress);
    const exact = `${run.exactCount} of ${run.clientCount} exact`;
    progress(`round ${round + 1}/${rounds}: ${run.seconds.toFixed(2)} s, ${exact}`);
    runs.push(run);
  }
  const of = (figure: (run: ResumeFigures) => number) => spreadOf(runs.map(figure));
  return {
    bench: "nats-resume",
    measures: { "nats-resume/seconds": of((run) => run.seconds) },
    runs,
    rows: [
      {
        clients: of((run) => run.clientCount).median,
        exact: of((run) => run.exactCount).min,
        "seconds (min to max)": shownSpread(of((run) => run.seconds)),
        "client p50 ms": of((run) => run.p50Ms).median,
        "client p99 ms": of((run) => run.p99Ms).median,
        "gateway cpu s": of((run) => run.gatewayCpuS).median,
        "nats cpu s": of((run) => run.natsCpuS).median,
        "load cpu s": of((run) => run.generatorCpuS).median,
      },
    ],
    hash: runs.reduce((sum, run) => sum + run.exactCount, 0).toString(16),
    problems: runs.flatMap((run) => run.problems),
    notes: [],
  };
}

async function runOnce(
  size: ResumeSize,
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<ResumeFigures> {
  const fleet = await NatsFleet.start(options.natsServer, 3);
  const servers: ServerProcess[] = [];
  const clients: Load = new LoadProcess("room-generator.ts", null);
  const publishers: Load = new LoadProcess("room-generator.ts", null);
  try {
    const [first, second, third] = [
      await startGateway(servers, fleet, []),
      await startGateway(servers, fleet, profileFlags(options)),
      await startGateway(servers, fleet, []),
    ];
    await openAll(clients, publishers, first.ready.url, third.ready.url, size);
    await publish(publishers, size, size.beforeCount);
    await clients.ask({ kind: "settle", number: size.beforeCount }, "settled");
    await clients.ask({ kind: "part" }, "parted");
    await first.kill();
    await publish(publishers, size, size.missedCount);
    if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
    return await resume(clients, publishers, second, fleet, size);
  } finally {
    await Promise.all([clients.stop(), publishers.stop()]);
    await Promise.all(servers.map((server) => server.stop()));
    await fleet.stop();
  }
}

async function startGateway(
  servers: ServerProcess[],
  fleet: NatsFleet,
  nodeFlags: readonly string[],
): Promise<ServerProcess> {
  const nats = fleet.target;
  const start = { system: "tidegate", core: null, nodeFlags, tidegateFlags: [], nats } as const;
  const server = await ServerProcess.start(start);
  servers.push(server);
  return server;
}

function profileFlags({ profileDir }: BenchOptions): readonly string[] {
  return profileDir === "" ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
}

async function openAll(
  clients: Load,
  publishers: Load,
  clientUrl: string,
  publisherUrl: string,
  { roomCount, membersPerRoom }: ResumeSize,
): Promise<void> {
  const plan = { url: clientUrl, roomCount, membersPerRoom, isJoining: true };
  await clients.ask({ kind: "open", plan }, "opened");
  const alone = { url: publisherUrl, roomCount, membersPerRoom: 1, isJoining: false };
  await publishers.ask({ kind: "open", plan: alone }, "opened");
}

/** So many messages to each room; resolves when all are acknowledged. */
async function publish(publishers: Load, size: ResumeSize, perRoom: number): Promise<void> {
  const { roomCount, ratePerS } = size;
  await publishers.ask({ kind: "publish", count: roomCount * perRoom, ratePerS }, "published");
}

async function resume(
  clients: Load,
  publishers: Load,
  gateway: ServerProcess,
  fleet: NatsFleet,
  size: ResumeSize,
): Promise<ResumeFigures> {
  const number = size.beforeCount + size.missedCount;
  const mark = async () => {
    const { userUs, systemUs } = cpuTime(gateway.pid);
    const natsUs = fleet.cpuUs();
    const { tally, cpuUs } = await clients.ask({ kind: "take" }, "taken");
    return { gatewayUs: userUs + systemUs, natsUs, tally, cpuUs };
  };
  const before = await mark();
  const command = { kind: "resume", url: gateway.ready.url, number } as const;
  const resumed = await clients.ask(command, "resumed");
  const after = await mark();
  const { tally: sent } = await publishers.ask({ kind: "take" }, "taken");
  const clientCount = size.roomCount * size.membersPerRoom;
  const { elapsedUs, exactCount } = resumed;
  const reasons = [...after.tally.reasons, ...sent.reasons];
  const problems = reasons.map((reason) => `resume: ${reason}`);
  if (exactCount !== clientCount)
    problems.push(`${exactCount} of ${clientCount} clients recovered exactly`);
  return {
    ...percentiles(resumed.latency),
    seconds: elapsedUs / 1e6,
    clientCount,
    exactCount,
    gatewayCpuS: (after.gatewayUs - before.gatewayUs) / 1e6,
    natsCpuS: (after.natsUs - before.natsUs) / 1e6,
    generatorCpuS: (after.cpuUs - before.cpuUs) / 1e6,
    problems,
  };
}

function percentiles(plain: PlainHistogram): { p50Ms: number; p99Ms: number } {
  const latency = Histogram.fromPlain(plain);
  return { p50Ms: latency.percentile(0.5) / 1000, p99Ms: latency.percentile(0.99) / 1000 };
}
