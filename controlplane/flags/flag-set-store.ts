/**
 * Sets of flags on the bus KV: reads, and changes by the one door.
 */
import { FLAG_SET_PREFIX, flagSetKey, flagSetName } from "../../proto/flags/flag-record.ts";
import type { StoredFlagSet } from "../../proto/flags/merge-flag-sets.ts";
import type { ParsedFlagSet } from "../../proto/flags/parse-flag-set.ts";
import type { FlagSet } from "../../proto/gen/tidegate/control/v1/flag_set.ts";
import type { Caller } from "../access/caller.ts";
import type { ChangeWish, ControlStore } from "../control-store.ts";
import {
  decideFlagSetDelete,
  decideFlagSetWrite,
  type FlagSetWish,
  presentFlagSet,
  readStored,
} from "./decide-flag-set.ts";

export class FlagSetStore {
  readonly #store: ControlStore;

  constructor(store: ControlStore) {
    this.#store = store;
  }

  /** One set, or null. @throws {CodedError} `UNAVAILABLE`. */
  async read(id: string): Promise<FlagSet | null> {
    const entry = await this.#store.keys.get(flagSetKey(id));
    if (entry === null) return null;
    return presentFlagSet(id, { value: entry.value, revision: entry.revision });
  }

  /** All sets, by id. @throws {CodedError} `UNAVAILABLE`. */
  async list(): Promise<FlagSet[]> {
    const entries = await this.#store.keys.list(FLAG_SET_PREFIX);
    return entries
      .map(({ key, value, revision }) =>
        presentFlagSet(key.slice(FLAG_SET_PREFIX.length), { value, revision }),
      )
      .filter((set) => set !== null)
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** All sets that can be read, by id. @throws {CodedError} `UNAVAILABLE`. */
  async stored(): Promise<Map<string, StoredFlagSet>> {
    const sets = new Map<string, StoredFlagSet>();
    for (const record of await this.list()) {
      const stored = readStored(record);
      if (stored !== null) sets.set(record.name.slice("flagSets/".length), stored);
    }
    return sets;
  }

  /** Stores a definition. @throws {CodedError} as decideFlagSetWrite and changeRecord. */
  async write(
    caller: Caller,
    method: string,
    wish: FlagSetWish,
    how: ChangeWish,
  ): Promise<FlagSet | null> {
    const changed = await this.#store.changeRecord(
      caller,
      {
        key: flagSetKey(wish.id),
        audit: { method, resource: flagSetName(wish.id) },
        decide: async (stored) => {
          const others = new Map<string, ParsedFlagSet>();
          for (const [id, { parsed }] of await this.stored()) {
            if (id !== wish.id) others.set(id, parsed);
          }
          return decideFlagSetWrite(stored, wish, others, Date.now());
        },
      },
      how,
    );
    return presentFlagSet(wish.id, changed);
  }

  /** Deletes a set. @throws {CodedError} as decideFlagSetDelete and changeRecord. */
  async delete(caller: Caller, method: string, id: string, how: ChangeWish): Promise<void> {
    await this.#store.changeRecord(
      caller,
      {
        key: flagSetKey(id),
        audit: { method, resource: flagSetName(id) },
        decide: (stored) => decideFlagSetDelete(id, stored),
      },
      how,
    );
  }
}
