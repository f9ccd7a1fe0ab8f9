/**
 * SlotService: slots by their routing records, and the slot of a room.
 */
import { SLOT_COUNT } from "../bus/subjects.ts";
import type { Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import { SlotState } from "../proto/gen/tidegate/control/v1/slot.ts";
import type {
  GetRoomRouteRequest,
  GetRoomRouteResponse,
  GetSlotRequest,
  GetSlotResponse,
  ListSlotsRequest,
  ListSlotsResponse,
} from "../proto/gen/tidegate/control/v1/slot_service.ts";
import { checkGroupName, parseShardName, parseSlotName } from "./fleet-names.ts";
import { isWanted, toSlot } from "./fleet-resources.ts";
import { InvalidFieldsError } from "./invalid-fields.ts";
import { parseRoom, parseTenant } from "./resource-name.ts";
import { takePage } from "./take-page.ts";

/** Slots of a page when the request says 0, and at most: 2 MB when each has 64 sealed epochs. */
const sizes = { sizeDefault: 100, sizeMax: 500 };
/** States of one filter: more than there are. */
const stateCountMax = 8;

/** The calls of SlotService; each throws a CodedError to refuse. */
export class SlotCalls {
  readonly #topology: Topology;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  async list(request: ListSlotsRequest): Promise<ListSlotsResponse> {
    const { parent, pageSize, pageToken, states } = request;
    checkGroupName(parent, "parent");
    checkStates(states);
    const shard = request.shard === "" ? null : parseShardName(request.shard, "shard");
    if (shard !== null && !(await this.#topology.shardNumbers()).includes(shard)) {
      throw new CodedError("NOT_FOUND", `placement group 0 has no shard ${shard}`);
    }
    const slots = await this.#topology.slots();
    const wanted = slots.filter((entry) => isWanted(entry, { shard, states }));
    const scope = ["ListSlots", parent, request.shard, [...states].sort().join()];
    const wish = { pageSize, pageToken, ...sizes, scope };
    const { items, nextPageToken } = takePage(wanted, ({ slot }) => slot, wish);
    return { slots: items.map(toSlot), nextPageToken };
  }

  async get(request: GetSlotRequest): Promise<GetSlotResponse> {
    const slot = parseSlotName(request.name, "name");
    if (slot < SLOT_COUNT) return { slot: toSlot(await this.#topology.slot(slot)) };
    throw new CodedError("NOT_FOUND", `placement group 0 has no slot ${slot}`);
  }

  async roomRoute(request: GetRoomRouteRequest): Promise<GetRoomRouteResponse> {
    const room = parseRoom(parseTenant(request.parent, "parent"), request.room, "room");
    return { slot: toSlot(await this.#topology.slot(room.slot)) };
  }
}

function checkStates(states: readonly SlotState[]): void {
  const known: readonly number[] = Object.values(SlotState).filter((state) => state > 0);
  const unknown = states.find((state) => !known.includes(state));
  if (unknown !== undefined) {
    const description = `${unknown} is not a state of a slot`;
    throw new InvalidFieldsError([{ field: "states", description }]);
  }
  if (states.length <= stateCountMax) return;
  const description = `has ${states.length} states, at most ${stateCountMax}`;
  throw new InvalidFieldsError([{ field: "states", description }]);
}
