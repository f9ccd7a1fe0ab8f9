/**
 * What is wrong with a targeting rule, as far as it can be seen without a client.
 *
 * Pure. flagd's libraries find most of this when a client is evaluated, and give that client an
 * error; here it is refused when it is stored.
 */
import { at, type Faults, isObject, type Json, type JsonObject, shown } from "./faults.ts";
import { LOOPS, OPERATORS, VERSION_COMPARISONS } from "./operators.ts";

/** Steps of one evaluation at most: some 0.5 ms. Loops count as often as they run. */
export const STEP_COUNT_MAX = 1000;
/** Elements that a list may have which is known with the client only: letters of a text. */
const unknownLength = 256;
/** Sum of a fractional's weights, of flagd. */
const weightMax = 2_147_483_647;
/** A version as sem_ver reads it: whole, or with parts left out. */
const version =
  /^[vV]?\d+(\.\d+(\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?)?)?$/;

/** A rule that is looked at. */
interface Look {
  readonly faults: Faults;
  /** What its outcome must be one of; null where it is not known, in an evaluator. */
  readonly variants: readonly string[] | null;
}

/** Tells the faults of a rule whose references are not in place yet. */
export function checkRule(
  rule: Json,
  path: string,
  variants: readonly string[] | null,
  faults: Faults,
): void {
  check({ faults, variants }, rule, path, variants !== null);
}

/** @param isOutcome whether what it gives is the name of a variant. */
function check(look: Look, rule: Json, path: string, isOutcome: boolean): void {
  if (isObject(rule)) checkOperation(look, rule, path, isOutcome);
  else if (Array.isArray(rule)) {
    if (isOutcome) look.faults.add(path, "is a list; the name of a variant is wanted");
    for (const [i, each] of rule.entries()) check(look, each, at(path, i), false);
  } else if (isOutcome) checkVariant(look, rule as string | number | boolean | null, path);
}

function checkVariant(
  { faults, variants }: Look,
  name: string | number | boolean | null,
  path: string,
): void {
  if (name === null || variants === null || variants.includes(String(name))) return;
  faults.add(path, `${shown(name)} is no variant of it; there are ${variants.join(", ")}`);
}

function checkOperation(look: Look, rule: JsonObject, path: string, isOutcome: boolean): void {
  const [operator = "", ...others] = Object.keys(rule);
  if (operator === "$ref") return;
  if (operator === "" || others.length > 0) {
    look.faults.add(path, "has no operator, or several; each has an object of its own");
    return;
  }
  const arity = OPERATORS.get(operator);
  if (arity === undefined) {
    look.faults.add(path, `${shown(operator)} is no operator of flagd`);
    return;
  }
  const given = rule[operator] ?? null;
  const place = at(path, operator);
  const parts = Array.isArray(given) ? given : [given];
  // A single argument may itself be a list that an operation gives: nothing is known of its length.
  const isCounted = Array.isArray(given) || !isObject(given);
  const [min, max] = arity;
  if (isCounted && (parts.length < min || parts.length > max)) {
    const wanted = min === max ? String(min) : max < 9 ? `${min} to ${max}` : `${min} or more`;
    look.faults.add(place, `has ${parts.length} arguments, wants ${wanted}`);
    return;
  }
  if (operator === "sem_ver" && isCounted) checkVersions(look, parts, place);
  if (operator === "fractional" && isCounted) {
    checkFractional(look, parts, place);
    return;
  }
  for (const [i, each] of parts.entries()) {
    const isBranch = operator === "if" && (i % 2 === 1 || (i > 0 && i === parts.length - 1));
    check(look, each, Array.isArray(given) ? at(place, i) : place, isOutcome && isBranch);
  }
}

function checkVersions({ faults }: Look, parts: readonly Json[], path: string): void {
  const [left, comparison, right] = parts;
  for (const [i, each] of [
    [0, left],
    [2, right],
  ] as const) {
    const isFine = isObject(each) || (typeof each === "string" && version.test(each));
    if (!isFine) faults.add(at(path, i), `${shown(each ?? null)} is no semantic version`);
  }
  if (isObject(comparison) || VERSION_COMPARISONS.includes(String(comparison))) return;
  const what = `${shown(comparison ?? null)} is no comparison; there are`;
  faults.add(at(path, 1), `${what} ${VERSION_COMPARISONS.join(" ")}`);
}

function checkFractional(look: Look, parts: readonly Json[], path: string): void {
  const { faults, variants } = look;
  const hasKey = !Array.isArray(parts[0]);
  if (hasKey) check(look, parts[0] ?? null, at(path, 0), false);
  let sum = 0;
  for (const [i, bucket] of parts.entries()) {
    if (i === 0 && hasKey) continue;
    const place = at(path, i);
    if (!Array.isArray(bucket) || bucket.length < 1 || bucket.length > 2) {
      faults.add(place, 'is no share; write ["variant", weight]');
      continue;
    }
    const [name = null, weight = 1] = bucket as readonly Json[];
    if (isObject(name) || Array.isArray(name)) check(look, name, at(place, 0), variants !== null);
    else checkVariant(look, name as string | number | boolean | null, at(place, 0));
    if (isObject(weight)) check(look, weight, at(place, 1), false);
    else if (!Number.isInteger(weight) || Number(weight) < 0) {
      faults.add(at(place, 1), `${shown(weight)} is no weight: a whole number, 0 or more`);
    } else sum += Number(weight);
  }
  if (parts.length === 1 && hasKey) faults.add(path, "has no shares");
  if (sum > weightMax) faults.add(path, `weights sum up to ${sum}, more than ${weightMax}`);
}

/**
 * Tells when a rule may take too many steps.
 *
 * @param rule with evaluators in place.
 */
export function checkSteps(rule: Json, path: string, faults: Faults): void {
  const steps = countSteps(rule);
  if (steps <= STEP_COUNT_MAX) return;
  faults.add(path, `may take ${steps} steps for one client, at most ${STEP_COUNT_MAX}`);
}

function countSteps(rule: Json): number {
  if (Array.isArray(rule)) return rule.reduce((sum: number, each) => sum + countSteps(each), 0);
  if (!isObject(rule)) return 1;
  const [operator = "", parts = null] = Object.entries(rule)[0] ?? [];
  if (!LOOPS.has(operator) || !Array.isArray(parts)) return 1 + countSteps(parts);
  const [list = null, body = null] = parts;
  return 1 + countSteps(parts) + lengthOf(list) * countSteps(body);
}

/** Elements of what a rule gives, at most. */
function lengthOf(rule: Json): number {
  if (Array.isArray(rule)) return rule.length;
  if (!isObject(rule)) return unknownLength;
  const [operator = "", parts = null] = Object.entries(rule)[0] ?? [];
  if (!Array.isArray(parts)) return unknownLength;
  if (operator === "map" || operator === "filter") return lengthOf(parts[0] ?? null);
  if (operator === "merge") {
    return parts.reduce((sum: number, each) => sum + lengthOf(each), 0);
  }
  return unknownLength;
}
