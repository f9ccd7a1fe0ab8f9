/**
 * `tidegatectl class …`: room classes, read and changed through the control plane.
 */
import type { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { RoomClassServiceClient } from "../proto/gen/tidegate/control/v1/room_class_service.ts";
import { roomClassName } from "../proto/room-class.ts";
import { isClassName } from "../proto/room-name.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { Failure, usageError } from "./failure.ts";
import { formatOutput } from "./output.ts";
import { pages, present } from "./pages.ts";
import { readInput } from "./read-input.ts";
import {
  FIELD_NAMES,
  parseRoomClassFile,
  type RoomClassText,
  type RoomClassWish,
  roomClassText,
  shortName,
} from "./room-class-text.ts";
import { formatTable } from "./table.ts";
import { tenantParent } from "./tenant.ts";

/** Classes asked for at once. */
const pageSize = 1000;

/** What `class apply` did, or would do, to one class. */
interface Applied {
  readonly class: string;
  readonly action: "created" | "changed" | "unchanged";
  /** Field to its values before and after. */
  readonly changes: Readonly<Record<string, readonly [unknown, unknown]>>;
  readonly roomClass: RoomClassText;
}

/** `class list`. */
export async function listClasses(
  context: Context,
  target: Target,
  format: OutputFormat,
): Promise<void> {
  const parent = tenantParent(target);
  const classes = await withClient(target.control, RoomClassServiceClient, (client) =>
    pages(async (pageToken) => {
      const page = await call(client, client.listRoomClasses, { parent, pageSize, pageToken });
      return { items: page.roomClasses, next: page.nextPageToken };
    }),
  );
  return print(context, formatOutput(format, classes.map(roomClassText), classTable));
}

function classTable(classes: readonly RoomClassText[]): string {
  const head = ["NAME", "MODE", "HISTORY", "AGE", "PUBLISH", "SLOW MEMBERS", "MEMBERS", "ORIGIN"];
  const rows = classes.map((each) => [
    each.name,
    each.mode,
    each.mode === "durable" ? String(each.historyCountMax) : "-",
    each.mode === "durable" ? formatAge(each.historyAgeMaxS) : "-",
    each.publishPermission,
    each.slowMemberPolicy,
    each.memberCountMax === 0 ? "-" : String(each.memberCountMax),
    originOf(each),
  ]);
  return formatTable([head, ...rows]);
}

/** `class get`. */
export async function getClass(
  context: Context,
  target: Target,
  name: string,
  format: OutputFormat,
): Promise<void> {
  const found = await withClient(target.control, RoomClassServiceClient, (client) =>
    readClass(client, resourceName(target, name)),
  );
  if (found === null) throw missing(target, name);
  return print(context, formatOutput(format, roomClassText(found), classDetails));
}

function classDetails(text: RoomClassText): string {
  const rows = FIELD_NAMES.map((field) => [field, String(text[field])]);
  const origin = [
    ["origin", originOf(text)],
    ["updateTime", text.updateTime ?? "-"],
    ["etag", text.etag],
  ];
  return formatTable([["name", text.name], ...rows, ...origin]);
}

/** `class apply`: all of the file or, when a part of it is refused, nothing. */
export async function applyClasses(
  context: Context,
  target: Target,
  options: { file: string; isDryRun: boolean; format: OutputFormat },
): Promise<void> {
  tenantParent(target);
  const wishes = parseRoomClassFile(await readInput(context, options.file), target.tenant);
  const applied = await withClient(target.control, RoomClassServiceClient, async (client) => {
    const checked: Applied[] = [];
    for (const wish of wishes) checked.push(await applyClass(client, wish, true));
    if (options.isDryRun) return checked;
    const done: Applied[] = [];
    for (const wish of wishes) done.push(await applyClass(client, wish, false));
    return done;
  });
  const text = (all: readonly Applied[]) => all.map((each) => appliedText(each, options)).join("");
  return print(context, formatOutput(options.format, applied, text));
}

function appliedText(each: Applied, { isDryRun }: { readonly isDryRun: boolean }): string {
  const suffix = isDryRun ? " (dry run, nothing was written)" : "";
  const rows = Object.entries(each.changes).map(([field, [before, after]]) => [
    `  ${field}`,
    each.action === "created" ? String(after) : `${before} -> ${after}`,
  ]);
  const head = `class ${each.class} ${each.action}${suffix}\n`;
  return rows.length === 0 ? head : head + formatTable(rows);
}

/** `class delete`. */
export async function deleteClass(
  context: Context,
  target: Target,
  name: string,
  options: { etag: string; isDryRun: boolean },
): Promise<void> {
  const fullName = resourceName(target, name);
  const after = await withClient(target.control, RoomClassServiceClient, async (client) => {
    const request = {
      name: fullName,
      etag: options.etag,
      validateOnly: options.isDryRun,
      requestId: "",
    };
    await call(client, client.deleteRoomClass, request);
    return readClass(client, fullName);
  });
  const action = after?.builtIn ? "reset to its built-in settings" : "deleted";
  const suffix = options.isDryRun ? " (dry run, nothing was written)" : "";
  await print(context, `class ${name} ${action}${suffix}\n`);
}

async function applyClass(
  client: RoomClassServiceClient,
  wish: RoomClassWish,
  validateOnly: boolean,
): Promise<Applied> {
  const before = await readClass(client, wish.roomClass.name);
  // With the etag of what was just read, nobody's change in between is overwritten unseen.
  const etag = before === null ? "" : wish.roomClass.etag || before.etag;
  const request = {
    roomClass: { ...wish.roomClass, etag },
    // A file that names no field still creates: `name` is ignored by the server.
    updateMask: wish.mask.length > 0 ? [...wish.mask] : ["name"],
    allowMissing: true,
    validateOnly,
    requestId: "",
  };
  const { roomClass } = await call(client, client.updateRoomClass, request);
  const text = roomClassText(present(roomClass));
  const changes: Record<string, [unknown, unknown]> = {};
  const old = before === null ? null : roomClassText(before);
  for (const field of FIELD_NAMES) {
    // Lists are compared by what they hold.
    if (String(old?.[field] ?? null) !== String(text[field]))
      changes[field] = [old?.[field] ?? null, text[field]];
  }
  const isChanged = Object.keys(changes).length > 0;
  const action = before === null ? "created" : isChanged ? "changed" : "unchanged";
  return { class: shortName(present(roomClass)), action, changes, roomClass: text };
}

/** The class, or null when there is none. */
async function readClass(client: RoomClassServiceClient, name: string): Promise<RoomClass | null> {
  try {
    const { roomClass } = await call(client, client.getRoomClass, { name });
    return roomClass ?? null;
  } catch (reason) {
    if (reason instanceof Failure && reason.code === "NOT_FOUND") return null;
    throw reason;
  }
}

function resourceName(target: Target, name: string): string {
  tenantParent(target);
  if (isClassName(name)) return roomClassName(target.tenant, name);
  const fix = "It is [a-z][a-z0-9-]{0,31}, the part of a room name before the colon.";
  throw usageError(`${JSON.stringify(name)} is no class name`, fix);
}

function missing(target: Target, name: string): Failure {
  const fix = "tidegatectl class list shows those there are.";
  return new Failure("NOT_FOUND", `tenant "${target.tenant}" has no class "${name}"`, { fix });
}

function originOf(text: RoomClassText): string {
  if (!text.builtIn) return "created";
  return text.updateTime === null ? "built in" : "built in, changed";
}

function formatAge(seconds: number): string {
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
  ] as const) {
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}
