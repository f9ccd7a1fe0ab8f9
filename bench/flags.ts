/**
 * `flags`: what 50 flags cost each Welcome, and how long a change that concerns every connection
 * takes until the last one has heard of it, and the longest pause of the gateway's loop meanwhile.
 *
 * The gateway is this process, its clients another one. Nothing else runs in the gateway's loop but
 * the embedded bus's client, so a pause is one of ours or of the collector.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "../bus/bus.ts";
import { openEmbeddedBus } from "../bus/embedded/embedded-bus.ts";
import { authenticateNone } from "../gateway/auth/authenticate.ts";
import { startGateway } from "../gateway/gateway.ts";
import { CONTROL_BUCKET } from "../proto/control-bucket.ts";
import { flagSetKey } from "../proto/flags/flag-record.ts";
import { FlagSet } from "../proto/gen/tidegate/control/v1/flag_set.ts";
import { FLAG_COUNT, measureWelcome } from "./flag-welcome.ts";
import { monotonicUs } from "./load/clock.ts";
import type { FlagCommand, FlagReply } from "./load/flag-protocol.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, spreadOf } from "./report.ts";

/** Welcomes of one measurement. */
const WELCOME_COUNT = 5000;
const TINY_WELCOME_COUNT = 20;
/** Open connections, all concerned by each change. */
const CONNECTION_COUNT = 10_000;
const TINY_CONNECTION_COUNT = 40;
/** Changes of one round; the first one, which imports the library, is apart. */
const CHANGE_COUNT = 10;
const TINY_CHANGE_COUNT = 2;
const RUNS_DEFAULT = 3;
/** Between changes, ms: each is alone. */
const PAUSE_MS = 200;

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** One change. */
interface Change {
  /** From the write's begin until the last client had it, ms. */
  readonly lastMs: number;
  /** The longest time in which the gateway's loop did not turn, ms, waits for a core included. */
  readonly pauseMs: number;
  /** The most CPU time that one turn of it took, all threads of the process together, ms. */
  readonly turnMs: number;
}

interface FlagFigures {
  readonly evaluateUs: number;
  readonly encodedUs: number;
  readonly trueCount: number;
  readonly connectionCount: number;
  /** The first flags of the gateway: it imports the library. */
  readonly first: Change;
  readonly changes: readonly Change[];
}

/** Runs the bench; targets: bench/targets.json. */
export async function benchFlags(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: FlagFigures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
    const cost = await measureWelcome(options.isTiny ? TINY_WELCOME_COUNT : WELCOME_COUNT);
    const figures = { ...cost, ...(await measureChanges(options.isTiny)) };
    runs.push(figures);
    const worst = Math.max(...figures.changes.map(({ turnMs }) => turnMs));
    const last = Math.max(...figures.changes.map(({ lastMs }) => lastMs));
    const shape = `${figures.evaluateUs.toFixed(0)} µs a Welcome`;
    const live = `last client ${last.toFixed(0)} ms, longest turn ${worst.toFixed(1)} ms`;
    progress(`round ${round + 1}/${rounds}: ${shape}; ${live} at worst`);
  }
  return report(runs);
}

