/**
 * Evaluation by flagd's own library, the same for gateways and for `flags test`.
 *
 * The library is imported when the first flag is there: it costs some 100 ms. Rules run in its
 * interpreter, not as generated code: 1 µs a flag instead of 0.7, and no text of a definition ever
 * becomes JavaScript.
 */
import type { FeatureFlag } from "@openfeature/flagd-core";
import type { ClientContext } from "../client-context.ts";
import type { Json } from "./faults.ts";
import type { MergedFlag } from "./merge-flag-sets.ts";

/** What a flag gives a client. One object for all who get the same of one definition. */
export interface FlagOutcome {
  readonly key: string;
  /** Undefined: the application's own default counts. */
  readonly value: Json | undefined;
  /** `value` as JSON, else empty. */
  readonly valueJson: string;
  /** Empty where there is none. */
  readonly variant: string;
  readonly reason: string;
  /** Empty but for reason ERROR. */
  readonly error: string;
  readonly version: number;
}

/** A flag that can be evaluated. */
export interface CompiledFlag {
  readonly source: MergedFlag;
  /** Its rules ask for the time of day. */
  readonly usesTime: boolean;
  evaluate(context: ClientContext): FlagOutcome;
}

type Library = typeof import("@openfeature/flagd-core");

/** The library; what it has to say of definitions was said by parse-flag-set.ts. */
const quiet = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

/** Makes flags that can be evaluated. */
export class FlagEngine {
  readonly #library: Library;

  private constructor(library: Library) {
    this.#library = library;
  }

  /** Imports the library. */
  static async load(): Promise<FlagEngine> {
    return new FlagEngine(await import("@openfeature/flagd-core"));
  }

  /** A flag without faults. About 0.3 ms. */
  compile(source: MergedFlag): CompiledFlag {
    const { flag } = source;
    const definition = flag.definition as unknown as ConstructorParameters<typeof FeatureFlag>[1];
    const feature = new this.#library.FeatureFlag(flag.key, definition, quiet, {
      disableDynamicCodeGeneration: true,
    });
    const evaluate = outcomesOf(feature, source);
    return { source, usesTime: flag.text.includes("$flagd.timestamp"), evaluate };
  }
}

/** Evaluates; the outcome is looked up by variant and reason, so that equal ones are one object. */
function outcomesOf(
  feature: FeatureFlag,
  { flag, version }: MergedFlag,
): (context: ClientContext) => FlagOutcome {
  const known = new Map<string, FlagOutcome>();
  const make = (result: { value?: unknown; variant?: string; reason?: string }, error: string) => {
    const value = error === "" ? (result.value as Json | undefined) : undefined;
    return {
      ...{ key: flag.key, value, error, version },
      valueJson: value === undefined ? "" : JSON.stringify(value),
      variant: value === undefined ? "" : (result.variant ?? ""),
      reason: result.reason ?? "ERROR",
    };
  };
  if (flag.definition.state === "DISABLED") {
    const disabled = make({ reason: "DISABLED" }, "");
    return () => disabled;
  }
  return (context) => {
    // Its own type asks for values of a narrower kind; it reads any.
    const result = feature.evaluate(context as Parameters<FeatureFlag["evaluate"]>[0], quiet);
    const error = "errorCode" in result ? String(result.errorMessage ?? result.errorCode) : "";
    const id = `${result.variant ?? ""} ${result.reason ?? ""} ${error}`;
    const outcome = known.get(id);
    if (outcome !== undefined) return outcome;
    const made = make(result, error);
    if (known.size >= OUTCOME_COUNT_MAX) known.clear();
    known.set(id, made);
    return made;
  };
}

/** Outcomes of one flag that are remembered: its variants with their reasons, as a rule. */
const OUTCOME_COUNT_MAX = 1000;
