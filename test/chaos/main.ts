/**
 * `npm run chaos`: breaks a whole cluster and checks that nothing acknowledged is lost. Progress
 * goes to stderr, the result to stdout.
 */
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { CHAOS_HELP, type ChaosOptions, readChaosOptions } from "./options.ts";
import { formatResult, formatVariants, type VariantRow } from "./report.ts";
import { runChaos } from "./run.ts";
import { playScene, runVariant } from "./run-variants.ts";
import { VARIANTS } from "./variants.ts";

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
  if (options.isVariants) return runVariants(options, say);
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

/** Plays every scene with the product and with its broken variant. */
async function runVariants(options: ChaosOptions, say: (text: string) => void): Promise<number> {
  const binary = findNatsServer(process.env.NATS_SERVER ?? "", say);
  const chosen = VARIANTS.filter(
    ({ name }) => options.only.length === 0 || options.only.includes(name),
  );
  const rows: VariantRow[] = [];
  for (const variant of chosen) {
    say(`scene ${variant.scene.name}, with the product`);
    const { violations } = await playScene(variant.scene, binary);
    say(`scene ${variant.scene.name}, with variant ${variant.name}`);
    const { found, isCaught } = await runVariant(variant, binary);
    const { name, rule, scene, caughtAs } = variant;
    rows.push({ name, rule, scene: scene.name, caughtAs, isCaught, found, violations });
  }
  const isOk = rows.every(({ isCaught, violations }) => isCaught && violations.length === 0);
  const shown = rows.map((row) => ({ ...row, found: Object.fromEntries(row.found) }));
  const json = `${JSON.stringify({ ok: isOk, variants: shown }, null, 2)}\n`;
  process.stdout.write(options.isJson ? json : `\n${formatVariants(rows)}`);
  return isOk ? 0 : 1;
}