async function measureChanges(isTiny: boolean) {
  const count = isTiny ? TINY_CONNECTION_COUNT : CONNECTION_COUNT;
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-bench-"));
  const bus = await openEmbeddedBus({ dataDir });
  const gateway = await startGateway(
    { bus, log: silent, authenticate: authenticateNone(), version: "0.0.0", gatewayId: "bench" },
    { port: 0 },
  );
  const load = new LoadProcess<FlagCommand, FlagReply>("flag-generator.ts", null);
  try {
    const url = `ws://127.0.0.1:${gateway.port}/ws`;
    await load.ask({ kind: "open", url, count }, "opened");
    const first = await change(bus, load, count, 0);
    const changes: Change[] = [];
    for (let i = 1; i <= (isTiny ? TINY_CHANGE_COUNT : CHANGE_COUNT); i += 1) {
      if (!isTiny) await sleep(PAUSE_MS);
      changes.push(await change(bus, load, count, i));
    }
    return { connectionCount: count, first, changes };
  } finally {
    await load.stop();
    await gateway.close();
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Gives the flag another value for everybody, by a rule that has to be evaluated for each. */
async function change(
  bus: Bus,
  load: LoadProcess<FlagCommand, FlagReply>,
  count: number,
  number: number,
): Promise<Change> {
  await load.ask({ kind: "await", count, valueJson: String(number) }, "awaiting");
  const heard = load.ask({ kind: "await", count, valueJson: String(number) }, "heard");
  const turns = new Turns();
  const startedUs = monotonicUs();
  const rule = { if: [{ sem_ver: [{ var: "client.version" }, ">=", "0.1.0"] }, "new", "old"] };
  const flag = {
    ...{ state: "ENABLED", variants: { new: number, old: -1 }, defaultVariant: "old" },
    ...{ targeting: rule, metadata: { client: true } },
  };
  const record = {
    ...FlagSet.decode(new Uint8Array(0)),
    definition: JSON.stringify({ flags: { live: flag } }),
    flagVersions: [{ key: "live", version: BigInt(number + 1) }],
  };
  const keys = await bus.keyValue(CONTROL_BUCKET);
  const present = await keys.get(flagSetKey("bench"));
  const value = FlagSet.encode(record).finish();
  await keys.commit([{ key: flagSetKey("bench"), value, revision: present?.revision ?? 0 }]);
  const { atUs } = await heard;
  return { lastMs: (atUs - startedUs) / 1000, ...turns.stop() };
}

/** Watches the turns of this process's loop. */
class Turns {
  #isOver = false;
  #pauseMs = 0;
  #turnUs = 0;

  constructor() {
    let atMs = performance.now();
    let cpu = process.cpuUsage();
    const turn = () => {
      if (this.#isOver) return;
      const { user, system } = process.cpuUsage(cpu);
      const nowMs = performance.now();
      this.#pauseMs = Math.max(this.#pauseMs, nowMs - atMs);
      this.#turnUs = Math.max(this.#turnUs, user + system);
      atMs = nowMs;
      cpu = process.cpuUsage();
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  stop(): { pauseMs: number; turnMs: number } {
    this.#isOver = true;
    return { pauseMs: this.#pauseMs, turnMs: this.#turnUs / 1000 };
  }
}

function report(runs: readonly FlagFigures[]): BenchReport {
  const evaluate = spreadOf(runs.map(({ evaluateUs }) => evaluateUs));
  const encoded = spreadOf(runs.map(({ encodedUs }) => encodedUs));
  const last = spreadOf(runs.map(({ changes }) => Math.max(...changes.map((c) => c.lastMs))));
  const pause = spreadOf(runs.map(({ changes }) => Math.max(...changes.map((c) => c.pauseMs))));
  const turn = spreadOf(runs.map(({ changes }) => Math.max(...changes.map((c) => c.turnMs))));
  const first = spreadOf(runs.map((run) => run.first.turnMs));
  const count = runs[0]?.connectionCount ?? 0;
  const trueCount = runs[0]?.trueCount ?? 0;
  return {
    bench: "flags",
    measures: {
      [`flags/welcome-${FLAG_COUNT}/evaluate-us`]: evaluate,
      [`flags/welcome-${FLAG_COUNT}/encoded-us`]: encoded,
      [`flags/live-${count}/last-ms`]: last,
      [`flags/live-${count}/pause-ms`]: pause,
      [`flags/live-${count}/turn-cpu-ms`]: turn,
      [`flags/live-${count}/first-turn-cpu-ms`]: first,
    },
    runs,
    rows: [
      { what: `a Welcome with ${FLAG_COUNT} flags, evaluated, CPU µs`, median: evaluate.median },
      { what: "the same, encoded too, CPU µs", median: encoded.median },
      { what: `a change to ${count} clients, the last one, ms`, median: last.median },
      { what: "longest pause of the loop meanwhile, ms", median: pause.median },
      { what: "most CPU time of one turn meanwhile, ms", median: turn.median },
      { what: "the same with the gateway's first flags, ms", median: first.median },
    ],
    hash: trueCount.toString(16),
    problems: [],
    notes: [
      "Each figure of changes is that of the worst one of its round.",
      "A pause that is longer than the turn's CPU time waited for a core, which others had.",
    ],
  };
}
