/**
 * What flagd clients get: the flags of one set, or of all, as one definition.
 *
 * Pure. Evaluators of several sets may have the same names, so they are given those of their sets
 * as well; references of other flagd libraries are replaced as text, so none is left in evaluators.
 */
import { isObject, type Json, type JsonObject } from "../../proto/flags/faults.ts";
import type { StoredFlagSet } from "../../proto/flags/merge-flag-sets.ts";
import { mergeFlagSets } from "../../proto/flags/merge-flag-sets.ts";

/**
 * A flagd definition, JSON. The metadata of each flag has `flagSetId` and `version`, unless it says
 * these itself.
 *
 * @param only the set that is asked for; null for all. One that there is not has no flags.
 */
export function syncDocument(
  sets: ReadonlyMap<string, StoredFlagSet>,
  only: string | null,
): string {
  const wanted = new Map([...sets].filter(([id]) => only === null || id === only));
  const flags: Record<string, Json> = {};
  const evaluators: Record<string, Json> = {};
  for (const [id, { parsed }] of wanted) {
    const own = parsed.document.$evaluators;
    for (const [name, rule] of Object.entries(isObject(own) ? own : {})) {
      evaluators[`${id}/${name}`] = rule;
    }
  }
  for (const [key, { flag, set, version }] of mergeFlagSets(wanted).flags) {
    const given = wanted.get(set)?.parsed.document.flags;
    const source = isObject(given) ? given[key] : undefined;
    if (!isObject(source)) continue;
    const metadata = { flagSetId: set, version, ...asObject(flag.definition.metadata) };
    flags[key] = { ...(withSet(source, set) as JsonObject), metadata };
  }
  const hasEvaluators = Object.keys(evaluators).length > 0;
  return JSON.stringify({ ...(hasEvaluators ? { $evaluators: evaluators } : {}), flags });
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** The same with references to evaluators of the set. */
function withSet(value: Json, set: string): Json {
  if (Array.isArray(value)) return value.map((each) => withSet(each, set));
  if (!isObject(value)) return value;
  const parts = Object.entries(value).map(([key, each]) => {
    const isReference = key === "$ref" && typeof each === "string";
    return [key, isReference ? `${set}/${each}` : withSet(each, set)] as const;
  });
  return Object.fromEntries(parts);
}
