/**
 * `nats-quiet`: what it costs to be sure about rooms in which little or nothing happens.
 *
 * `tails`: 5 000 rooms with one message every 3 s, with and without tail markers (R7).
 * `backstop`: 20 000 idle rooms, with and without the sweep that visits each (R8); a listener on
 * the servers sees which rooms it asks for. Without: a file loaded before the gateway takes the
 * function away, since the product has no switch for it. Three servers, three replicas.
 */
import { benchBackstop } from "./nats-quiet-backstop.ts";
import { benchTails } from "./nats-quiet-tails.ts";
import type { BenchOptions } from "./options.ts";
import type { BenchReport } from "./report.ts";

/** Runs both; targets: bench/targets.json. */
export async function benchNatsQuiet(
  options: BenchOptions,
  progress: (line: string) => void,
): Promise<BenchReport> {
  const parts: BenchReport[] = [];
  if ("tails".includes(options.only)) parts.push(await benchTails(options, progress));
  if ("backstop".includes(options.only)) parts.push(await benchBackstop(options, progress));
  return {
    bench: "nats-quiet",
    measures: Object.assign({}, ...parts.map((part) => part.measures)),
    runs: parts.flatMap((part) => part.runs),
    rows: parts.flatMap((part) => part.rows),
    hash: parts.map((part) => part.hash).join("-"),
    problems: parts.flatMap((part) => part.problems),
    notes: parts.flatMap((part) => part.notes),
  };
}
