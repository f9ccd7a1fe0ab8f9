/**
 * Room classes as this gateway knows them: a live copy of the bus's records, by watch.
 */
import type { Bus } from "../bus/bus.ts";
import type { KeyValueChange } from "../bus/key-value.ts";
import { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import {
  BUILT_IN_CLASSES,
  type ClassPolicy,
  classPolicy,
  defaultRoomClass,
  ROOM_CLASS_BUCKET,
  roomClassKey,
} from "../proto/room-class.ts";
import type { Log } from "./log.ts";

/** Told of each change after the first copy: tenant and class. */
export type ClassListener = (tenant: string, roomClass: string) => void;

export class Classes {
  readonly #log: Log;
  /** Stored classes by KV key; null for deleted ones. */
  readonly #stored = new Map<string, ClassPolicy | null>();
  readonly #builtIn = new Map<string, ClassPolicy | null>();
  #onChange: ClassListener | null = null;

  private constructor(log: Log) {
    this.#log = log;
    for (const [name, mode] of BUILT_IN_CLASSES) {
      this.#builtIn.set(name, classPolicy(name, defaultRoomClass("", mode)));
    }
  }

  /** Reads all classes, then follows their changes. */
  static async watch(bus: Bus, log: Log): Promise<Classes> {
    const classes = new Classes(log);
    const bucket = await bus.keyValue(ROOM_CLASS_BUCKET);
    const { promise, resolve } = Promise.withResolvers<void>();
    await bucket.watch("", {
      onChange: (change) => classes.#take(change),
      onSynced: resolve,
    });
    await promise;
    return classes;
  }

  /** Calls `listener` for each change from now on; one listener. */
  follow(listener: ClassListener): void {
    this.#onChange = listener;
  }

  /** The policy of a tenant's class, or null when there is none. */
  find(tenant: string, roomClass: string): ClassPolicy | null {
    const stored = this.#stored.get(roomClassKey(tenant, roomClass));
    return stored === undefined ? (this.#builtIn.get(roomClass) ?? null) : stored;
  }

  #take(change: KeyValueChange): void {
    const [tenant, roomClass] = change.key.split(".");
    if (tenant === undefined || roomClass === undefined) {
      this.#log.warn({ key: change.key }, "a key in the bucket of room classes is no class");
      return;
    }
    if (change.value === null) this.#stored.delete(change.key);
    else if (!this.#store(change.key, roomClass, change.value)) return;
    this.#onChange?.(tenant, roomClass);
  }

  /** A record that does not decode is refused, and the last good one stays. */
  #store(key: string, roomClass: string, value: Uint8Array): boolean {
    try {
      this.#stored.set(key, classPolicy(roomClass, RoomClass.decode(value)));
      return true;
    } catch (error) {
      this.#log.error({ key, error }, "a room class record does not decode; keeping the last one");
      return false;
    }
  }
}
