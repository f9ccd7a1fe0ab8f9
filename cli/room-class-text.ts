/**
 * Room classes as people write and read them: short words, camelCase fields.
 *
 * Pure. What is printed with `-o json` can be applied again as it is.
 */
import {
  AnonymousAccess,
  PublishPermission,
  RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "../proto/gen/tidegate/control/v1/room_class.ts";
import { roomClassName } from "../proto/room-class.ts";
import { isClassName } from "../proto/room-name.ts";
import { usageError } from "./failure.ts";
import { parseEntries } from "./parse-entries.ts";

/** A class as printed with `-o json`. */
export interface RoomClassText {
  readonly name: string;
  readonly mode: string;
  readonly historyCountMax: number;
  readonly historyAgeMaxS: number;
  readonly publishPermission: string;
  readonly slowMemberPolicy: string;
  readonly memberCountMax: number;
  readonly roomPublishesPerSecondMax: number;
  readonly classPublishesPerSecondMax: number;
  readonly payloadBytesMax: number;
  readonly anonymousAccess: string;
  /** "groups/0"; empty for an ephemeral class. */
  readonly placementGroup: string;
  readonly regions: readonly string[];
  readonly builtIn: boolean;
  readonly etag: string;
  readonly updateTime: string | null;
}

/** A class as read from a file: the fields it sets. */
export interface RoomClassWish {
  /** The class, without tenant. */
  readonly class: string;
  /** Fields that the file names, as update_mask names them. */
  readonly mask: readonly string[];
  /** With 0 in the fields that it does not name. */
  readonly roomClass: RoomClass;
}

/** Fields of a file: as in the .proto file, and what reads them. */
const fields = {
  mode: { mask: "mode", words: RoomMode },
  historyCountMax: { mask: "history_count_max", words: null },
  historyAgeMaxS: { mask: "history_age_max_s", words: null },
  publishPermission: { mask: "publish_permission", words: PublishPermission },
  slowMemberPolicy: { mask: "slow_member_policy", words: SlowMemberPolicy },
  memberCountMax: { mask: "member_count_max", words: null },
  roomPublishesPerSecondMax: { mask: "room_publishes_per_second_max", words: null },
  classPublishesPerSecondMax: { mask: "class_publishes_per_second_max", words: null },
  payloadBytesMax: { mask: "payload_bytes_max", words: null },
  anonymousAccess: { mask: "anonymous_access", words: AnonymousAccess },
  placementGroup: { mask: "placement_group", words: null },
  regions: { mask: "regions", words: null },
} as const;
type Field = keyof typeof fields;

/** The settable fields, in the order in which they are shown. */
export const FIELD_NAMES = Object.keys(fields) as Field[];

/** Output only: a printed class has them, an applied one may. */
const ignoredFields = ["builtIn", "updateTime", "deleted"];

/** The short name of a class: "tenants/x/roomClasses/game" is "game". */
export function shortName(roomClass: RoomClass): string {
  return roomClass.name.slice(roomClass.name.lastIndexOf("/") + 1);
}

/** A class in words. */
export function roomClassText(roomClass: RoomClass): RoomClassText {
  return {
    name: shortName(roomClass),
    mode: word(RoomMode, roomClass.mode),
    historyCountMax: roomClass.historyCountMax,
    historyAgeMaxS: roomClass.historyAgeMaxS,
    publishPermission: word(PublishPermission, roomClass.publishPermission),
    slowMemberPolicy: word(SlowMemberPolicy, roomClass.slowMemberPolicy),
    memberCountMax: roomClass.memberCountMax,
    roomPublishesPerSecondMax: roomClass.roomPublishesPerSecondMax,
    classPublishesPerSecondMax: roomClass.classPublishesPerSecondMax,
    payloadBytesMax: roomClass.payloadBytesMax,
    anonymousAccess: word(AnonymousAccess, roomClass.anonymousAccess),
    placementGroup: roomClass.placementGroup,
    regions: roomClass.regions,
    builtIn: roomClass.builtIn,
    etag: roomClass.etag,
    updateTime: roomClass.updateTime?.toISOString() ?? null,
  };
}

/**
 * Reads a file: one class, an array of them, or what `class list -o json|yaml` prints.
 *
 * @throws {Failure} `OPTION_INVALID`, naming class, field and what is allowed.
 */
export function parseRoomClassFile(text: string, tenant: string): RoomClassWish[] {
  const list = parseEntries(text, "class", exampleFix);
  const wishes = list.map((entry, index) => parseRoomClass(entry, index, tenant));
  for (const [index, wish] of wishes.entries()) {
    if (wishes.findIndex((other) => other.class === wish.class) === index) continue;
    throw usageError(`the file has class "${wish.class}" twice`, "Keep one of them.");
  }
  return wishes;
}

const exampleFix =
  'A class looks like {"name": "game", "mode": "durable", "historyCountMax": 500}; ' +
  "class get -o json prints one.";

function parseRoomClass(entry: unknown, index: number, tenant: string): RoomClassWish {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    throw usageError(`entry ${index + 1} of the file is not an object`, exampleFix);
  }
  const { name, etag = "", ...rest } = entry as Record<string, unknown>;
  const prefix = `tenants/${tenant}/roomClasses/`;
  const short = String(name ?? "").startsWith(prefix) ? String(name).slice(prefix.length) : name;
  if (typeof short !== "string" || !isClassName(short)) {
    const shown = JSON.stringify(name) ?? "missing";
    const fix = "A class name is [a-z][a-z0-9-]{0,31}, the part of a room name before the colon.";
    throw usageError(`entry ${index + 1} of the file: name is ${shown}`, fix);
  }
  if (typeof etag !== "string") throw usageError(`class "${short}": etag is not a string`);
  const roomClass = RoomClass.decode(new Uint8Array(0));
  roomClass.name = roomClassName(tenant, short);
  roomClass.etag = etag;
  const mask: string[] = [];
  for (const [key, value] of Object.entries(rest)) {
    if (ignoredFields.includes(key)) continue;
    if (!Object.hasOwn(fields, key)) {
      const fix = `The fields are name, ${FIELD_NAMES.join(", ")}.`;
      throw usageError(`class "${short}": there is no field "${key}"`, fix);
    }
    const field = key as Field;
    setField(roomClass, field, value, short);
    mask.push(fields[field].mask);
  }
  return { class: short, mask, roomClass };
}

