/**
 * What can be said on the command line of a bench.
 */
import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Figures as JSON on standard output instead of tables. */
  readonly isJson: boolean;
  /** Compare with bench/targets.json; a missed target ends with exit code 1. */
  readonly isCheck: boolean;
  /** Few connections and messages: counts are checked, times mean nothing. */
  readonly isTiny: boolean;
  /** Take every run as it comes, also while other processes use the machine. */
  readonly isNoisy: boolean;
  /** Measured window of one run, seconds, 1 to 600. */
  readonly seconds: number;
  /** Interleaved repetitions, 1 to 100. 0: what the bench itself thinks enough. */
  readonly runs: number;
  /** Only shapes whose name contains this; empty for all. */
  readonly only: string;
  /** Folder for V8 CPU profiles of the servers; empty for none. */
  readonly profileDir: string;
  /** $NATS_SERVER: path of a nats-server; empty to look for one. */
  readonly natsServer: string;
}

export const DEFAULTS: BenchOptions = {
  isJson: false,
  isCheck: false,
  isTiny: false,
  isNoisy: false,
  seconds: 5,
  runs: 0,
  only: "",
  profileDir: "",
  natsServer: "",
};

/** What the command line asks for. */
export type BenchRequest =
  | { readonly kind: "help" }
  | { readonly kind: "run"; readonly name: string; readonly options: BenchOptions }
  | { readonly kind: "wrong"; readonly reason: string };

/**
 * Reads the arguments after the file name.
 *
 * @param natsServer as in {@link BenchOptions}; default empty.
 */
export function parseBenchArgs(args: readonly string[], natsServer = ""): BenchRequest {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        json: { type: "boolean" },
        check: { type: "boolean" },
        tiny: { type: "boolean" },
        noisy: { type: "boolean" },
        seconds: { type: "string" },
        runs: { type: "string" },
        only: { type: "string" },
        profile: { type: "string" },
      },
    });
    const [name, ...rest] = positionals;
    if (values.help === true || name === undefined) return { kind: "help" };
    if (rest.length > 0)
      return { kind: "wrong", reason: `one bench at a time, not ${rest.join(" ")}` };
    const options: BenchOptions = {
      isJson: values.json ?? DEFAULTS.isJson,
      isCheck: values.check ?? DEFAULTS.isCheck,
      isTiny: values.tiny ?? DEFAULTS.isTiny,
      isNoisy: values.noisy ?? DEFAULTS.isNoisy,
      seconds: count("seconds", values.seconds, DEFAULTS.seconds, 600),
      runs: count("runs", values.runs, DEFAULTS.runs, 100),
      only: values.only ?? DEFAULTS.only,
      profileDir: values.profile ?? DEFAULTS.profileDir,
      natsServer,
    };
    return { kind: "run", name, options };
  } catch (error) {
    return { kind: "wrong", reason: error instanceof Error ? error.message : String(error) };
  }
}

function count(name: string, text: string | undefined, fallback: number, max: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new Error(`--${name} is "${text}"; it must be a whole number, 1 to ${max}`);
  return value;
}
