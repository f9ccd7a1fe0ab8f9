/**
 * `npm run bench -- <name>`: measures, shows, and with --check holds the figures to the targets.
 *
 * Progress goes to standard error, results to standard output. Exit codes: 0 done, 1 a target was
 * missed or the figures are void (loss, errors), 2 the command line was wrong.
 */
import { availableParallelism, loadavg } from "node:os";
import { benchDurable } from "./durable.ts";
import { benchFanout, benchNatsFanout } from "./fanout.ts";
import { benchFlags } from "./flags.ts";
import { benchFleet } from "./fleet.ts";
import { benchGates } from "./gates.ts";
import { benchLogins } from "./logins.ts";
import { benchMemory } from "./memory.ts";
import { benchMicro } from "./micro.ts";
import { benchMoves } from "./moves.ts";
import { benchNatsDurable } from "./nats-durable.ts";
import { benchNatsJoin } from "./nats-join.ts";
import { benchNatsQuiet } from "./nats-quiet.ts";
import { benchNatsResume } from "./nats-resume.ts";
import { type BenchOptions, parseBenchArgs } from "./options.ts";
import { benchPlacement } from "./placement.ts";
import { type BenchReport, formatTable, shown, shownSpread } from "./report.ts";
import { benchRolling } from "./rolling.ts";
import { benchRouting } from "./routing.ts";
import { benchScrape } from "./scrape.ts";
import { benchSeats } from "./seats.ts";
import { benchStart } from "./start.ts";
import { benchStorm } from "./storm.ts";
import { judge, readTargets, type Verdict } from "./targets.ts";

type Bench = (options: BenchOptions, progress: (line: string) => void) => Promise<BenchReport>;

const BENCHES: ReadonlyMap<string, { readonly run: Bench; readonly about: string }> = new Map([
  [
    "fanout",
    { run: benchFanout, about: "bare uWebSockets.js and Tidegate in turns: CPU, latency" },
  ],
  ["memory", { run: benchMemory, about: "resident memory per joined connection, 5 000 to 15 000" }],
  ["durable", { run: benchDurable, about: "acknowledged publishes a second, 1 000 in flight" }],
  ["logins", { run: benchLogins, about: "CPU of a login: upgrade, Hello with a token, Welcome" }],
  ["start", { run: benchStart, about: "time until the all-in-one is ready" }],
  [
    "nats-fanout",
    { run: benchNatsFanout, about: "fanout through NATS, beside bare uWebSockets.js + nats.js" },
  ],
  [
    "nats-durable",
    { run: benchNatsDurable, about: "acknowledged publishes a second to three replicas" },
  ],
  [
    "nats-resume",
    { run: benchNatsResume, about: "5 000 clients resume on another gateway after a kill -9" },
  ],
  ["nats-join", { run: benchNatsJoin, about: "joins of quiet rooms on a gateway new to them" }],
  [
    "nats-quiet",
    { run: benchNatsQuiet, about: "CPU of tail markers and of the backstop in quiet rooms" },
  ],
  [
    "rolling",
    { run: benchRolling, about: "a rolling restart of four gateways with 16 000 clients" },
  ],
  [
    "storm",
    { run: benchStorm, about: "15 000 clients of a killed worker come back to the others" },
  ],
  ["micro", { run: benchMicro, about: "hot functions alone, in one process" }],
  ["moves", { run: benchMoves, about: "64 slots moved under 5 000 durable messages a second" }],
  ["fleet", { run: benchFleet, about: "state of 1 000 gateways in one control plane, on NATS" }],
  ["routing", { run: benchRouting, about: "a change of the configuration, to 100 gateways" }],
  ["flags", { run: benchFlags, about: "50 flags in a Welcome; a change to 10 000 connections" }],
  ["gates", { run: benchGates, about: "a version gate changed for 10 000 open connections" }],
  ["scrape", { run: benchScrape, about: "a reading of /metrics with 100 000 rooms: CPU, pause" }],
  ["seats", { run: benchSeats, about: "admission under limits: local, and with a seat on NATS" }],
  ["placement", { run: benchPlacement, about: "deciding where 4 096 slots lie over 64 shards" }],
]);

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const request = parseBenchArgs(args, process.env.NATS_SERVER ?? "");
  if (request.kind === "help") {
    process.stdout.write(help());
    return 0;
  }
  if (request.kind === "wrong") return wrong(request.reason);
  const bench = BENCHES.get(request.name);
  if (bench === undefined) return wrong(`there is no bench "${request.name}"`);
  const { options } = request;
  const report = await bench.run(options, (line) => process.stderr.write(`${line}\n`));
  const verdicts = options.isCheck && !options.isTiny ? judge(report, readTargets()) : [];
  process.stdout.write(options.isJson ? json(report, verdicts) : text(report, verdicts));
  const isMissed = verdicts.some((verdict) => !verdict.isMet);
  const isVoid = report.problems.length > 0;
  return (options.isCheck || options.isTiny) && (isMissed || isVoid) ? 1 : 0;
}

function help(): string {
  const names = [...BENCHES].map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`);
  return `Usage: npm run bench -- <name> [options]

${names.join("\n")}

  --check        compare with bench/targets.json; exit 1 when a target is missed
  --json         figures of every run as JSON on standard output
  --tiny         few connections: checks counts, times mean nothing
  --noisy        do not wait for, or repeat runs until, a quiet machine
  --seconds n    measured window of one run (default 5)
  --runs n       interleaved repetitions (default 3; memory 5, start 10)
  --only text    only shapes whose name contains text
  --profile dir  V8 CPU profiles of the Tidegate server into this folder

Needs Linux (/proc). Two cores: the server on one, the load on the other, by taskset.
`;
}

function wrong(reason: string): number {
  process.stderr.write(`bench: ${reason}\n\n${help()}`);
  return 2;
}

function json(report: BenchReport, verdicts: readonly Verdict[]): string {
  const machine = { cores: availableParallelism(), loadAverage: loadavg(), node: process.version };
  return `${JSON.stringify({ machine, ...report, verdicts }, null, 2)}\n`;
}

function text(report: BenchReport, verdicts: readonly Verdict[]): string {
  const lines = ["", formatTable(report.rows), ""];
  for (const [name, spread] of Object.entries(report.measures))
    lines.push(`${name}: ${shownSpread(spread)}, n ${spread.n}`);
  for (const note of report.notes) lines.push(`note: ${note}`);
  for (const problem of report.problems) lines.push(`PROBLEM: ${problem}`);
  for (const { name, measured, bound, isMet } of verdicts)
    lines.push(`${isMet ? "met   " : "MISSED"} ${name}: ${shown(measured)}, bound ${bound}`);
  lines.push(`hash ${report.hash}`);
  return `${lines.join("\n")}\n`;
}
