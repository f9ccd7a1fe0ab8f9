/**
 * `npm run example:replay`: real data through real clients, with cut connections and a kill -9,
 * counted. Progress goes to stderr, the result to stdout.
 */
import { findChromium } from "../chromium.ts";
import { isKept } from "./judge.ts";
import { REPLAY_HELP, type ReplayOptions, readReplayOptions } from "./options.ts";
import { runReplay } from "./run.ts";
import { formatOutcome } from "./table.ts";

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: ReplayOptions | null;
  try {
    options = readReplayOptions(args);
  } catch (error) {
    process.stderr.write(`replay: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(REPLAY_HELP);
    return 0;
  }
  const tell = (text: string) => {
    process.stderr.write(`${performance.now().toFixed(0).padStart(6)} ms  ${text}\n`);
  };
  const outcome = await runReplay(options, findChromium(process.env.CHROMIUM), tell);
  const isOk = outcome.verdicts.length > 0 && outcome.verdicts.every(isKept);
  const json = `${JSON.stringify({ ok: isOk, ...outcome }, null, 2)}\n`;
  process.stdout.write(options.isJson ? json : `\n${formatOutcome(outcome)}`);
  return isOk ? 0 : 1;
}
