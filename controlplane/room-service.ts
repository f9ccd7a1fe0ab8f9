/**
 * RoomService: rooms and their members, as gateways answer.
 *
 * Pages go by name, or by gateway and connection, so that they need no state here.
 */
import type { Bus } from "../bus/bus.ts";
import {
  MembersAnswer,
  MembersQuestion,
  RoomAnswer,
  type RoomCount,
  RoomQuestion,
  RoomsAnswer,
  RoomsQuestion,
} from "../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { Member, Room } from "../proto/gen/tidegate/control/v1/room.ts";
import type {
  GetRoomRequest,
  GetRoomResponse,
  ListMembersRequest,
  ListMembersResponse,
  ListRoomsRequest,
  ListRoomsResponse,
} from "../proto/gen/tidegate/control/v1/room_service.ts";
import { askGateways, gatewayIds } from "./ask-gateways.ts";
import { gatewayName } from "./fleet-names.ts";
import { badPageToken, decodePageToken, encodePageToken } from "./page-token.ts";
import { parseRoom, parseTenant } from "./resource-name.ts";

/** Things of a page when the request says 0, and at most. */
const sizeDefault = 100;
const sizeMax = 1000;

/** The calls of RoomService; each throws a CodedError to refuse. */
export class RoomCalls {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async list(request: ListRoomsRequest): Promise<ListRoomsResponse> {
    const { parent, roomClass } = request;
    const tenant = parseTenant(parent, "parent");
    const size = Math.min(request.pageSize || sizeDefault, sizeMax);
    const scope = ["ListRooms", parent, roomClass];
    const [after = "", ...rest] = decodePageToken(scope, request.pageToken) ?? [];
    if (rest.length > 0) throw badPageToken();
    const name = Buffer.from(after, "base64url").toString(); // names may have spaces
    const question = { tenant, after: name, limit: size + 1, roomClass };
    const merged = new Map<string, Room>();
    const silentGateways = await askGateways(
      this.#bus,
      await gatewayIds(this.#bus),
      "rooms",
      RoomsQuestion.encode(question).finish(),
      (_, answer) => {
        for (const room of RoomsAnswer.decode(answer).rooms) addRoom(merged, room);
        keepFirst(merged, size + 1);
        return true;
      },
    );
    const sums = [...merged.values()].sort((a, b) => (a.room < b.room ? -1 : 1));
    const page = sums.slice(0, size);
    const last = page.at(-1);
    const hasMore = sums.length > size && last !== undefined;
    const place = hasMore ? Buffer.from(last.room).toString("base64url") : "";
    return {
      rooms: page,
      nextPageToken: hasMore ? encodePageToken(scope, [place]) : "",
      silentGateways,
    };
  }

  async get(request: GetRoomRequest): Promise<GetRoomResponse> {
    const tenant = parseTenant(request.parent, "parent");
    const { room } = parseRoom(tenant, request.room, "room");
    const merged = new Map<string, Room>();
    const silentGateways = await askGateways(
      this.#bus,
      await gatewayIds(this.#bus),
      "room",
      RoomQuestion.encode({ tenant, room }).finish(),
      (_, answer) => {
        const found = RoomAnswer.decode(answer).room;
        if (found !== undefined) addRoom(merged, found);
        return true;
      },
    );
    const none = { room, memberCount: 0, gatewayCount: 0, messageRate: 0 };
    return { room: merged.get(room) ?? none, silentGateways };
  }

  async listMembers(request: ListMembersRequest): Promise<ListMembersResponse> {
    const { parent } = request;
    const tenant = parseTenant(parent, "parent");
    const { room } = parseRoom(tenant, request.room, "room");
    const size = Math.min(request.pageSize || sizeDefault, sizeMax);
    const scope = ["ListMembers", parent, room];
    const place = parsePlace(decodePageToken(scope, request.pageToken));
    const members: (Member & { place: string[] })[] = [];
    const take = (id: string, answer: Uint8Array) => {
      for (const { number, connection, user } of MembersAnswer.decode(answer).members) {
        const gateway = gatewayName(id);
        members.push({ connection, user, gateway, place: [id, String(number)] });
      }
      return members.length <= size;
    };
    const silent: string[] = [];
    const ask = async (ids: string[], after: bigint) => {
      const question = { tenant, room, after, limit: size + 1 };
      const body = MembersQuestion.encode(question).finish();
      silent.push(...(await askGateways(this.#bus, ids, "members", body, take)));
    };
    const ids = (await gatewayIds(this.#bus)).filter((id) => id >= place.gateway);
    const isWithin = ids[0] === place.gateway;
    if (isWithin) await ask(ids.slice(0, 1), place.number);
    if (members.length <= size) await ask(ids.slice(isWithin ? 1 : 0), 0n);
    const page = members.slice(0, size);
    const last = page.at(-1);
    const hasMore = members.length > size && last !== undefined;
    return {
      members: page,
      nextPageToken: hasMore ? encodePageToken(scope, last.place) : "",
      silentGateways: silent,
    };
  }
}

/** Every gateway hands out the same messages: the rate of the room is that of the one with most. */
function addRoom(sums: Map<string, Room>, { room, memberCount, messageRate }: RoomCount): void {
  const before = sums.get(room);
  sums.set(room, {
    room,
    memberCount: memberCount + (before?.memberCount ?? 0),
    gatewayCount: 1 + (before?.gatewayCount ?? 0),
    messageRate: Math.max(messageRate, before?.messageRate ?? 0),
  });
}

/** Forgets rooms that no page of this size has, once they are many. */
function keepFirst(sums: Map<string, Room>, count: number): void {
  if (sums.size <= 4 * count) return;
  const beyond = [...sums.keys()].sort().slice(count);
  for (const room of beyond) sums.delete(room);
}

function parsePlace(place: string[] | null): { gateway: string; number: bigint } {
  if (place === null) return { gateway: "", number: 0n };
  const [gateway = "", number = "", ...rest] = place;
  if (gateway === "" || !/^\d{1,15}$/.test(number) || rest.length > 0) throw badPageToken();
  return { gateway, number: BigInt(number) };
}
