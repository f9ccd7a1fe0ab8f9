/**
 * FleetService.GetActivity: the busiest rooms and the connections that are behind, as gateways say.
 *
 * Each gateway names its busiest rooms. All gateways with members of a room hand out the same
 * messages, so a room that belongs to the busiest of the fleet does so at each of its gateways, and
 * what they say of it adds up.
 */
import type { Bus } from "../bus/bus.ts";
import {
  ActivityAnswer,
  ActivityQuestion,
  type RoomActivity,
} from "../proto/gen/tidegate/bus/v1/activity_question.ts";
import type { BusyRoom, SlowConnection } from "../proto/gen/tidegate/control/v1/fleet.ts";
import type {
  GetActivityRequest,
  GetActivityResponse,
} from "../proto/gen/tidegate/control/v1/fleet_service.ts";
import { askGateways, gatewayIds } from "./ask-gateways.ts";
import { gatewayName } from "./fleet-names.ts";
import { parseTenant } from "./resource-name.ts";

/** Rooms and connections when the request says 0, and at most. */
const countDefault = 20;
const countMax = 100;
/** Gateways are asked for more rooms than are told: they rate a room at different moments. */
const SPARE_FACTOR = 2;

/** Asks all gateways. @throws {CodedError} `REQUEST_INVALID`, `UNAVAILABLE`. */
export async function readActivity(
  bus: Bus,
  { parent, roomLimit, connectionLimit }: GetActivityRequest,
): Promise<GetActivityResponse> {
  const tenant = parent === "tenants/-" ? "" : parseTenant(parent, "parent");
  const roomCount = Math.min(roomLimit || countDefault, countMax);
  const slowCount = Math.min(connectionLimit || countDefault, countMax);
  const limits = { roomLimit: roomCount * SPARE_FACTOR, connectionLimit: slowCount };
  const rooms = new Map<string, BusyRoom>();
  let slow: SlowConnection[] = [];
  const silentGateways = await askGateways(
    bus,
    await gatewayIds(bus),
    "activity",
    ActivityQuestion.encode({ tenant, ...limits }).finish(),
    (id, body) => {
      const answer = ActivityAnswer.decode(body);
      for (const room of answer.rooms) addRoom(rooms, room);
      const gateway = gatewayName(id);
      slow = mostBehind([...slow, ...answer.slowConnections.map((each) => ({ ...each, gateway }))]);
      slow = slow.slice(0, slowCount);
      return true;
    },
  );
  return { rooms: busiest(rooms, roomCount), slowConnections: slow, silentGateways };
}

function addRoom(sums: Map<string, BusyRoom>, room: RoomActivity): void {
  const key = `${room.tenant} ${room.room}`;
  const before = sums.get(key);
  sums.set(key, {
    ...room,
    memberCount: room.memberCount + (before?.memberCount ?? 0),
    gatewayCount: 1 + (before?.gatewayCount ?? 0),
    messageRate: Math.max(room.messageRate, before?.messageRate ?? 0),
  });
}

function busiest(sums: ReadonlyMap<string, BusyRoom>, count: number): BusyRoom[] {
  const byName = (a: BusyRoom, b: BusyRoom) => (a.room < b.room ? -1 : 1);
  const all = [...sums.values()];
  return all.sort((a, b) => b.messageRate - a.messageRate || byName(a, b)).slice(0, count);
}

function mostBehind(connections: readonly SlowConnection[]): SlowConnection[] {
  return connections.toSorted((a, b) => b.behindMs - a.behindMs);
}
