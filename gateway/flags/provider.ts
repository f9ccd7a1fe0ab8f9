/**
 * The gateway's flags as a provider of OpenFeature: what the system itself asks goes through it,
 * and hears whether flags are there, have changed, or are stale.
 */
import {
  ErrorCode,
  type EvaluationContext,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  type ResolutionDetails,
} from "@openfeature/server-sdk";
import type { ClientContext } from "../../proto/client-context.ts";
import type { FlagKind } from "../../proto/flags/parse-flag-set.ts";
import type { FlagState } from "./flag-state.ts";

/** Answers from the present state. */
export class FlagProvider implements Provider {
  readonly runsOn = "server";
  readonly metadata = { name: "tidegate" };
  readonly events = new OpenFeatureEventEmitter();
  readonly #stateNow: () => FlagState;

  constructor(stateNow: () => FlagState) {
    this.#stateNow = stateNow;
  }

  /** Tells that flags have changed. */
  tellChanged(): void {
    this.events.emit(ProviderEvents.ConfigurationChanged);
  }

  /** Tells that flags may be old, or are the newest again. */
  tellStale(isStale: boolean): void {
    this.events.emit(isStale ? ProviderEvents.Stale : ProviderEvents.Ready);
  }

  resolveBooleanEvaluation(key: string, fallback: boolean, context: EvaluationContext) {
    return this.#resolve("boolean", key, fallback, context);
  }

  resolveStringEvaluation(key: string, fallback: string, context: EvaluationContext) {
    return this.#resolve("string", key, fallback, context);
  }

  resolveNumberEvaluation(key: string, fallback: number, context: EvaluationContext) {
    return this.#resolve("number", key, fallback, context);
  }

  resolveObjectEvaluation<T extends JsonValue>(
    key: string,
    fallback: T,
    context: EvaluationContext,
  ) {
    return this.#resolve("object", key, fallback, context);
  }

  #resolve<T>(
    kind: FlagKind,
    key: string,
    fallback: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    const flag = this.#stateNow().flags.get(key);
    if (flag === undefined) return failed(fallback, ErrorCode.FLAG_NOT_FOUND, `no flag ${key}`);
    if (flag.source.flag.kind !== kind) {
      const text = `${key} is of kind ${flag.source.flag.kind}, not ${kind}`;
      return failed(fallback, ErrorCode.TYPE_MISMATCH, text);
    }
    const { value, variant, reason, error, version } = flag.evaluate(context as ClientContext);
    if (error !== "") return failed(fallback, ErrorCode.GENERAL, error);
    const flagMetadata = { flagSetId: flag.source.set, version };
    if (value === undefined) return Promise.resolve({ value: fallback, reason, flagMetadata });
    return Promise.resolve({ value: value as T, variant, reason, flagMetadata });
  }
}

function failed<T>(
  value: T,
  errorCode: ErrorCode,
  errorMessage: string,
): Promise<ResolutionDetails<T>> {
  return Promise.resolve({ value, reason: "ERROR", errorCode, errorMessage });
}
