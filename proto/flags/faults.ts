/**
 * Faults of a definition: where, and what. Pure.
 */

/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** An object of JSON. */
export type JsonObject = { readonly [key: string]: Json };

/** One fault. */
export interface Fault {
  /** Where in the document, such as `flags.new-ui.targeting.if[0]`; empty for all of it. */
  readonly path: string;
  readonly what: string;
}

/** Faults told of one document; the rest is found when these are mended. */
export const FAULT_COUNT_MAX = 16;
/** Characters of a text that are repeated in a fault. */
const shownCharsMax = 60;

/** Collects the first {@link FAULT_COUNT_MAX}. */
export class Faults {
  readonly all: Fault[] = [];

  add(path: string, what: string): void {
    if (this.all.length < FAULT_COUNT_MAX) this.all.push({ path, what });
  }
}

/** The path of a part: a key, or a place in a list. */
export function at(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  if (!/^[\w$-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

/** Whether it is an object, neither null nor a list. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as it may stand in a sentence: cut. */
export function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text;
}
