/**
 * `npm run chaos`: breaks a whole cluster and checks that nothing acknowledged is lost. Progress
 * goes to stderr, the result to stdout.
 */
import { CHAOS_HELP, type ChaosOptions, readChaosOptions } from "./options.ts";
import { formatResult } from "./report.ts";
import { runChaos } from "./run.ts";

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: ChaosOptions | null;
  try {
    options = readChaosOptions(args, Math.floor(Math.random() * 2 ** 31));
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(CHAOS_HELP);
    return 0;
  }
  const startMs = performance.now();
  const say = (text: string) => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    process.stderr.write(`${seconds.padStart(7)} s  ${text}\n`);
  };
  const { seconds, seed, windowMs, faults, isKept } = options;
  say(`seed ${seed}`);
  const result = await runChaos(
    {
      seconds,
      seed,
      faults,
      isKept,
      windowMs,
      natsServer: process.env.NATS_SERVER ?? "",
    },
    { say },
  );
  const isOk = result.violations.length === 0;
  const json = `${JSON.stringify({ ok: isOk, ...result }, null, 2)}\n`;
  process.stdout.write(options.isJson ? json : `\n${formatResult(result)}`);
  return isOk ? 0 : 1;
}
