/**
 * What every command shares: what the process knows, the global options, values, examples.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { ControlPlace, Target, TargetDefaults } from "./context.ts";
import { usageError } from "./failure.ts";
import { parseBytes, parseSpan } from "./human-units.ts";

/** Values of `-o`. */
export const OUTPUT_FORMATS = ["table", "json", "yaml"] as const;
/** A value of `-o`. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** What the process knows: defaults of the global options. */
export interface ProgramSetup {
  readonly version: string;
  readonly defaults: TargetDefaults;
  /** Reads a file for --token-file and --tls-…. */
  readFile(file: string): string;
}

/** Values of the global options. */
type GlobalOptions = TargetDefaults;

/** The examples at the end of a command's help: command and meaning. */
export function examples(rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(([command, meaning]) => `  # ${meaning}\n  ${command}`);
  return `\nExamples:\n${lines.join("\n")}\n\nGlobal options: tidegatectl --help\n`;
}

/** Reads a value: 0 or more. Throws InvalidArgumentError, as commander wants. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** Reads a value: 1 or more. */
export function positiveNumber(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError("It must be 1 or more.");
  return value;
}

/** Reads a value: a number, 0 or more. */
export function parseRate(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError("It must be a number, 0 or more.");
  }
  return value;
}

/** Reads a span, "7d", as milliseconds. */
export function spanMs(text: string): number {
  const ms = parseSpan(text);
  if (ms === null) throw new InvalidArgumentError("It must be like 30s, 15m, 12h or 7d.");
  return ms;
}

/** Reads a size, "8GiB", as bytes. */
export function byteCount(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === null) throw new InvalidArgumentError("It must be like 512MiB, 8GiB or 1TiB.");
  return bytes;
}

/** Reads "a,b": words; none for the empty text. */
export function wordList(text: string): string[] {
  return text === "" ? [] : text.split(",");
}

/** `-o`: a table for people, JSON or YAML for programs. */
export function outputOption(): Option {
  return new Option("-o, --output <format>", "how to print it")
    .choices(OUTPUT_FORMATS)
    .default("table");
}

/** Where things are, from the global options. Throws Failure when a file is unreadable. */
export function targetOf(command: Command, setup: ProgramSetup): Target {
  const options = command.optsWithGlobals<GlobalOptions>();
  const { url, control: address, tenant } = options;
  const read = (flag: string, file: string) => readNamed(setup, flag, file);
  const fromFile = read("--token-file", options.tokenFile).trim();
  const token = options.tokenFile === "" ? options.token : fromFile;
  if ((options.tlsCert === "") !== (options.tlsKey === "")) {
    throw usageError("--tls-cert and --tls-key belong together", "Give both, or neither.");
  }
  const control: ControlPlace = {
    ...{ address, token },
    tlsCa: options.tlsCa === "system" ? "system" : read("--tls-ca", options.tlsCa),
    tlsCert: read("--tls-cert", options.tlsCert),
    tlsKey: read("--tls-key", options.tlsKey),
  };
  if (control.tlsCert !== "" && control.tlsCa === "") {
    const fix = 'Name the authority of the control plane\'s certificate, or "system".';
    throw usageError("--tls-cert without --tls-ca", fix);
  }
  return { url, control, tenant, token };
}

function readNamed(setup: ProgramSetup, flag: string, file: string): string {
  if (file === "") return "";
  try {
    return setup.readFile(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw usageError(`${flag} can not be read: ${reason}`, "Name a readable file.", cause);
  }
}
