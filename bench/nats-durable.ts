/**
 * `nats-durable`: acknowledged publishes a second to three replicas with `sync_interval: always`.
 *
 * Through one gateway, and by the bus alone in a process of its own: that one is the client of
 * NATS, and its CPU per message is what the budget of 8 us speaks of. Both again on servers that
 * sync as they do by default, which is what `always` costs. Three servers, gateway and load share
 * the machine.
 */
import { type DurableFigures, type DurableShape, runDurable } from "./durable-run.ts";
import type { BenchOptions } from "./options.ts";
import { awaitQuiet } from "./quiet.ts";
import { type BenchReport, type Row, type Spread, shownSpread, spreadOf } from "./report.ts";
import { NatsFleet } from "./servers/nats-fleet.ts";

type Sync = "always" | "default";
type Run = DurableFigures & { readonly sync: Sync };

const gateway: DurableShape = {
  name: "gateway",
  file: "durable-generator.ts",
  connectionCount: 10,
  ratePerS: 0,
};
const bus: DurableShape = { ...gateway, name: "bus", file: "bus-generator.ts" };
/** Half of the target's 25 000 a second: where latency is not the queue's. */
const halfRate: DurableShape = { ...gateway, name: "half-rate", ratePerS: 12_500 };

const SHAPES: Readonly<Record<Sync, readonly DurableShape[]>> = {
  always: [gateway, bus, halfRate],
  default: [gateway, bus],
};
const RUNS_DEFAULT = 3;

/** Runs the bench; targets: bench/targets.json. */
export async function benchNatsDurable(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const rounds = options.runs || (options.isTiny ? 1 : RUNS_DEFAULT);
  const runs: Run[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const figures: Run[] = [];
    for (const sync of round % 2 === 0 ? syncs : [...syncs].reverse()) {
      const say = (line: string): void => progress(`round ${round + 1}/${rounds} ${sync} ${line}`);
      figures.push(...(await runOn(sync, options, say)));
    }
    runs.push(figures);
  }
  return report(runs);
}

const syncs: readonly Sync[] = ["always", "default"];

/** All shapes on servers that sync like this, started for it. */
async function runOn(
  sync: Sync,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<Run[]> {
  const fleet = await NatsFleet.start(options.natsServer, options.isTiny ? 1 : 3, sync);
  const runs: Run[] = [];
  try {
    for (const shape of SHAPES[sync]) {
      if (!shape.name.includes(options.only)) continue;
      if (!options.isTiny && !options.isNoisy) await awaitQuiet(say);
      const run = await runDurable(shape, fleet, options);
      const cpu = `${run.cpuPerPublishUs.toFixed(1)} us`;
      say(`${shape.name}: ${Math.round(run.ackedPerS)}/s, ${cpu}, p99 ${Math.round(run.p99Us)} us`);
      runs.push({ ...run, sync });
    }
    return runs;
  } finally {
    await fleet.stop();
  }
}

function report(runs: readonly (readonly Run[])[]): BenchReport {
  const flat = runs.flat();
  const of = (name: string, sync: Sync): readonly Run[] =>
    flat.filter((run) => run.shape === name && run.sync === sync);
  const spread = (name: string, sync: Sync, figure: (run: Run) => number): Spread =>
    spreadOf(of(name, sync).map(figure));
  const acked = (run: Run): number => run.ackedPerS;
  const measures: Record<string, Spread> = {};
  for (const { name } of SHAPES.default) {
    if (of(name, "always").length === 0) continue;
    measures[`nats-durable/${name}/acked-per-s`] = spread(name, "always", acked);
    measures[`nats-durable/${name}/cpu-us`] = spread(name, "always", (run) => run.cpuPerPublishUs);
    measures[`nats-durable/${name}/sync-ratio`] = ratios(runs, name);
  }
  const p99 = spread("half-rate", "always", (run) => run.p99Us / 1000);
  if (p99.n > 0) measures["nats-durable/half-rate/p99-ms"] = p99;
  return {
    bench: "nats-durable",
    measures,
    runs,
    rows: syncs.flatMap((sync) => SHAPES[sync].flatMap(({ name }) => rowOf(of(name, sync)))),
    hash: flat.reduce((sum, run) => sum + run.ackedCount, 0).toString(16),
    problems: flat.flatMap((run) => run.problems),
    notes: [],
  };
}

/** Acknowledged with `always` divided by those with default sync, one ratio a round. */
function ratios(runs: readonly (readonly Run[])[], name: string): Spread {
  return spreadOf(
    runs.map((round) => {
      const of = (sync: Sync): number =>
        round.find((run) => run.shape === name && run.sync === sync)?.ackedPerS ?? 0;
      return of("always") / of("default");
    }),
  );
}

function rowOf(own: readonly Run[]): Row[] {
  const [first] = own;
  if (first === undefined) return [];
  const of = (figure: (run: Run) => number): Spread => spreadOf(own.map(figure));
  return [
    {
      shape: first.shape,
      sync: first.sync,
      "acked/s (min to max)": shownSpread(of((run) => run.ackedPerS)),
      "cpu us/publish": of((run) => run.cpuPerPublishUs).median,
      "p50 ms": of((run) => run.p50Us / 1000).median,
      "p99 ms": of((run) => run.p99Us / 1000).median,
      "max ms": of((run) => run.maxUs / 1000).median,
      "bus process core %": of((run) => run.serverShare * 100).median,
      "nats core %": of((run) => run.natsShare * 100).median,
      "others %": of((run) => run.foreignShare * 100).median,
    },
  ];
}
