/**
 * What a gateway answers of its rooms and their members: the first ones in order, however many
 * there are.
 *
 * A gateway may hold 100 000 rooms, so the loop is left free now and then, and no more are kept
 * than are asked for.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  MemberEntry,
  MembersQuestion,
  RoomCount,
  RoomsQuestion,
} from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { Connection } from "../connection.ts";
import { connectionId } from "../connection-id.ts";
import type { GatewayContext } from "../context.ts";
import type { LocalRoom } from "../local-room.ts";

/** Entries of one answer at most: a page, and one to know whether there is another. */
export const LIST_COUNT_MAX = 1001;
/** Rooms or connections looked at in one turn of the loop: below 1 ms. */
const LOOK_COUNT = 2000;

/** Rooms of a tenant with members, by name. */
export async function listRooms(
  context: GatewayContext,
  { tenant, after, limit, roomClass }: RoomsQuestion,
): Promise<RoomCount[]> {
  const first = new FirstOnes<LocalRoom>(limit, (room) => room.address.room);
  let looked = 0;
  for (const room of context.rooms.all()) {
    looked += 1;
    if (looked % LOOK_COUNT === 0) await nextTurn();
    const { address } = room;
    if (address.tenant !== tenant || room.memberCount === 0 || address.room <= after) continue;
    if (roomClass === "" || address.class === roomClass) first.add(room);
  }
  return first.items.map(roomCount);
}

/** A room as this gateway has it. */
export function roomCount(room: LocalRoom): RoomCount {
  const { address, memberCount, messageRate } = room;
  return { room: address.room, memberCount, messageRate };
}

/** Members of a room, in the order in which they connected. */
export async function listMembers(
  context: GatewayContext,
  connections: ReadonlySet<Connection>,
  { tenant, room, after, limit }: MembersQuestion,
): Promise<MemberEntry[]> {
  const afterNumber = Number(after);
  const first = new FirstOnes<Connection>(limit, ({ number }) => number);
  let looked = 0;
  for (const connection of connections) {
    looked += 1;
    if (looked % LOOK_COUNT === 0) await nextTurn();
    if (connection.number <= afterNumber || connection.identity?.tenant !== tenant) continue;
    if (connection.memberships.some((each) => each.room.address.room === room)) {
      first.add(connection);
    }
  }
  return first.items.map((connection) => ({
    number: BigInt(connection.number),
    connection: connectionId(context.gatewayId, connection.number),
    user: connection.identity?.user ?? "",
  }));
}

/** The first so many of what is added, in order. */
class FirstOnes<Item> {
  readonly items: Item[] = [];
  readonly #countMax: number;
  readonly #placeOf: (item: Item) => string | number;

  constructor(limit: number, placeOf: (item: Item) => string | number) {
    this.#countMax = Math.max(1, Math.min(limit, LIST_COUNT_MAX));
    this.#placeOf = placeOf;
  }

  add(item: Item): void {
    const { items } = this;
    const place = this.#placeOf(item);
    const last = items.at(-1);
    if (items.length >= this.#countMax && last !== undefined && place >= this.#placeOf(last))
      return;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = items[middle];
      if (other !== undefined && this.#placeOf(other) < place) low = middle + 1;
      else high = middle;
    }
    items.splice(low, 0, item);
    if (items.length > this.#countMax) items.pop();
  }
}
