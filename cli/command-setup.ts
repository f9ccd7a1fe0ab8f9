/**
 * What every command shares: what the process knows, the global options, values, examples.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Target } from "./context.ts";
import { usageError } from "./failure.ts";

/** Values of `-o`. */
export const OUTPUT_FORMATS = ["table", "json", "yaml"] as const;
/** A value of `-o`. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** What the process knows: defaults of the global options. */
export interface ProgramSetup {
  readonly version: string;
  readonly defaults: Target;
  /** Reads a file for --token-file. */
  readFile(file: string): string;
}

/** Values of the global options. */
interface GlobalOptions {
  readonly url: string;
  readonly control: string;
  readonly token: string;
  readonly tokenFile?: string;
  readonly tenant: string;
}

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

/** `-o`: a table for people, JSON or YAML for programs. */
export function outputOption(): Option {
  return new Option("-o, --output <format>", "how to print it")
    .choices(OUTPUT_FORMATS)
    .default("table");
}

/** Where things are, from the global options. Throws Failure when a token file is unreadable. */
export function targetOf(command: Command, setup: ProgramSetup): Target {
  const options = command.optsWithGlobals<GlobalOptions>();
  const { url, control, tenant } = options;
  if (options.tokenFile === undefined) return { url, control, tenant, token: options.token };
  try {
    return { url, control, tenant, token: setup.readFile(options.tokenFile).trim() };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw usageError(`--token-file can not be read: ${reason}`, "Name a readable file.", cause);
  }
}
