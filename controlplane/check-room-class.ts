/**
 * Which values a room class may have, and which fields an update names.
 *
 * Pure. Values of 0 mean "not given": completeRoomClass fills in the defaults of the mode.
 */
import {
  AnonymousAccess,
  PublishPermission,
  type RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "../proto/gen/tidegate/control/v1/room_class.ts";
import { MEMBER_COUNT_MAX } from "../proto/limits.ts";
import {
  defaultRoomClass,
  HISTORY_AGE_MAX_S,
  HISTORY_COUNT_MAX,
  PAYLOAD_BYTES_MAX,
  PUBLISH_RATE_MAX,
} from "../proto/room-class.ts";
import { checkRegions } from "./check-regions.ts";
import { type FieldViolation, shown } from "./invalid-fields.ts";

/** Fields that a change may set, by their names in the .proto file. */
export const SETTABLE_FIELDS = [
  "history_count_max",
  "history_age_max_s",
  "publish_permission",
  "slow_member_policy",
  "member_count_max",
  "regions",
  "room_publishes_per_second_max",
  "class_publishes_per_second_max",
  "payload_bytes_max",
  "anonymous_access",
] as const;
/** One of SETTABLE_FIELDS. */
export type SettableField = (typeof SETTABLE_FIELDS)[number];

/** Fields that only the server writes, or that name the class: ignored in a mask (AIP-203). */
const outputFields = ["name", "etag", "built_in", "update_time", "deleted"];
/** Paths in a mask; there are fewer fields than that. */
const maskPathsMax = 32;

/** The fields that an update sets. */
export interface UpdateFields {
  readonly fields: readonly SettableField[];
  /** Whether `mode` is among them; it may be named, but not changed. */
  readonly hasMode: boolean;
  /** The same of `placement_group`. */
  readonly hasGroup: boolean;
}

/** `given` with the defaults of its mode where a field is 0; only settable fields are taken. */
export function completeRoomClass(name: string, given: RoomClass): RoomClass {
  const complete = defaultRoomClass(name, given.mode);
  if (given.placementGroup !== "") complete.placementGroup = given.placementGroup;
  for (const field of SETTABLE_FIELDS) {
    if (isGiven(given, field)) setField(complete, field, given);
  }
  return complete;
}

/** The faults of a complete class, fields named "room_class.…". */
export function checkRoomClass(record: RoomClass): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    violations.push({ field: `room_class.${field}`, description });
  const { mode, publishPermission: permission, slowMemberPolicy: slow } = record;
  if (!isMember(RoomMode, mode)) {
    refuse("mode", `${mode} is not a mode; give ROOM_MODE_EPHEMERAL (1) or ROOM_MODE_DURABLE (2)`);
    return violations;
  }
  const ranges = [
    ["history_count_max", record.historyCountMax, HISTORY_COUNT_MAX],
    ["history_age_max_s", record.historyAgeMaxS, HISTORY_AGE_MAX_S],
  ] as const;
  for (const [field, value, max] of ranges) {
    if (mode === RoomMode.EPHEMERAL && value !== 0) {
      refuse(field, `${value} is given, but an ephemeral class has no history; leave it out`);
    }
    if (mode === RoomMode.DURABLE && (value < 1 || value > max)) {
      refuse(field, `${value} is not from 1 to ${max}`);
    }
  }
  if (record.memberCountMax > MEMBER_COUNT_MAX) {
    refuse("member_count_max", `${record.memberCountMax} is more than ${MEMBER_COUNT_MAX}`);
  }
  violations.push(...checkRates(record), ...checkPlacement(record));
  if (!isMember(AnonymousAccess, record.anonymousAccess)) {
    refuse(
      "anonymous_access",
      `${record.anonymousAccess} is not NONE (1), READ (2) or PUBLISH (3)`,
    );
  }
  if (!isMember(PublishPermission, permission)) {
    refuse("publish_permission", `${permission} is not CLIENTS (1), MEMBERS (2) or BACKEND (3)`);
  }
  if (!isMember(SlowMemberPolicy, slow)) {
    refuse("slow_member_policy", `${slow} is not RESYNC (1), GAP (2) or DISCONNECT (3)`);
  } else if (mode === RoomMode.EPHEMERAL && slow === SlowMemberPolicy.RESYNC) {
    refuse("slow_member_policy", "RESYNC needs a store, and an ephemeral class has none; use GAP");
  }
  return violations;
}

/** What gateways take of publishes. */
function checkRates(record: RoomClass): FieldViolation[] {
  const ranges = [
    ["room_publishes_per_second_max", record.roomPublishesPerSecondMax, PUBLISH_RATE_MAX],
    ["class_publishes_per_second_max", record.classPublishesPerSecondMax, PUBLISH_RATE_MAX],
    ["payload_bytes_max", record.payloadBytesMax, PAYLOAD_BYTES_MAX],
  ] as const;
  return ranges
    .filter(([, value, max]) => value > max)
    .map(([field, value, max]) => {
      return { field: `room_class.${field}`, description: `${value} is more than ${max}` };
    });
}

