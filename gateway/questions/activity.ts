/**
 * What goes on at this gateway: its busiest rooms, and the connections that are behind.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  ActivityAnswer,
  ActivityQuestion,
  RoomActivity,
  SlowConnectionEntry,
} from "../../proto/gen/tidegate/bus/v1/activity_question.ts";
import { connectionId } from "../connection-id.ts";
import type { GatewayContext } from "../context.ts";
import type { SlowConnection } from "../lagging.ts";
import type { LocalRoom } from "../local-room.ts";

/** Rooms and connections of one answer at most. */
const COUNT_MAX = 200;
/** Rooms looked at in one turn of the loop: below 1 ms. */
const LOOK_COUNT = 2000;

/** Answers, as of now. @param slow the connections that are behind, longest first. */
export async function readActivity(
  context: GatewayContext,
  slow: Iterable<SlowConnection>,
  { tenant, roomLimit, connectionLimit }: ActivityQuestion,
): Promise<ActivityAnswer> {
  const slowConnections: SlowConnectionEntry[] = [];
  const nowMs = performance.now();
  for (const each of slow) {
    if (slowConnections.length >= Math.min(connectionLimit, COUNT_MAX)) break;
    const { identity } = each.connection;
    if (identity === null || (tenant !== "" && identity.tenant !== tenant)) continue;
    slowConnections.push(describeSlow(context, each, nowMs));
  }
  const rooms = await busiestRooms(context, tenant, Math.min(roomLimit, COUNT_MAX));
  return { rooms, slowConnections };
}

/** Rooms with members through which messages pass, most first. */
async function busiestRooms(
  context: GatewayContext,
  tenant: string,
  count: number,
): Promise<RoomActivity[]> {
  let busiest: LocalRoom[] = [];
  let looked = 0;
  let floor = 0; // no more are wanted below
  for (const room of context.rooms.all()) {
    looked += 1;
    if (looked % LOOK_COUNT === 0) await nextTurn();
    if (room.messageRate <= floor || room.memberCount === 0) continue;
    if (tenant !== "" && room.address.tenant !== tenant) continue;
    busiest.push(room);
    if (busiest.length < 2 * count + 1) continue;
    busiest = mostFirst(busiest).slice(0, count);
    floor = busiest.at(-1)?.messageRate ?? 0;
  }
  return mostFirst(busiest).slice(0, count).map(describeRoom);
}

function mostFirst(rooms: readonly LocalRoom[]): LocalRoom[] {
  return rooms.toSorted((a, b) => b.messageRate - a.messageRate);
}

function describeRoom({ address, memberCount, messageRate }: LocalRoom): RoomActivity {
  return { tenant: address.tenant, room: address.room, memberCount, messageRate };
}

function describeSlow(
  context: GatewayContext,
  { connection, sinceMs }: SlowConnection,
  nowMs: number,
): SlowConnectionEntry {
  const { identity, memberships, number, socket } = connection;
  return {
    tenant: identity?.tenant ?? "",
    connection: connectionId(context.gatewayId, number),
    user: identity?.user ?? "",
    roomCount: memberships.length,
    behindMs: Math.min(Math.max(0, Math.round(nowMs - sinceMs)), 0xffff_ffff),
    bufferedBytes: BigInt(socket?.getBufferedAmount() ?? 0),
  };
}
