/**
 * Resource names of the control plane's API, and their parts.
 *
 * Pure. "tenants/{tenant}" and "tenants/{tenant}/roomClasses/{class}".
 */
import { type RoomAddress, roomAddress } from "../bus/subjects.ts";
import { CodedError } from "../proto/coded-error.ts";
import { isClassName, isTenantName } from "../proto/room-name.ts";
import { InvalidFieldsError, shown } from "./invalid-fields.ts";

/** A room class of a tenant. */
export interface RoomClassId {
  readonly tenant: string;
  readonly class: string;
}

/**
 * The tenant of a "tenants/{tenant}".
 *
 * @param field the request's field, named in the error.
 * @throws {InvalidFieldsError} `REQUEST_INVALID`.
 */
export function parseTenant(parent: string, field: string): string {
  const [collection, tenant, ...rest] = parent.split("/");
  if (collection === "tenants" && tenant !== undefined && rest.length === 0) {
    if (isTenantName(tenant)) return tenant;
  }
  const description = `${shown(parent)} is not "tenants/{tenant}", tenant [a-z0-9][a-z0-9-]{0,62}`;
  throw new InvalidFieldsError([{ field, description }]);
}

/**
 * The parts of a "tenants/{tenant}/roomClasses/{class}".
 *
 * @param field the request's field, named in the error.
 * @throws {InvalidFieldsError} `REQUEST_INVALID`.
 */
export function parseRoomClassName(name: string, field: string): RoomClassId {
  const [tenants, tenant, roomClasses, roomClass, ...rest] = name.split("/");
  if (tenants === "tenants" && roomClasses === "roomClasses" && rest.length === 0) {
    if (tenant !== undefined && roomClass !== undefined) {
      if (isTenantName(tenant) && isClassName(roomClass)) return { tenant, class: roomClass };
    }
  }
  const description =
    `${shown(name)} is not "tenants/{tenant}/roomClasses/{class}", tenant ` +
    "[a-z0-9][a-z0-9-]{0,62}, class [a-z][a-z0-9-]{0,31}";
  throw new InvalidFieldsError([{ field, description }]);
}

/**
 * The address of a tenant's room.
 *
 * @param field the request's field, named in the error.
 * @param group placement group of its class; read it once the class is known.
 * @throws {InvalidFieldsError} `ROOM_NAME_INVALID`.
 */
export function parseRoom(tenant: string, room: string, field: string, group = 0): RoomAddress {
  try {
    return roomAddress(tenant, room, group);
  } catch (reason) {
    if (!(reason instanceof CodedError)) throw reason;
    throw new InvalidFieldsError([{ field, description: reason.detail }], reason.code);
  }
}
