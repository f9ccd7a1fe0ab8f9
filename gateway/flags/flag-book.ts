/**
 * Sets of flags as this gateway has them: the last good record of each (control-feed.ts).
 */
import { FLAG_SET_PREFIX, isFlagSetId } from "../../proto/flags/flag-record.ts";
import {
  type MergedFlags,
  mergeFlagSets,
  type StoredFlagSet,
} from "../../proto/flags/merge-flag-sets.ts";
import { parseFlagSet } from "../../proto/flags/parse-flag-set.ts";
import { FlagSet } from "../../proto/gen/tidegate/control/v1/flag_set.ts";
import type { ApplyRecord } from "../control-link/control-feed.ts";

/** Where records come from. */
export interface RecordFeed {
  /** See ControlFeed. */
  follow(prefix: string, apply: ApplyRecord): void;
}

/** Live copies of all sets. */
export class FlagBook {
  readonly #sets = new Map<string, StoredFlagSet>();
  #onChange: () => void = () => {};

  /** Follows the sets by a feed, which is opened after this. */
  constructor(feed: RecordFeed) {
    feed.follow(FLAG_SET_PREFIX, (key, value) => this.#apply(key, value));
  }

  /** Calls `listener` after each change. One listener. */
  follow(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Sets that are applied. */
  get setCount(): number {
    return this.#sets.size;
  }

  /** All sets together. */
  merged(): MergedFlags {
    return mergeFlagSets(this.#sets);
  }

  /** All sets together, were one as given; null: were it not there. */
  mergedWith(id: string, set: StoredFlagSet | null): MergedFlags {
    const sets = new Map(this.#sets);
    if (set === null) sets.delete(id);
    else sets.set(id, set);
    return mergeFlagSets(sets);
  }

  /** A record with a fault is refused, and the last good one stays. */
  #apply(key: string, value: Uint8Array | null): string | null {
    const id = key.slice(FLAG_SET_PREFIX.length);
    if (!isFlagSetId(id)) return "the key is no set of flags";
    if (value === null) this.#sets.delete(id);
    else {
      const record = FlagSet.decode(value);
      const { set, faults } = parseFlagSet(record.definition);
      if (set === null) return faults.map(({ path, what }) => `${path} ${what}`).join("; ");
      const versions = record.flagVersions.map(({ key: flag, version }) => {
        return [flag, Number(version)] as const;
      });
      this.#sets.set(id, { parsed: set, versions: new Map(versions) });
    }
    this.#onChange();
    return null;
  }
}
