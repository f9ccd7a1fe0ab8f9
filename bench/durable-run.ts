/**
 * One run of durable publishing: through a gateway or straight to the bus, full speed or paced.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Histogram } from "./load/histogram.ts";
import { type GeneratorFile, LoadProcess } from "./load/load-process.ts";
import type { DurableCommand, DurableReply } from "./load/protocol.ts";
import type { BenchOptions } from "./options.ts";
import { cpuTime, machineCpuUs } from "./proc.ts";
import type { NatsFleet } from "./servers/nats-fleet.ts";
import { ServerProcess } from "./servers/server-process.ts";

export interface DurableShape {
  readonly name: string;
  /** bus-generator.ts holds the bus itself: no gateway is started. */
  readonly file: GeneratorFile;
  readonly connectionCount: number;
  /** Publishes per second; 0: always 1 000 in flight. */
  readonly ratePerS: number;
}

export interface DurableFigures {
  readonly shape: string;
  readonly ackedPerS: number;
  readonly ackedCount: number;
  /** Of the process that holds the bus, all threads. */
  readonly cpuPerPublishUs: number;
  readonly serverShare: number;
  /** Of all nats-servers, of one core; 0 without. */
  readonly natsShare: number;
  /** What other processes of the machine took in the window, of one core: the noise. */
  readonly foreignShare: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  readonly problems: readonly string[];
}

/** The targets' number in flight. */
const IN_FLIGHT = 1000;
const WARM_MS = 1000;
/** More than any disk stores in the window; the generator is ended when the window is over. */
const ENDLESS = 0x7fff_fff0;
/** Publishes of a tiny run. */
export const TINY_COUNT = 300;
const TINY_IN_FLIGHT = 50;

type Load = LoadProcess<DurableCommand, DurableReply>;

/** Runs it; its processes are gone when it returns. `nats` null: the embedded bus. */
export async function runDurable(
  shape: DurableShape,
  nats: NatsFleet | null,
  options: BenchOptions,
): Promise<DurableFigures> {
  const nodeFlags =
    options.profileDir === "" ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profileDir}`];
  if (shape.file === "bus-generator.ts") {
    const load: Load = new LoadProcess(shape.file, null, { nodeFlags });
    return measure({ load, nats, storePid: load.pid, url: "" }, shape, options).finally(() =>
      load.stop(),
    );
  }
  const server = await ServerProcess.start({
    system: "tidegate",
    core: null,
    nodeFlags,
    tidegateFlags: [],
    nats: nats?.target ?? null,
  });
  const load: Load = new LoadProcess(shape.file, null);
  const work = { load, nats, storePid: server.pid, url: server.ready.url };
  try {
    return await measure(work, shape, options);
  } finally {
    await load.stop();
    await server.stop();
  }
}

interface Work {
  readonly load: Load;
  readonly nats: NatsFleet | null;
  /** The process that holds the bus. */
  readonly storePid: number;
  readonly url: string;
}

async function measure(
  work: Work,
  shape: DurableShape,
  options: BenchOptions,
): Promise<DurableFigures> {
  const { load, nats, url } = work;
  const { connectionCount, ratePerS } = shape;
  const inFlightMax = options.isTiny ? TINY_IN_FLIGHT : IN_FLIGHT;
  const plan = { url, nats: nats?.target ?? null, connectionCount, inFlightMax };
  await load.ask({ kind: "open", plan }, "opened");
  const count = options.isTiny ? TINY_COUNT : ENDLESS;
  const published = load.ask({ kind: "publish", count, ratePerS }, "published");
  published.catch(() => undefined); // ended below before all are published, unless tiny
  await sleep(options.isTiny ? 0 : WARM_MS);
  const begin = await takeMark(work);
  if (options.isTiny) await published;
  else await sleep(options.seconds * 1000);
  const end = await takeMark(work);
  const acked = end.tally.deliveredCount - begin.tally.deliveredCount;
  const windowUs = (end.atMs - begin.atMs) * 1000;
  const latency = Histogram.fromPlain(end.tally.latency);
  const problems =
    end.tally.errorCount === 0
      ? []
      : [`${shape.name}: ${end.tally.errorCount} errors: ${end.tally.reasons.join("; ")}`];
  if (options.isTiny && end.tally.deliveredCount !== TINY_COUNT)
    problems.push(`${shape.name}: ${end.tally.deliveredCount} of ${TINY_COUNT} were acknowledged`);
  return {
    shape: shape.name,
    ackedPerS: (acked / windowUs) * 1e6,
    ackedCount: end.tally.deliveredCount,
    cpuPerPublishUs: (end.cpuUs - begin.cpuUs) / acked,
    serverShare: (end.cpuUs - begin.cpuUs) / windowUs,
    natsShare: (end.natsCpuUs - begin.natsCpuUs) / windowUs,
    foreignShare: (end.foreignCpuUs - begin.foreignCpuUs) / windowUs,
    p50Us: latency.percentile(0.5),
    p99Us: latency.percentile(0.99),
    maxUs: latency.max,
    problems,
  };
}

async function takeMark({ load, nats, storePid }: Work) {
  const { userUs, systemUs } = cpuTime(storePid);
  const natsCpuUs = nats?.cpuUs() ?? 0;
  const machineUs = machineCpuUs();
  const own = process.cpuUsage();
  const atMs = performance.now();
  const taken = await load.ask({ kind: "take" }, "taken");
  const cpuUs = userUs + systemUs;
  const loadUs = load.pid === storePid ? 0 : taken.cpuUs;
  const foreignCpuUs = machineUs - cpuUs - natsCpuUs - loadUs - own.user - own.system;
  return { atMs, tally: taken.tally, cpuUs, natsCpuUs, foreignCpuUs };
}
