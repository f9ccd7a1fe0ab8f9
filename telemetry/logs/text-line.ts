/**
 * A log line for people: time of day, level, sentence, fields; a stack below.
 *
 * Pure. What others chose (names of rooms and users, reasons) is quoted when it has anything but
 * plain characters, so that nobody forges a line or steers the terminal.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { LogLevel } from "./log-level.ts";

/** A line as it is to be shown. */
export interface TextLine {
  /** Milliseconds since 1970-01-01 UTC; the time of day is shown, UTC. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: object;
}

const reset = "\u001b[0m";
const dim = "\u001b[2m";
const colours: Readonly<Record<LogLevel, string>> = {
  debug: dim,
  info: "\u001b[32m",
  warn: "\u001b[1;33m",
  error: "\u001b[1;31m",
};
/** All but letters, digits, marks and punctuation that can stand in a word. */
const notPlain = /[^\p{L}\p{N}\p{M}\p{P}+<>|~^$`]|["\\]/u;
/** What moves a terminal's cursor, or the reading direction. */
const steering = /[\p{C}\u2028\u2029]/gu;

/** The line, with a newline. @param hasColour on a terminal that shows colours. */
export function formatLine({ timeMs, level, text, fields }: TextLine, hasColour: boolean): string {
  const paint = (colour: string, part: string) => (hasColour ? colour + part + reset : part);
  const time = new Date(timeMs).toISOString().slice(11, 23);
  const shown = Object.entries(fields).map(
    ([name, value]) => ` ${paint(dim, `${name}=`)}${describe(value)}`,
  );
  const head = `${paint(dim, time)} ${paint(colours[level], level.toUpperCase().padEnd(5))}`;
  const stacks = Object.values(fields).map(stackBelow).join("");
  const below = stacks === "" ? "" : paint(dim, stacks);
  return `${head} ${escaped(text)}${shown.join("")}\n${below}`;
}

function describe(value: unknown): string {
  if (value instanceof CodedError) return quoted(`[${value.code}] ${value.detail}`);
  if (value instanceof Error) return quoted(value.message);
  if (typeof value === "string")
    return value === "" || notPlain.test(value) ? quoted(value) : value;
  return escaped(asJson(value));
}

/** The stack of an error that nobody foresaw, indented; empty for anything else. */
function stackBelow(value: unknown): string {
  if (!(value instanceof Error)) return "";
  if (value instanceof CodedError && value.code !== "INTERNAL") return "";
  const lines = (value.stack ?? "").split("\n").slice(1);
  return lines.map((line) => `    ${escaped(line.trim())}\n`).join("");
}

function quoted(text: string): string {
  return escaped(JSON.stringify(text));
}

function escaped(text: string): string {
  return text.replace(steering, (found) => {
    const code = found.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

/** Facts of a log are plain; one that is not shall not end the process. */
function asJson(value: unknown): string {
  try {
    const plain = (_name: string, each: unknown) => (typeof each === "bigint" ? `${each}` : each);
    return JSON.stringify(value, plain) ?? "undefined";
  } catch (error) {
    return `(${error instanceof Error ? error.message : "can not be shown"})`;
  }
}
