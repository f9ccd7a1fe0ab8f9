/**
 * The operators of targeting rules: those of flagd, with how many arguments each takes.
 *
 * Pure. What flagd's library knows beside these (throw, try, pipe, keys ...) is not of flagd's
 * format, and other clients of the same flags would not know it.
 */

/** Least and most arguments. */
export type Arity = readonly [number, number];

const any = Number.POSITIVE_INFINITY;

/** By name. */
export const OPERATORS: ReadonlyMap<string, Arity> = new Map<string, Arity>([
  ["var", [0, 2]],
  ["missing", [0, any]],
  ["missing_some", [2, 2]],
  ["if", [1, any]],
  ["==", [2, 2]],
  ["===", [2, 2]],
  ["!=", [2, 2]],
  ["!==", [2, 2]],
  [">", [2, 2]],
  [">=", [2, 2]],
  ["<", [2, 3]],
  ["<=", [2, 3]],
  ["!", [1, 1]],
  ["!!", [1, 1]],
  ["or", [1, any]],
  ["and", [1, any]],
  ["+", [1, any]],
  ["-", [1, 2]],
  ["*", [2, any]],
  ["/", [2, 2]],
  ["%", [2, 2]],
  ["min", [1, any]],
  ["max", [1, any]],
  ["map", [2, 2]],
  ["filter", [2, 2]],
  ["reduce", [3, 3]],
  ["all", [2, 2]],
  ["none", [2, 2]],
  ["some", [2, 2]],
  ["merge", [1, any]],
  ["in", [2, 2]],
  ["cat", [1, any]],
  ["substr", [2, 3]],
  ["fractional", [1, any]],
  ["sem_ver", [3, 3]],
  ["starts_with", [2, 2]],
  ["ends_with", [2, 2]],
]);

/** Operators that run their second argument for each element of the first. */
export const LOOPS: ReadonlySet<string> = new Set([
  ...["map", "filter", "reduce", "all", "none", "some"],
]);
/** Comparisons that sem_ver makes. */
export const VERSION_COMPARISONS: readonly string[] = ["=", "!=", "<", "<=", ">", ">=", "^", "~"];
