/**
 * Feature flags by the API of OpenFeature: a provider for `@openfeature/web-sdk`, which is an
 * optional peer of this package.
 *
 * The web SDK rather than the server's: its context is static, as the gateway's is, which has
 * evaluated every flag for this one client. So a context set by the application changes nothing.
 */
import {
  ErrorCode,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  type ResolutionDetails,
} from "@openfeature/web-sdk";
import type { Flags, FlagValue } from "./flags.ts";

/** Answers from a client's flags, and counts every answer as a use of its variant. */
export class TidegateProvider implements Provider {
  readonly metadata = { name: "tidegate" } as const;
  readonly runsOn = "client";
  readonly events = new OpenFeatureEventEmitter();
  readonly #flags: Flags;
  #isStale = false;
  #stop = () => {};

  /** @param flags those handed to `connect`; connected already, or values are the defaults. */
  constructor(flags: Flags) {
    this.#flags = flags;
  }

  async initialize(): Promise<void> {
    this.#stop = this.#flags.onChange((flagsChanged) => {
      if (flagsChanged.length > 0) {
        this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [...flagsChanged] });
      }
      this.#look();
    });
    this.#isStale = false; // as OpenFeature takes it to be after this, so tell it later
    queueMicrotask(() => this.#look());
  }

  async onClose(): Promise<void> {
    this.#stop();
  }

  resolveBooleanEvaluation(key: string, standard: boolean): ResolutionDetails<boolean> {
    return this.#resolve(key, standard);
  }

  resolveStringEvaluation(key: string, standard: string): ResolutionDetails<string> {
    return this.#resolve(key, standard);
  }

  resolveNumberEvaluation(key: string, standard: number): ResolutionDetails<number> {
    return this.#resolve(key, standard);
  }

  resolveObjectEvaluation<T extends JsonValue>(key: string, standard: T): ResolutionDetails<T> {
    return this.#resolve(key, standard);
  }

  #resolve<T extends JsonValue>(key: string, standard: T): ResolutionDetails<T> {
    const flag = this.#flags.get(key);
    if (flag === undefined) return failed(standard, ErrorCode.FLAG_NOT_FOUND);
    const { value, variant, version, reason } = flag;
    if (value === undefined && reason === "ERROR") return failed(standard, ErrorCode.GENERAL);
    if (value === undefined) return { value: standard, reason }; // e.g. DISABLED
    if (!isOfKind(value, standard)) return failed(standard, ErrorCode.TYPE_MISMATCH);
    const { isStale, ageMs } = this.#flags;
    return {
      value: value as T,
      variant,
      reason: isStale ? "STALE" : reason,
      flagMetadata: { version, ageMs },
    };
  }

  /** Tells whether values have become stale, or are fresh again. */
  #look(): void {
    const { isStale } = this.#flags;
    if (isStale === this.#isStale) return;
    this.#isStale = isStale;
    this.events.emit(isStale ? ProviderEvents.Stale : ProviderEvents.Ready);
  }
}

function isOfKind(value: FlagValue, standard: JsonValue): boolean {
  return typeof value === typeof standard;
}

function failed<T>(value: T, errorCode: ErrorCode): ResolutionDetails<T> {
  return { value, errorCode, reason: "ERROR" };
}
