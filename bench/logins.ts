/**
 * `logins`: what a login costs: TCP, the upgrade, Hello with an EdDSA token, Welcome.
 *
 * Counted in CPU time of the gateway's process, all threads, since signatures are checked beside
 * the event loop: a core does as many logins a second as fit into a second of it. Beside it stands
 * what the same code needs to check a token and nothing else, in the same round.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Histogram } from "./load/histogram.ts";
import { LoadProcess } from "./load/load-process.ts";
import type { LoginCommand, LoginReply } from "./load/login-protocol.ts";
import type { BenchOptions } from "./options.ts";
import { cpuTime } from "./proc.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, spreadOf } from "./report.ts";
import { ServerProcess } from "./servers/server-process.ts";

interface LoginSize {
  readonly warmCount: number;
  readonly count: number;
  readonly tokenCount: number;
  readonly concurrency: number;
}

const SIZE: LoginSize = { warmCount: 4000, count: 20_000, tokenCount: 2000, concurrency: 64 };
const TINY_SIZE: LoginSize = { warmCount: 20, count: 40, tokenCount: 10, concurrency: 4 };
const RUNS_DEFAULT = 5;

interface LoginFigures {
  readonly loginCount: number;
  readonly failedCount: number;
  readonly reason: string;
  /** Of the gateway, for each login. */
  readonly cpuUs: number;
  /** Of the check of a token alone. */
  readonly verifyCpuUs: number;
  /** As the one generator got them, with the server on one core. */
  readonly seenPerS: number;
  readonly p99Ms: number;
}

export async function benchLogins(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const size = options.isTiny ? TINY_SIZE : SIZE;
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-logins-"));
  const runs: LoginFigures[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      if (!options.isTiny && !options.isNoisy) await awaitQuiet(progress);
      const run = await runOnce(size, folder);
      const perCore = (1e6 / run.cpuUs).toFixed(0);
      progress(
        `round ${round + 1}/${rounds}: ${perCore}/s per core, seen ${run.seenPerS.toFixed(0)}/s`,
      );
      runs.push(run);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return report(runs);
}

async function runOnce(size: LoginSize, folder: string): Promise<LoginFigures> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const keyFile = path.join(folder, "key.pem");
  writeFileSync(keyFile, publicKey);
  const flags = ["--auth=jwt", `--auth-jwt-key-file=${keyFile}`, "--admission=off"];
  const place = { system: "tidegate", core: 0, nodeFlags: [], tidegateFlags: flags } as const;
  const server = await ServerProcess.start(place);
  const load = new LoadProcess<LoginCommand, LoginReply>("login-generator.ts", 1);
  try {
    const { tokenCount, concurrency, warmCount, count } = size;
    const plan = { url: server.ready.url, privateKey, tokenCount, concurrency };
    await load.ask({ kind: "prepare", plan }, "prepared");
    await load.ask({ kind: "login", count: warmCount }, "loggedIn");
    const before = cpuUs(server.pid);
    const done = await load.ask({ kind: "login", count }, "loggedIn");
    const spentUs = cpuUs(server.pid) - before;
    await load.ask({ kind: "verify", count: warmCount, publicKey }, "verified");
    const alone = await load.ask({ kind: "verify", count, publicKey }, "verified");
    return {
      ...{ loginCount: done.count, failedCount: done.failedCount, reason: done.reason },
      ...{ cpuUs: spentUs / done.count, verifyCpuUs: alone.cpuUs },
      seenPerS: done.count / done.seconds,
      p99Ms: Histogram.fromPlain(done.latency).percentile(0.99) / 1000,
    };
  } finally {
    await load.stop();
    await server.stop();
  }
}

function cpuUs(pid: number): number {
  const { userUs, systemUs } = cpuTime(pid);
  return userUs + systemUs;
}

function report(runs: readonly LoginFigures[]): BenchReport {
  const of = (figure: (run: LoginFigures) => number) => spreadOf(runs.map(figure));
  const perCore = of((run) => 1e6 / run.cpuUs);
  const verifyPerCore = of((run) => 1e6 / run.verifyCpuUs);
  const besides = of((run) => run.cpuUs - run.verifyCpuUs);
  const rows = [
    ["logins per core and s", perCore],
    ["checks alone per core and s", verifyPerCore],
    ["CPU of a login, us", of((run) => run.cpuUs)],
    ["of it all but the check, us", besides],
    ["seen per s", of((run) => run.seenPerS)],
    ["p99 of 64 at once, ms", of((run) => run.p99Ms)],
  ] as const;
  return {
    bench: "logins",
    measures: { "logins/per-core-s": perCore, "logins/besides-check-us": besides },
    runs,
    rows: rows.map(([figure, { median, min, max }]) => ({ figure, median, min, max })),
    hash: runs.reduce((sum, run) => sum + run.loginCount, 0).toString(16),
    problems: runs.flatMap(({ failedCount, reason }) =>
      failedCount > 0 ? [`${failedCount} logins failed: ${reason}`] : [],
    ),
    notes: [],
  };
}
