/**
 * RoomClassService: checks requests, and leaves the rules to decide-room-class.ts.
 */
import type {
  CreateRoomClassRequest,
  CreateRoomClassResponse,
  DeleteRoomClassRequest,
  DeleteRoomClassResponse,
  GetRoomClassRequest,
  GetRoomClassResponse,
  ListRoomClassesRequest,
  ListRoomClassesResponse,
  UpdateRoomClassRequest,
  UpdateRoomClassResponse,
} from "../proto/gen/tidegate/control/v1/room_class_service.ts";
import { roomClassName } from "../proto/room-class.ts";
import { isClassName } from "../proto/room-name.ts";
import type { Caller } from "./access/caller.ts";
import { checkUpdateMask } from "./check-room-class.ts";
import {
  decideCreate,
  decideDelete,
  decideUpdate,
  notFound,
  presentClass,
} from "./decide-room-class.ts";
import {
  type FieldViolation,
  InvalidFieldsError,
  refuseInvalidFields,
  shown,
} from "./invalid-fields.ts";
import { badPageToken, decodePageToken, encodePageToken } from "./page-token.ts";
import { parseRoomClassName, parseTenant } from "./resource-name.ts";
import type { RoomClassStore } from "./room-class-store.ts";

/** Classes of a page when the request says 0. */
const pageSizeDefault = 100;

/** Full names of the methods that change something. */
const methods = {
  create: "tidegate.control.v1.RoomClassService/CreateRoomClass",
  update: "tidegate.control.v1.RoomClassService/UpdateRoomClass",
  delete: "tidegate.control.v1.RoomClassService/DeleteRoomClass",
} as const;

/** The calls of RoomClassService; each throws a CodedError to refuse. */
export class RoomClassCalls {
  readonly #store: RoomClassStore;
  readonly #pageMax: number;

  /** @param pageMax classes of one page, 1 or more. */
  constructor(store: RoomClassStore, pageMax: number) {
    this.#store = store;
    this.#pageMax = pageMax;
  }

  async create(request: CreateRoomClassRequest, caller: Caller): Promise<CreateRoomClassResponse> {
    const tenant = parseTenant(request.parent, "parent");
    const { roomClassId, roomClass: given, validateOnly, requestId } = request;
    const violations: FieldViolation[] = [];
    if (!isClassName(roomClassId)) {
      const description = `${shown(roomClassId)} is not [a-z][a-z0-9-]{0,31}`;
      violations.push({ field: "room_class_id", description });
    }
    const name = roomClassName(tenant, roomClassId);
    if (given === undefined) violations.push({ field: "room_class", description: "is missing" });
    else if (given.name !== "" && given.name !== name) {
      const description = `${shown(given.name)} is not ${shown(name)}; leave it out`;
      violations.push({ field: "room_class.name", description });
    }
    refuseInvalidFields(violations);
    if (given === undefined) throw new InvalidFieldsError(violations);
    const roomClass = await this.#store.change(
      caller,
      methods.create,
      { tenant, class: roomClassId },
      (stored) => decideCreate(stored, given, Date.now()),
      { validateOnly, requestId },
    );
    return { roomClass: roomClass ?? undefined };
  }

  async get(request: GetRoomClassRequest): Promise<GetRoomClassResponse> {
    const stored = await this.#store.read(parseRoomClassName(request.name, "name"));
    const roomClass = presentClass(stored);
    if (roomClass === null) throw notFound(stored);
    return { roomClass };
  }

  async list(request: ListRoomClassesRequest): Promise<ListRoomClassesResponse> {
    const tenant = parseTenant(request.parent, "parent");
    const size = Math.min(request.pageSize || pageSizeDefault, this.#pageMax);
    const scope = ["ListRoomClasses", request.parent];
    const [lastName, ...rest] = decodePageToken(scope, request.pageToken) ?? [""];
    if (lastName === undefined || rest.length > 0) throw badPageToken();
    const all = await this.#store.list(tenant);
    const left = all.filter((roomClass) => roomClass.name > lastName);
    const roomClasses = left.slice(0, size);
    const last = roomClasses.at(-1);
    const hasMore = last !== undefined && left.length > size;
    return { roomClasses, nextPageToken: hasMore ? encodePageToken(scope, [last.name]) : "" };
  }

  async update(request: UpdateRoomClassRequest, caller: Caller): Promise<UpdateRoomClassResponse> {
    const { roomClass: given, updateMask: mask = [], allowMissing } = request;
    const { validateOnly, requestId } = request;
    if (given === undefined) {
      throw new InvalidFieldsError([{ field: "room_class", description: "is missing" }]);
    }
    const id = parseRoomClassName(given.name, "room_class.name");
    refuseInvalidFields(checkUpdateMask(mask));
    const roomClass = await this.#store.change(
      caller,
      methods.update,
      id,
      (stored) => decideUpdate(stored, given, mask, allowMissing, Date.now()),
      { validateOnly, requestId },
    );
    return { roomClass: roomClass ?? undefined };
  }

  async delete(request: DeleteRoomClassRequest, caller: Caller): Promise<DeleteRoomClassResponse> {
    const { validateOnly, requestId } = request;
    await this.#store.change(
      caller,
      methods.delete,
      parseRoomClassName(request.name, "name"),
      (stored) => decideDelete(stored, request.etag, Date.now()),
      { validateOnly, requestId },
    );
    return {};
  }
}
