/**
 * Why a flag gave what it gave: the rules of its targeting, one after the other, as they came out.
 */
import type { ClientContext } from "../client-context.ts";
import { at, isObject, type Json, shown } from "./faults.ts";
import type { FlagEngine } from "./flag-engine.ts";
import type { MergedFlag } from "./merge-flag-sets.ts";

/** Steps told of one flag. */
const STEP_COUNT_MAX = 100;

/** Each step as a sentence; none where a flag has no targeting, or is disabled. */
export function explainFlag(
  engine: FlagEngine,
  source: MergedFlag,
  context: ClientContext,
): string[] {
  const { targeting = null, state } = source.flag.definition;
  const steps: string[] = [];
  if (targeting === null || state === "DISABLED") return steps;
  let rule: Json = targeting;
  let path = "targeting";
  while (isObject(rule) && Array.isArray(rule.if) && steps.length < STEP_COUNT_MAX) {
    const parts: readonly Json[] = rule.if;
    const inner = at(path, "if");
    let taken = parts.length % 2 === 1 ? parts.length - 1 : parts.length;
    for (let i = 0; i + 1 < parts.length; i += 2) {
      const holds = isTrue(engine, source, parts[i] ?? null, context);
      steps.push(`${at(inner, i)} ${shown(parts[i] ?? null)} is ${holds}`);
      if (!holds) continue;
      taken = i + 1;
      break;
    }
    rule = parts[taken] ?? null;
    path = at(inner, taken);
  }
  if (rule === null) steps.push("no rule gives a variant: the default one counts");
  else steps.push(`${path} ${shown(rule)} gives it`);
  return steps;
}

/** Asks the library itself, by a flag with the same key and this condition alone. */
function isTrue(
  engine: FlagEngine,
  source: MergedFlag,
  condition: Json,
  context: ClientContext,
): boolean {
  const definition = {
    ...{ state: "ENABLED", variants: { yes: true, no: false }, defaultVariant: "no" },
    ...{ targeting: { if: [condition, "yes", "no"] }, metadata: {} },
  };
  const flag = { ...source.flag, definition, text: "" };
  return engine.compile({ ...source, flag }).evaluate(context).variant === "yes";
}
