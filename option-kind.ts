/**
 * Kinds of option values, and whether a value is one.
 *
 * Pure.
 */
import { CodedError } from "./proto/coded-error.ts";

/** What values an option takes. */
export type OptionKind =
  | { readonly type: "integer"; readonly min: number; readonly max: number }
  | { readonly type: "decimal"; readonly min: number; readonly max: number }
  | { readonly type: "choice"; readonly choices: readonly string[] }
  | { readonly type: "text" }
  | { readonly type: "list" };

/** One option. */
export interface OptionRow {
  /** Name in the environment; the flag is the same in lower case with dashes. */
  readonly name: string;
  readonly kind: OptionKind;
  /** As it would be written. */
  readonly default: string;
  /** A sentence: meaning, unit, and what happens at the limit. */
  readonly meaning: string;
}

/** Whole numbers from `min` to `max`. */
export const integer = (min: number, max: number): OptionKind => ({ type: "integer", min, max });
/** Numbers from `min` to `max`, such as 0.01. */
export const decimal = (min: number, max: number): OptionKind => ({ type: "decimal", min, max });
/** One of these. */
export const choice = (...choices: string[]): OptionKind => ({ type: "choice", choices });
/** Any text. */
export const text: OptionKind = { type: "text" };
/** Entries parted by commas. */
export const list: OptionKind = { type: "list" };

/** A row of a table of options, with its name as a type. */
export function row<const Name extends string>(
  name: Name,
  kind: OptionKind,
  value: string | number,
  meaning: string,
) {
  return { name, kind, default: String(value), meaning };
}

/** Bounds of an option, for people. */
export function describeKind(kind: OptionKind): string {
  switch (kind.type) {
    case "integer":
    case "decimal":
      return `${kind.min} to ${kind.max}`;
    case "choice":
      return kind.choices.join(", ");
    case "list":
      return "entries parted by commas";
    case "text":
      return "text";
    default:
      return kind satisfies never;
  }
}

/**
 * Refuses a value that is none of its kind.
 *
 * @throws {CodedError} `OPTION_INVALID` naming the option, the value and its bounds.
 */
export function checkValue(option: OptionRow, value: string): void {
  const { name, kind } = option;
  const shown = JSON.stringify(value);
  if (kind.type === "integer") {
    const isWhole = /^-?\d{1,15}$/.test(value);
    if (!isWhole || Number(value) < kind.min || Number(value) > kind.max) {
      const detail = `${name} is ${shown}, must be a whole number from ${describeKind(kind)}`;
      throw new CodedError("OPTION_INVALID", detail);
    }
  }
  if (kind.type === "decimal") {
    const isDecimal = /^\d{1,9}(\.\d{1,9})?$/.test(value);
    if (!isDecimal || Number(value) < kind.min || Number(value) > kind.max) {
      const detail = `${name} is ${shown}, must be a number from ${describeKind(kind)}`;
      throw new CodedError("OPTION_INVALID", detail);
    }
  }
  if (kind.type === "choice" && !kind.choices.includes(value)) {
    const detail = `${name} is ${shown}, must be one of: ${describeKind(kind)}`;
    throw new CodedError("OPTION_INVALID", detail);
  }
}
