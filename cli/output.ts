/**
 * What a command prints: a table for people, JSON or YAML for programs. Pure.
 *
 * YAML by the `yaml` package: it reads and writes YAML 1.2 whole, without dependencies of its own.
 */
import { parse, stringify } from "yaml";
import type { OutputFormat } from "./command-setup.ts";

/** The text of a value. @param table of it, for people. */
export function formatOutput<T>(
  format: OutputFormat,
  value: T,
  table: (value: T) => string,
): string {
  if (format === "table") return table(value);
  return format === "json" ? `${JSON.stringify(value, null, 2)}\n` : stringify(value);
}

/** Reads what `-o json` or `-o yaml` has printed. Throws an Error: where it is wrong. */
export function parseInput(text: string): unknown {
  try {
    return parse(text); // JSON is YAML
  } catch (cause) {
    const [line = ""] = cause instanceof Error ? cause.message.split(":\n") : [String(cause)];
    throw new Error(line, { cause }); // the library goes on with a picture of the place
  }
}
