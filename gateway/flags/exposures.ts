/**
 * Exposures: how often applications asked for a variant, as their clients tell.
 *
 * What clients say is not proven: they can count more, but only for flags that they get, and their
 * variants. Counts begin with the gateway, as Prometheus's counters do.
 */
import type { FlagExposure } from "../../proto/gen/tidegate/client/v1/flag.ts";
import type { Connection } from "../connection.ts";
import type { FlagState } from "./flag-state.ts";

/** Frames of one connection that are looked at in one window; more are left out. */
export const FRAME_COUNT_MAX = 2;
/** A window, ms. */
export const WINDOW_MS = 1000;
/** Exposures of one frame: each flag for clients with some variants. */
export const EXPOSURE_COUNT_MAX = 256;
/** What one exposure counts at most: nobody asks a million times in a second. */
export const TIMES_MAX = 1_000_000;
/** Variants that are counted; beyond it new ones are not. */
export const VARIANT_COUNT_MAX = 10_000;

/** One variant's count. */
export interface VariantCount {
  readonly key: string;
  readonly variant: string;
  readonly count: number;
}

/** The counts of one gateway. */
export class Exposures {
  readonly #counts = new Map<string, Map<string, number>>();
  #variantCount = 0;
  /** Frames of each connection in this window. */
  readonly #frames = new Map<Connection, number>();
  #window = 0;
  /** Whether anything is counted. */
  isOn = true;

  /** Counts what one frame tells; `nowMs` of any clock. */
  take(
    connection: Connection,
    exposures: readonly FlagExposure[],
    flags: FlagState["flags"],
    nowMs: number,
  ): void {
    if (!this.isOn || !this.#mayTell(connection, nowMs)) return;
    for (const { key, variant, count } of exposures.slice(0, EXPOSURE_COUNT_MAX)) {
      const source = flags.get(key)?.source;
      if (source?.isForClients !== true) continue;
      const variants = source.flag.definition.variants as object;
      if (Object.hasOwn(variants, variant)) this.#add(key, variant, Math.min(count, TIMES_MAX));
    }
  }

  /** All counts. */
  list(): VariantCount[] {
    return [...this.#counts].flatMap(([key, variants]) =>
      [...variants].map(([variant, count]) => ({ key, variant, count })),
    );
  }

  #mayTell(connection: Connection, nowMs: number): boolean {
    const window = Math.floor(nowMs / WINDOW_MS);
    if (window !== this.#window) this.#frames.clear();
    this.#window = window;
    const count = this.#frames.get(connection) ?? 0;
    if (count >= FRAME_COUNT_MAX) return false;
    this.#frames.set(connection, count + 1);
    return true;
  }

  #add(key: string, variant: string, times: number): void {
    const variants = this.#counts.get(key) ?? new Map<string, number>();
    const before = variants.get(variant);
    if (before === undefined) {
      if (this.#variantCount >= VARIANT_COUNT_MAX) return;
      this.#variantCount += 1;
    }
    variants.set(variant, (before ?? 0) + times);
    this.#counts.set(key, variants);
  }
}
