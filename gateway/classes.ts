/**
 * Room classes as this gateway knows them: a live copy of the bus's records, by watch.
 */
import type { Bus } from "../bus/bus.ts";
import type { KeyValueChange } from "../bus/key-value.ts";
import { CONTROL_BUCKET } from "../proto/control-bucket.ts";
import {
  PublishPermission,
  RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "../proto/gen/tidegate/control/v1/room_class.ts";
import {
  BUILT_IN_CLASSES,
  type ClassPolicy,
  classPolicy,
  defaultRoomClass,
  HISTORY_AGE_MAX_S,
  HISTORY_COUNT_MAX,
  ROOM_CLASS_PREFIX,
  roomClassKey,
} from "../proto/room-class.ts";
import type { Log } from "./log.ts";

/** Told of each change after the first copy: tenant and class. */
export type ClassListener = (tenant: string, roomClass: string) => void;

/** A key that holds no record is told of this often at most, ms. */
const TELL_MS = 60_000;
/** Such keys remembered; beyond it all are forgotten, and told of again. */
const TOLD_COUNT_MAX = 1000;

export class Classes {
  readonly #log: Log;
  /** Stored classes by KV key; null for deleted ones. */
  readonly #stored = new Map<string, ClassPolicy | null>();
  readonly #builtIn = new Map<string, ClassPolicy | null>();
  /** When each key that is no record was last told of. */
  readonly #toldAtMs = new Map<string, number>();
  #onChange: ClassListener | null = null;
  #unwatch: () => void = () => {};

  private constructor(log: Log) {
    this.#log = log;
    for (const [name, mode] of BUILT_IN_CLASSES) {
      this.#builtIn.set(name, classPolicy(name, defaultRoomClass("", mode)));
    }
  }

  /** Reads all classes, then follows their changes. */
  static async watch(bus: Bus, log: Log): Promise<Classes> {
    const classes = new Classes(log);
    const bucket = await bus.keyValue(CONTROL_BUCKET);
    const { promise, resolve } = Promise.withResolvers<void>();
    classes.#unwatch = await bucket.watch(ROOM_CLASS_PREFIX, {
      onChange: (change) => classes.#take(change),
      onSynced: resolve,
    });
    await promise;
    return classes;
  }

  /** Ends the watch; what is known stays as it is. */
  close(): void {
    this.#unwatch();
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
    const [, tenant, roomClass] = change.key.split(".");
    if (tenant === undefined || roomClass === undefined) {
      this.#tell(change.key, "a key among the room classes is no class", {});
      return;
    }
    if (change.value === null) this.#stored.delete(change.key);
    else if (!this.#store(change.key, roomClass, change.value)) return;
    this.#onChange?.(tenant, roomClass);
  }

  /** A record that can not be a class is refused, and the last good one stays. */
  #store(key: string, roomClass: string, value: Uint8Array): boolean {
    try {
      const record = RoomClass.decode(value);
      const present = this.#stored.get(key) ?? this.#builtIn.get(roomClass) ?? null;
      const fault = record.deleted ? null : judgeRecord(record, present);
      if (fault === null) {
        this.#stored.set(key, classPolicy(roomClass, record));
        return true;
      }
      this.#tell(key, "a room class record is refused; keeping the last one", { fault });
    } catch (error) {
      this.#tell(key, "a room class record does not decode; keeping the last one", { error });
    }
    return false;
  }

  /** Says what is wrong with a key, once a minute: somebody may write junk all the time. */
  #tell(key: string, text: string, fields: object): void {
    const nowMs = performance.now();
    const isNew = nowMs - (this.#toldAtMs.get(key) ?? Number.NEGATIVE_INFINITY) >= TELL_MS;
    if (!isNew) return;
    if (this.#toldAtMs.size >= TOLD_COUNT_MAX) this.#toldAtMs.clear();
    this.#toldAtMs.set(key, nowMs);
    this.#log.error({ key, ...fields }, text);
  }
}

/** What is wrong with a record, beside `present`; null when nothing is. */
function judgeRecord(record: RoomClass, present: ClassPolicy | null): string | null {
  const { mode, historyCountMax, historyAgeMaxS, publishPermission, slowMemberPolicy } = record;
  const isDurable = mode === RoomMode.DURABLE;
  if (!isDurable && mode !== RoomMode.EPHEMERAL) return `mode ${mode} is not known`;
  if (present !== null && present.isDurable !== isDurable) return "mode never changes";
  if (isDurable && !isWithin(historyCountMax, HISTORY_COUNT_MAX)) {
    return `history_count_max ${historyCountMax} is not 1 to ${HISTORY_COUNT_MAX}`;
  }
  if (isDurable && !isWithin(historyAgeMaxS, HISTORY_AGE_MAX_S)) {
    return `history_age_max_s ${historyAgeMaxS} is not 1 to ${HISTORY_AGE_MAX_S}`;
  }
  // A value that a later version knows may forbid what this one would allow.
  if (!isWithin(publishPermission, PublishPermission.BACKEND)) {
    return `publish_permission ${publishPermission} is not known`;
  }
  if (!isWithin(slowMemberPolicy, SlowMemberPolicy.DISCONNECT)) {
    return `slow_member_policy ${slowMemberPolicy} is not known`;
  }
  return null;
}

function isWithin(value: number, max: number): boolean {
  return value >= 1 && value <= max;
}
