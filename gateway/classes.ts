/**
 * Room classes as this gateway knows them: a live copy of their records (control-feed.ts).
 */
import {
  AnonymousAccess,
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
  groupOfClass,
  HISTORY_AGE_MAX_S,
  HISTORY_COUNT_MAX,
  ROOM_CLASS_PREFIX,
  roomClassKey,
} from "../proto/room-class.ts";
import type { ControlFeed } from "./control-link/control-feed.ts";

/** Told of each change after the first copy: tenant and class. */
export type ClassListener = (tenant: string, roomClass: string) => void;

export class Classes {
  /** Stored classes by KV key; null for deleted ones. */
  readonly #stored = new Map<string, ClassPolicy | null>();
  /** Classes that limit the members of rooms, by tenant. */
  readonly #limited = new Map<string, Set<string>>();
  /** Classes that let in clients without a token, by tenant. */
  readonly #anonymous = new Map<string, Set<string>>();
  readonly #builtIn = new Map<string, ClassPolicy | null>();
  #onChange: ClassListener | null = null;

  /** Follows the classes by a feed, which is opened after this. */
  constructor(feed: ControlFeed) {
    for (const [name, mode] of BUILT_IN_CLASSES) {
      this.#builtIn.set(name, classPolicy(name, defaultRoomClass("", mode)));
    }
    feed.follow(ROOM_CLASS_PREFIX, (key, value) => this.#apply(key, value));
  }

  /** Calls `listener` for each change from now on; one listener. */
  follow(listener: ClassListener): void {
    this.#onChange = listener;
  }

  /** Whether a class of the tenant limits the members of its rooms. */
  hasMemberLimit(tenant: string): boolean {
    return (this.#limited.get(tenant)?.size ?? 0) > 0;
  }

  /** Whether a class of the tenant lets in clients without a token. */
  hasAnonymousAccess(tenant: string): boolean {
    return (this.#anonymous.get(tenant)?.size ?? 0) > 0;
  }

  /** The policy of a tenant's class, or null when there is none. */
  find(tenant: string, roomClass: string): ClassPolicy | null {
    const stored = this.#stored.get(roomClassKey(tenant, roomClass));
    return stored === undefined ? (this.#builtIn.get(roomClass) ?? null) : stored;
  }

  #note(tenant: string, roomClass: string): void {
    const policy = this.find(tenant, roomClass);
    const access = policy?.anonymousAccess ?? AnonymousAccess.NONE;
    mark(this.#limited, tenant, roomClass, (policy?.memberCountMax ?? 0) > 0);
    mark(this.#anonymous, tenant, roomClass, access !== AnonymousAccess.NONE);
  }

  /** A record that can not be a class is refused, and the last good one stays. */
  #apply(key: string, value: Uint8Array | null): string | null {
    const [, tenant, roomClass] = key.split(".");
    if (tenant === undefined || roomClass === undefined) return "the key is no class";
    if (value === null) this.#stored.delete(key);
    else {
      const record = RoomClass.decode(value);
      const present = this.#stored.get(key) ?? this.#builtIn.get(roomClass) ?? null;
      const fault = record.deleted ? null : judgeRecord(record, present);
      if (fault !== null) return fault;
      this.#stored.set(key, classPolicy(roomClass, record));
    }
    this.#note(tenant, roomClass);
    this.#onChange?.(tenant, roomClass);
    return null;
  }
}

function mark(
  classes: Map<string, Set<string>>,
  tenant: string,
  roomClass: string,
  isIn: boolean,
): void {
  const ofTenant = classes.get(tenant) ?? new Set();
  if (isIn) classes.set(tenant, ofTenant.add(roomClass));
  else ofTenant.delete(roomClass);
}

/** What is wrong with a record, beside `present`; null when nothing is. */
function judgeRecord(record: RoomClass, present: ClassPolicy | null): string | null {
  const { mode, historyCountMax, historyAgeMaxS, publishPermission, slowMemberPolicy } = record;
  const isDurable = mode === RoomMode.DURABLE;
  if (!isDurable && mode !== RoomMode.EPHEMERAL) return `mode ${mode} is not known`;
  if (present !== null && present.isDurable !== isDurable) return "mode never changes";
  if (isDurable && present !== null && present.group !== groupOfClass(record)) {
    return "placement_group never changes";
  }
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
  if (record.anonymousAccess > AnonymousAccess.PUBLISH) {
    return `anonymous_access ${record.anonymousAccess} is not known`;
  }
  return null;
}

function isWithin(value: number, max: number): boolean {
  return value >= 1 && value <= max;
}
