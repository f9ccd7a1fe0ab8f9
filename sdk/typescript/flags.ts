/**
 * Feature flags: as the gateway evaluated them for this client, live, and which of them were used.
 *
 * An entry point of its own, so that pages without flags load nothing of it: make a `Flags`, hand
 * it to `connect`. Values outlive connections: the last ones known are better than none.
 */
import type { CancelTimer } from "./clock.ts";
import { Emitter } from "./emitter.ts";
import { TidegateError } from "./error.ts";
import type { FlagExposure, Flags as WireFlags } from "./gen/tidegate/client/v1/flag.ts";
import type { Link } from "./link.ts";

/** How often it is told which variants were used, milliseconds. */
export const EXPOSURE_INTERVAL_MS = 10_000;
/** Variants told at once: more might not fit a frame. The others wait for the next time. */
const EXPOSURE_COUNT_MAX = 200;

/** What a flag can be; OpenFeature's kinds. */
export type FlagValue = boolean | string | number | { readonly [key: string]: unknown };

/** A flag, evaluated for this client. */
export interface Flag {
  readonly key: string;
  /** Undefined when there is none: it is disabled, has no default, or its evaluation failed. */
  readonly value: FlagValue | undefined;
  /** Name of the variant; empty where there is none. */
  readonly variant: string;
  /** As OpenFeature names it: STATIC, TARGETING_MATCH, DEFAULT, DISABLED or ERROR. */
  readonly reason: string;
  /** When its set of flags was changed, milliseconds since 1970-01-01 UTC. */
  readonly version: number;
}

/** The flags of a client. */
export class Flags {
  #link: Link | null = null;
  readonly #byKey = new Map<string, Flag>();
  /** Variants used and not told yet, by key and variant: as many as flags have. */
  readonly #exposures = new Map<string, FlagExposure>();
  readonly #changes = new Emitter<readonly string[]>();
  #version = 0;
  #isStale = true;
  #toldStale = true;
  #knownAtMs = -Infinity;
  #cancel: CancelTimer | null = null;

  /** @internal Its client. @throws {TidegateError} `OPTION_INVALID`: it has one already. */
  attach(link: Link): void {
    if (this.#link !== null) throw new TidegateError("OPTION_INVALID", "flags are of one client");
    this.#link = link;
  }

  /** Version of the configuration; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  /** Whether values may be old: while not connected, or the gateway hears of no changes. */
  get isStale(): boolean {
    return this.#isStale || !this.#link?.isOpen;
  }

  /**
   * Time since a gateway, in its last word on flags, knew them to be the newest, milliseconds;
   * Infinity before the first.
   */
  get ageMs(): number {
    return (this.#link?.clock.nowMs() ?? 0) - this.#knownAtMs;
  }

  /** Every flag there is. Does not count as a use. */
  all(): readonly Flag[] {
    return [...this.#byKey.values()];
  }

  /** A flag with what is known of it, or undefined. Counts as a use of its variant. */
  get(key: string): Flag | undefined {
    const flag = this.#byKey.get(key);
    if (flag?.variant) this.#count(key, flag.variant);
    return flag;
  }

  /** The value of a flag, if it is of `fallback`'s type; else `fallback`. Counts as `get` does. */
  value<T extends FlagValue>(key: string, fallback: T): T {
    const value = this.get(key)?.value;
    return typeof value === typeof fallback ? (value as T) : fallback;
  }

  /**
   * Calls back with the keys whose value or variant changed, in a later turn; with none when only
   * `isStale` did. Returns how to stop.
   */
  onChange(listener: (keys: readonly string[]) => void): () => void {
    return this.#changes.on(listener);
  }

  /** @internal A gateway told of flags; `all`: there are no others. */
  onFlags({ flags, version, ageMs, stale }: WireFlags, all: boolean): void {
    const before = new Map(this.#byKey);
    if (all) this.#byKey.clear();
    for (const { valueJson, ...rest } of flags) {
      this.#byKey.set(rest.key, { ...rest, value: parse(valueJson) });
    }
    const keys = new Set([...before.keys(), ...this.#byKey.keys()]);
    const changed = [...keys].filter((key) => look(before.get(key)) !== look(this.#byKey.get(key)));
    this.#version = version;
    this.#isStale = stale;
    this.#knownAtMs = (this.#link?.clock.nowMs() ?? 0) - ageMs;
    this.#tell(changed);
    this.#flushLater();
  }

  /** @internal Connected; the flags are undefined from a gateway that knows of none. */
  onWelcome(flags: WireFlags | undefined): void {
    this.#isStale = true;
    if (flags === undefined) this.#tell([]);
    else this.onFlags(flags, true);
  }

  /** @internal Not connected any more. */
  onBreak(): void {
    this.#tell([]);
  }

  /** @internal Its client ends: the next may have it. */
  detach(): void {
    this.#flush();
    this.#link = null;
    this.#tell([]);
  }

  /** Tells which variants were used. */
  #flush(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#exposures.size === 0 || !this.#link?.isOpen) return; // told when it is
    const told = [...this.#exposures].slice(0, EXPOSURE_COUNT_MAX);
    for (const [name] of told) this.#exposures.delete(name);
    const exposures = told.map(([, exposure]) => exposure);
    this.#link.send({ $case: "flagExposures", value: { exposures } });
    this.#flushLater();
  }

  /** Tells it in a while. */
  #flushLater(): void {
    this.#cancel ??= this.#link?.clock.setTimer(EXPOSURE_INTERVAL_MS, () => this.#flush()) ?? null;
  }

  #tell(changed: readonly string[]): void {
    if (changed.length === 0 && this.isStale === this.#toldStale) return;
    this.#toldStale = this.isStale;
    this.#changes.emit(changed);
  }

  #count(key: string, variant: string): void {
    const name = `${key}\n${variant}`;
    const exposure = this.#exposures.get(name) ?? { key, variant, count: 0 };
    exposure.count += 1;
    this.#exposures.set(name, exposure);
    this.#flushLater();
  }
}

/** What a change of is news. */
function look(flag: Flag | undefined): string | undefined {
  return flag && JSON.stringify([flag.value, flag.variant]);
}

function parse(json: string): FlagValue | undefined {
  try {
    return JSON.parse(json) as FlagValue;
  } catch {
    return undefined; // empty: there is none
  }
}
