/**
 * What `npm run chaos` can be told.
 */
import { parseArgs } from "node:util";
import { DEDUPE_WINDOW_US } from "../../bus/void.ts";
import { FAULTS } from "./faults/all.ts";
import { VARIANTS } from "./variants.ts";

/** Choices of one run. */
export interface ChaosOptions {
  /** Time in which faults begin, s, 5 to 86 400. */
  readonly seconds: number;
  /** Chooses faults, targets and times, 0 to 2^31 - 1. */
  readonly seed: number;
  /** De-duplication window of the run, ms, 3000 to 30 000; all budgets follow from it (R2). */
  readonly windowMs: number;
  /** Names of the faults to inject; empty: all. */
  readonly faults: readonly string[];
  /** Print the result as JSON instead of tables. */
  readonly isJson: boolean;
  /** Keep stores, logs and the history. */
  readonly isKept: boolean;
  /** Run the broken variants instead. */
  readonly isVariants: boolean;
  /** Of the variants, only these; empty: all. */
  readonly only: readonly string[];
}

/** From this length on a run has time for freezes longer than the product's own window, s. */
const LONG_FROM_S = 120;
const SHORT_WINDOW_MS = 4000;
const WINDOW_MS = DEDUPE_WINDOW_US / 1000;

/** What `--help` prints. */
export const CHAOS_HELP = `
Breaks a whole cluster on this machine, and checks that nothing acknowledged is lost.

Usage: npm run chaos -- [options]

Starts 3 nats-servers, 3 gateways and a control plane, each a process of its own, and producers
and consumers with the real SDKs (TypeScript and Python), each behind a TCP proxy. Injects faults
chosen by the seed, heals them, waits until everything owed has arrived, and compares what was
called, acknowledged and delivered with what NATS holds. docs/reliability.md explains the report.

  --seconds <n>    Time in which faults begin. Default 60.
  --seed <n>       The same seed plans the same faults. Default: a random one, printed.
  --window-ms <n>  De-duplication window, 3000 to 30000; long freezes are longer than it.
                   Default 4000 below ${LONG_FROM_S} s, else the product's own 30000.
  --faults <a,b>   Only these faults; with --faults=-a,-b all but these. Default all.
  --json           Prints the result as JSON.
  --keep           Keeps stores, logs and the history, and prints where. Kept anyway on violations.
  --variants       Runs deliberately broken variants of the product instead: each must be caught.
  --only <a,b>     With --variants: only these.
  --help           Prints this.

Faults:
${FAULTS.map(({ name, text }) => `  ${name.padEnd(20)}${text}`).join("\n")}

Exit code 0: no violation; 1: at least one, or a variant was not caught; 2: wrong option.
`.trimStart();

/**
 * Reads the arguments; null means that `--help` was asked for.
 *
 * @param randomSeed used when no seed is given.
 * @throws {Error} naming the option, its value and its bounds.
 */
export function readChaosOptions(args: readonly string[], randomSeed: number): ChaosOptions | null {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(randomSeed) },
      "window-ms": { type: "string", default: "" },
      faults: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      variants: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const seconds = wholeNumber("--seconds", values.seconds, 5, 86_400);
  const windowMs = values["window-ms"] || (seconds < LONG_FROM_S ? SHORT_WINDOW_MS : WINDOW_MS);
  return {
    seconds,
    windowMs: wholeNumber("--window-ms", String(windowMs), 3000, WINDOW_MS),
    seed: wholeNumber("--seed", values.seed, 0, 2 ** 31 - 1),
    faults: chooseFaults(values.faults),
    isJson: values.json,
    isKept: values.keep,
    isVariants: values.variants,
    only: chooseVariants(values.only),
  };
}

function chooseFaults(text: string): string[] {
  const names = split(text);
  const known = FAULTS.map(({ name }) => name);
  const wrong = names.find((name) => !known.includes(name.replace(/^-/, "")));
  if (wrong !== undefined) {
    throw new Error(`--faults has ${JSON.stringify(wrong)}; --help lists the faults`);
  }
  const left = names.filter((name) => name.startsWith("-")).map((name) => name.slice(1));
  if (left.length === 0) return names;
  if (left.length < names.length) throw new Error("--faults names faults with and without -");
  return known.filter((name) => !left.includes(name));
}

function chooseVariants(text: string): string[] {
  const names = split(text);
  const wrong = names.find((name) => VARIANTS.every((variant) => variant.name !== name));
  if (wrong === undefined) return names;
  const known = VARIANTS.map(({ name }) => name).join(", ");
  throw new Error(`--only has ${JSON.stringify(wrong)}; the variants are ${known}`);
}

function split(text: string): string[] {
  return text.split(",").filter((part) => part !== "");
}

function wholeNumber(name: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new Error(`${name} is ${JSON.stringify(text)}; it must be from ${low} to ${high}`);
}
