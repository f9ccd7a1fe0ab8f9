/**
 * Room classes on the bus KV: reads, and changes by compare-and-set.
 */
import type { KeyValueEntry } from "../bus/key-value.ts";
import { CodedError } from "../proto/coded-error.ts";
import { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { BUILT_IN_CLASSES, roomClassKey, roomClassName } from "../proto/room-class.ts";
import type { Caller } from "./access/caller.ts";
import type { ClassPlacement } from "./class-placement.ts";
import type { ChangeSpec, ChangeWish, ControlStore } from "./control-store.ts";
import {
  type ClassChange,
  describeClass,
  presentClass,
  type StoredClass,
} from "./decide-room-class.ts";
import type { RoomClassId } from "./resource-name.ts";

/**
 * Classes of a tenant, deleted ones included: every gateway holds them all in memory. A few
 * creations at once may pass it.
 */
export const ROOM_CLASS_COUNT_MAX = 1000;

export class RoomClassStore {
  readonly #store: ControlStore;

  readonly #placement: ClassPlacement | null;

  /** @param placement checks where classes ask to be; null where nothing is changed. */
  constructor(store: ControlStore, placement: ClassPlacement | null = null) {
    this.#store = store;
    this.#placement = placement;
  }

  /** One class as stored. Throws `UNAVAILABLE`. */
  async read(id: RoomClassId): Promise<StoredClass> {
    const entry = await this.#store.keys.get(roomClassKey(id.tenant, id.class));
    if (entry === null) return { id, record: null, revision: 0 };
    return { id, record: RoomClass.decode(entry.value), revision: entry.revision };
  }

  /** A tenant's classes as callers see them, built-in ones included, by name. */
  async list(tenant: string): Promise<RoomClass[]> {
    const prefix = roomClassKey(tenant, "");
    const byClass = new Map<string, KeyValueEntry | null>();
    for (const builtIn of BUILT_IN_CLASSES.keys()) byClass.set(builtIn, null);
    for (const entry of await this.#store.keys.list(prefix)) {
      byClass.set(entry.key.slice(prefix.length), entry);
    }
    return [...byClass]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, entry]) => {
        const id = { tenant, class: name };
        if (entry === null) return presentClass({ id, record: null, revision: 0 });
        const record = RoomClass.decode(entry.value);
        return presentClass({ id, record, revision: entry.revision });
      })
      .filter((roomClass) => roomClass !== null);
  }

  /**
   * Reads, decides and writes, anew when someone else wrote in between.
   *
   * @param decide throws to refuse.
   * @returns the class after the change, null when it is gone.
   * @throws {CodedError} what `decide` throws, `ROOM_CLASS_LIMIT`, and as
   *   {@link ControlStore.changeRecord}.
   */
  async change(
    caller: Caller,
    method: string,
    id: RoomClassId,
    decide: (stored: StoredClass) => ClassChange,
    wish: ChangeWish,
  ): Promise<RoomClass | null> {
    const spec: ChangeSpec = {
      key: roomClassKey(id.tenant, id.class),
      audit: { method, resource: roomClassName(id.tenant, id.class) },
      decide: async ({ value, revision }) => {
        const record = value === null ? null : RoomClass.decode(value);
        const stored = { id, record, revision };
        const change = decide(stored);
        if (change.kind === "none") return change;
        const before = describeClass(presentClass(stored));
        if (change.kind === "erase") return { kind: "erase", before };
        if (record === null) await this.#refuseTooMany(id);
        const along = await this.#placement?.check(presentClass(stored), change.record);
        const after = describeClass(presentClass({ id, record: change.record, revision }));
        const encoded = RoomClass.encode(change.record).finish();
        return { kind: "write", value: encoded, before, after, along };
      },
    };
    const { value, revision } = await this.#store.changeRecord(caller, spec, wish);
    if (value === null) return presentClass({ id, record: null, revision: 0 });
    return presentClass({ id, record: RoomClass.decode(value), revision });
  }

  async #refuseTooMany(id: RoomClassId): Promise<void> {
    const { length } = await this.#store.keys.list(roomClassKey(id.tenant, ""));
    if (length < ROOM_CLASS_COUNT_MAX) return;
    const text = `tenant "${id.tenant}" has ${length} room classes, at most ${ROOM_CLASS_COUNT_MAX}`;
    throw new CodedError("ROOM_CLASS_LIMIT", text);
  }
}