/** Where it is stored: an ephemeral class is nowhere. That the group exists is not said. */
function checkPlacement({ mode, placementGroup, regions }: RoomClass): FieldViolation[] {
  const isDurable = mode === RoomMode.DURABLE;
  const given = [
    ["placement_group", placementGroup !== ""],
    ["regions", regions.length > 0],
  ] as const;
  const violations: FieldViolation[] = given
    .filter(([, isThere]) => isThere && !isDurable)
    .map(([field]) => {
      const description = "is given, but an ephemeral class stores nothing; leave it out";
      return { field: `room_class.${field}`, description };
    });
  if (isDurable && !/^groups\/(0|[1-9]|1[0-5])$/.test(placementGroup)) {
    const description = `${shown(placementGroup)} is not "groups/{group}", group 0 to 15`;
    violations.push({ field: "room_class.placement_group", description });
  }
  return [...violations, ...checkRegions(regions, "room_class.regions")];
}

/**
 * The fields that an update names: those of the mask, every field for "*", and without a mask every
 * field that is set.
 */
export function updateFields(mask: readonly string[], given: RoomClass): UpdateFields {
  const hasMode = given.mode !== RoomMode.UNSPECIFIED;
  const hasGroup = given.placementGroup !== "";
  if (mask.includes("*")) {
    return { fields: SETTABLE_FIELDS, hasMode, hasGroup };
  }
  if (mask.length > 0) {
    return {
      fields: SETTABLE_FIELDS.filter((field) => mask.includes(field)),
      hasMode: mask.includes("mode"),
      hasGroup: mask.includes("placement_group"),
    };
  }
  return {
    fields: SETTABLE_FIELDS.filter((field) => isGiven(given, field)),
    hasMode,
    hasGroup,
  };
}

/** The faults of a mask. */
export function checkUpdateMask(mask: readonly string[]): FieldViolation[] {
  const known = ["*", "mode", "placement_group", ...SETTABLE_FIELDS];
  if (mask.length > maskPathsMax) {
    const description = `has ${mask.length} paths, at most ${maskPathsMax}`;
    return [{ field: "update_mask", description }];
  }
  return mask
    .filter((path) => !known.includes(path) && !outputFields.includes(path))
    .map((path) => ({
      field: "update_mask",
      description: `${shown(path)} is not a field; write ${known.slice(1).join(", ")} or *`,
    }));
}

/** `present` with `fields` as in `given`; a named field that is 0 goes back to its default. */
export function applyFields(
  present: RoomClass,
  fields: readonly SettableField[],
  given: RoomClass,
): RoomClass {
  const changed = { ...present };
  const defaults = defaultRoomClass(present.name, present.mode);
  for (const field of fields) {
    setField(changed, field, isGiven(given, field) ? given : defaults);
  }
  return changed;
}

/** Whether two classes mean the same: mode and every settable field. */
export function isSamePolicy(left: RoomClass, right: RoomClass): boolean {
  return (
    left.mode === right.mode &&
    SETTABLE_FIELDS.every((f) => getField(left, f) === getField(right, f))
  );
}

function isGiven(given: RoomClass, field: SettableField): boolean {
  const value = getField(given, field);
  return value !== 0 && value !== "";
}

function getField(record: RoomClass, field: SettableField): number | string {
  switch (field) {
    case "history_count_max":
      return record.historyCountMax;
    case "history_age_max_s":
      return record.historyAgeMaxS;
    case "publish_permission":
      return record.publishPermission;
    case "slow_member_policy":
      return record.slowMemberPolicy;
    case "member_count_max":
      return record.memberCountMax;
    case "regions":
      return record.regions.join(" ");
    case "room_publishes_per_second_max":
      return record.roomPublishesPerSecondMax;
    case "class_publishes_per_second_max":
      return record.classPublishesPerSecondMax;
    case "payload_bytes_max":
      return record.payloadBytesMax;
    case "anonymous_access":
      return record.anonymousAccess;
    default:
      return field satisfies never;
  }
}

function setField(target: RoomClass, field: SettableField, source: RoomClass): void {
  switch (field) {
    case "history_count_max":
      target.historyCountMax = source.historyCountMax;
      return;
    case "history_age_max_s":
      target.historyAgeMaxS = source.historyAgeMaxS;
      return;
    case "publish_permission":
      target.publishPermission = source.publishPermission;
      return;
    case "slow_member_policy":
      target.slowMemberPolicy = source.slowMemberPolicy;
      return;
    case "member_count_max":
      target.memberCountMax = source.memberCountMax;
      return;
    case "regions":
      target.regions = [...source.regions];
      return;
    case "room_publishes_per_second_max":
      target.roomPublishesPerSecondMax = source.roomPublishesPerSecondMax;
      return;
    case "class_publishes_per_second_max":
      target.classPublishesPerSecondMax = source.classPublishesPerSecondMax;
      return;
    case "payload_bytes_max":
      target.payloadBytesMax = source.payloadBytesMax;
      return;
    case "anonymous_access":
      target.anonymousAccess = source.anonymousAccess;
      return;
    default:
      field satisfies never;
  }
}

/** Whether `value` is one of the enum's, and neither UNSPECIFIED nor UNRECOGNIZED. */
function isMember(values: Readonly<Record<string, number>>, value: number): boolean {
  return value > 0 && Object.values(values).includes(value);
}
