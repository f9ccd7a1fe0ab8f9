/**
 * Room classes on the bus KV: reads, and changes by compare-and-set.
 */
import type { Bus } from "../bus/bus.ts";
import type { KeyValue, KeyValueEntry } from "../bus/key-value.ts";
import { CodedError } from "../proto/coded-error.ts";
import { CONTROL_BUCKET } from "../proto/control-bucket.ts";
import { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { BUILT_IN_CLASSES, roomClassKey } from "../proto/room-class.ts";
import { type ClassChange, presentClass, type StoredClass } from "./decide-room-class.ts";
import type { RoomClassId } from "./resource-name.ts";

/**
 * Classes of a tenant, deleted ones included: every gateway holds them all in memory. A few
 * creations at once may pass it.
 */
export const ROOM_CLASS_COUNT_MAX = 1000;
/**
 * A caller who gave no etag wants the last word: its change is decided anew this often. Each lost
 * race is another's success, so only that many writers at once on one class get ETAG_MISMATCH.
 */
const raceCountMax = 16;

export class RoomClassStore {
  readonly #entries: KeyValue;

  private constructor(entries: KeyValue) {
    this.#entries = entries;
  }

  /** Opens the bucket. Throws `UNAVAILABLE`. */
  static async open(bus: Bus): Promise<RoomClassStore> {
    return new RoomClassStore(await bus.keyValue(CONTROL_BUCKET));
  }

  /** One class as stored. Throws `UNAVAILABLE`. */
  async read(id: RoomClassId): Promise<StoredClass> {
    const entry = await this.#entries.get(roomClassKey(id.tenant, id.class));
    if (entry === null) return { id, record: null, revision: 0 };
    return { id, record: RoomClass.decode(entry.value), revision: entry.revision };
  }

  /** A tenant's classes as callers see them, built-in ones included, by name. */
  async list(tenant: string): Promise<RoomClass[]> {
    const prefix = roomClassKey(tenant, "");
    const byClass = new Map<string, KeyValueEntry | null>();
    for (const builtIn of BUILT_IN_CLASSES.keys()) byClass.set(builtIn, null);
    for (const entry of await this.#entries.list(prefix)) {
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
   * @param validateOnly decides, writes nothing.
   * @returns the class after the change, null when it is gone.
   * @throws {CodedError} what `decide` throws, `ROOM_CLASS_LIMIT`, `ETAG_MISMATCH` after 16 lost
   *   races, `UNAVAILABLE`.
   */
  async change(
    id: RoomClassId,
    decide: (stored: StoredClass) => ClassChange,
    validateOnly: boolean,
  ): Promise<RoomClass | null> {
    for (let round = 1; ; round += 1) {
      const stored = await this.read(id);
      const change = decide(stored);
      try {
        return await this.#apply(stored, change, validateOnly);
      } catch (reason) {
        if (!isLostRace(reason)) throw reason;
        if (round < raceCountMax) continue;
        const text = `class "${id.class}" was changed ${round} times by others meanwhile`;
        throw new CodedError("ETAG_MISMATCH", text, reason);
      }
    }
  }

  async #apply(
    stored: StoredClass,
    change: ClassChange,
    validateOnly: boolean,
  ): Promise<RoomClass | null> {
    const { id, revision } = stored;
    const key = roomClassKey(id.tenant, id.class);
    switch (change.kind) {
      case "none":
        return change.roomClass;
      case "erase":
        if (!validateOnly) await this.#entries.delete(key, revision);
        return presentClass({ id, record: null, revision: 0 });
      case "write": {
        if (stored.record === null) await this.#refuseTooMany(id);
        if (validateOnly) return presentClass({ id, record: change.record, revision });
        const value = RoomClass.encode(change.record).finish();
        const written =
          stored.record === null
            ? await this.#entries.create(key, value)
            : await this.#entries.update(key, value, revision);
        return presentClass({ id, record: change.record, revision: written });
      }
      default:
        return change satisfies never;
    }
  }

  async #refuseTooMany(id: RoomClassId): Promise<void> {
    const { length } = await this.#entries.list(roomClassKey(id.tenant, ""));
    if (length < ROOM_CLASS_COUNT_MAX) return;
    const text = `tenant "${id.tenant}" has ${length} room classes, at most ${ROOM_CLASS_COUNT_MAX}`;
    throw new CodedError("ROOM_CLASS_LIMIT", text);
  }
}

function isLostRace(reason: unknown): boolean {
  if (!(reason instanceof CodedError)) return false;
  return reason.code === "ETAG_MISMATCH" || reason.code === "ALREADY_EXISTS";
}
