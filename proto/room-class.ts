/**
 * Room classes as gateways and control plane read them: built-in ones, defaults, and the bus
 * record.
 *
 * A stored class is one key of the bus KV bucket "control"; a built-in class without a record has
 * the defaults here. Both sides resolve through this file, so they can not disagree.
 */
import {
  AnonymousAccess,
  PublishPermission,
  type RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "./gen/tidegate/control/v1/room_class.ts";

/** What keys of room classes begin with; key {@link roomClassKey}, value an encoded RoomClass. */
export const ROOM_CLASS_PREFIX = "class.";

/** Messages that history and resume reach back unless a class says otherwise. */
export const HISTORY_COUNT_DEFAULT = 1000;
/** More would make one resume cost seconds; a room that needs all is an archive. */
export const HISTORY_COUNT_MAX = 100_000;
/** 30 days: every durable class has a finite age, so a store has a finite size. */
export const HISTORY_AGE_MAX_S = 30 * 24 * 3600;

/** Publishes a second at most, where a class sets a number: more than a process can take. */
export const PUBLISH_RATE_MAX = 1_000_000;
/** Bytes of a payload at most, where a class sets a number: the largest frame there may be. */
export const PAYLOAD_BYTES_MAX = 1024 * 1024;

/** Where a durable class stores its rooms unless its creation said otherwise. */
export const DEFAULT_PLACEMENT_GROUP = "groups/0";

/** The policy of a room class, every field decided. */
export interface ClassPolicy {
  readonly class: string;
  readonly isDurable: boolean;
  /** Newest messages within reach; 0 when ephemeral. */
  readonly historyCountMax: number;
  /** Age within reach, seconds; 0 when ephemeral. */
  readonly historyAgeMaxS: number;
  readonly publishPermission: PublishPermission;
  readonly slowMemberPolicy: SlowMemberPolicy;
  /** What clients without a token may do. */
  readonly anonymousAccess: AnonymousAccess;
  /** Placement group whose shards store its rooms; 0 when ephemeral. */
  readonly group: number;
  /** Members of a room at once, in the whole fleet; 0: no limit. */
  readonly memberCountMax: number;
  /** Publishes a second that a gateway takes to one room, to all of the class; 0: no limit. */
  readonly roomPublishesPerSecondMax: number;
  readonly classPublishesPerSecondMax: number;
  /** Bytes of one payload; 0: what fits a frame. */
  readonly payloadBytesMax: number;
}

/** Classes every tenant has without creating them. */
export const BUILT_IN_CLASSES: ReadonlyMap<string, RoomMode> = new Map([
  ["chat", RoomMode.DURABLE],
  ["live", RoomMode.EPHEMERAL],
]);

/** KV key of a class: "class.<tenant>.<class>"; neither part can hold a dot. */
export function roomClassKey(tenant: string, roomClass: string): string {
  return `${ROOM_CLASS_PREFIX}${tenant}.${roomClass}`;
}

/** The placement group of a class: 0 where its record says none, or what is none. */
export function groupOfClass({ placementGroup }: RoomClass): number {
  return Number(/^groups\/(0|[1-9]|1[0-5])$/.exec(placementGroup)?.[1] ?? 0);
}

/** Resource name of a class. */
export function roomClassName(tenant: string, roomClass: string): string {
  return `tenants/${tenant}/roomClasses/${roomClass}`;
}

/** A class of that mode with every default filled in; `name` empty when built in and not stored. */
export function defaultRoomClass(name: string, mode: RoomMode): RoomClass {
  const isDurable = mode === RoomMode.DURABLE;
  return {
    name,
    mode,
    historyCountMax: isDurable ? HISTORY_COUNT_DEFAULT : 0,
    historyAgeMaxS: isDurable ? HISTORY_AGE_MAX_S : 0,
    publishPermission: PublishPermission.CLIENTS,
    slowMemberPolicy: isDurable ? SlowMemberPolicy.RESYNC : SlowMemberPolicy.GAP,
    etag: "",
    builtIn: false,
    updateTime: undefined,
    deleted: false,
    placementGroup: isDurable ? DEFAULT_PLACEMENT_GROUP : "",
    regions: [],
    memberCountMax: 0,
    roomPublishesPerSecondMax: 0,
    classPublishesPerSecondMax: 0,
    payloadBytesMax: 0,
    anonymousAccess: AnonymousAccess.NONE,
  };
}

/** What a record means for the rooms of the class, or null for a deleted class. */
export function classPolicy(roomClass: string, record: RoomClass): ClassPolicy | null {
  if (record.deleted) return null;
  const isDurable = record.mode === RoomMode.DURABLE;
  return {
    class: roomClass,
    isDurable,
    historyCountMax: isDurable ? record.historyCountMax : 0,
    historyAgeMaxS: isDurable ? record.historyAgeMaxS : 0,
    publishPermission: record.publishPermission,
    slowMemberPolicy: record.slowMemberPolicy,
    anonymousAccess: record.anonymousAccess || AnonymousAccess.NONE,
    group: isDurable ? groupOfClass(record) : 0,
    memberCountMax: record.memberCountMax,
    roomPublishesPerSecondMax: record.roomPublishesPerSecondMax,
    classPublishesPerSecondMax: record.classPublishesPerSecondMax,
    payloadBytesMax: record.payloadBytesMax,
  };
}