function setField(roomClass: RoomClass, field: Field, value: unknown, name: string): void {
  switch (field) {
    case "historyCountMax":
    case "historyAgeMaxS":
    case "memberCountMax":
    case "roomPublishesPerSecondMax":
    case "classPublishesPerSecondMax":
    case "payloadBytesMax": {
      const isWhole = typeof value === "number" && Number.isInteger(value);
      if (!isWhole || value < 0 || value > 0xffff_ffff) {
        const text = `class "${name}": ${field} is ${JSON.stringify(value)}`;
        throw usageError(text, "Write a whole number.");
      }
      roomClass[field] = value;
      return;
    }
    case "placementGroup":
      if (typeof value !== "string") {
        const text = `class "${name}": placementGroup is ${JSON.stringify(value)}`;
        throw usageError(text, 'Write a group, such as "groups/0".');
      }
      roomClass.placementGroup = value;
      return;
    case "regions":
      if (!Array.isArray(value) || value.some((each) => typeof each !== "string")) {
        const text = `class "${name}": regions is ${JSON.stringify(value)}`;
        throw usageError(text, 'Write a list of regions, such as ["eu"].');
      }
      roomClass.regions = value as string[];
      return;
    case "mode":
      roomClass.mode = parseWord(RoomMode, field, value, name);
      return;
    case "publishPermission":
      roomClass.publishPermission = parseWord(PublishPermission, field, value, name);
      return;
    case "slowMemberPolicy":
      roomClass.slowMemberPolicy = parseWord(SlowMemberPolicy, field, value, name);
      return;
    case "anonymousAccess":
      roomClass.anonymousAccess = parseWord(AnonymousAccess, field, value, name);
      return;
    default:
      field satisfies never;
  }
}

/** The lower-case word of an enum's value; its number when this version does not know it. */
function word(words: Readonly<Record<string, number>>, value: number): string {
  const found = Object.entries(words).find(([, number]) => number === value);
  return found === undefined ? String(value) : found[0].toLowerCase();
}

/** The value of a word: "durable", "DURABLE" or "ROOM_MODE_DURABLE". */
function parseWord<Value extends number>(
  words: Readonly<Record<string, Value>>,
  field: string,
  value: unknown,
  name: string,
): Value {
  const known = Object.entries(words).filter(([, number]) => number > 0);
  for (const [key, number] of known) {
    if (typeof value !== "string") break;
    const upper = value.toUpperCase();
    if (upper === key || upper === `${snakeCase(field)}_${key}`) return number;
    if (field === "mode" && upper === `ROOM_MODE_${key}`) return number;
  }
  const allowed = known.map(([key]) => key.toLowerCase()).join(", ");
  const text = `class "${name}": ${field} is ${JSON.stringify(value)}`;
  throw usageError(text, `It is one of ${allowed}.`);
}

function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
