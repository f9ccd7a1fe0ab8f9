/**
 * SlotService: slots by their routing records, and the slot of a room.
 */
import type { KeyValue, KeyValueEntry } from "../bus/key-value.ts";
import { groupOfSlot, parseSlot, SLOT_COUNT } from "../bus/subjects.ts";
import type { Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { type Slot, SlotPin, SlotState } from "../proto/gen/tidegate/control/v1/slot.ts";
import type {
  GetRoomRouteRequest,
  GetRoomRouteResponse,
  GetSlotRequest,
  GetSlotResponse,
  ListSlotsRequest,
  ListSlotsResponse,
} from "../proto/gen/tidegate/control/v1/slot_service.ts";
import { classPolicy, roomClassKey } from "../proto/room-class.ts";
import { parseGroupName, parseShardName, parseSlotName } from "./fleet-names.ts";
import { isWanted, type StoredPin, toSlot } from "./fleet-resources.ts";
import { InvalidFieldsError } from "./invalid-fields.ts";
import { PIN_PREFIX, pinKey } from "./operations/placement-keys.ts";
import { parseRoom, parseTenant } from "./resource-name.ts";
import { ANY_GROUP, checkGroup, findShard } from "./shard-service.ts";
import { takePage } from "./take-page.ts";

/** Slots of a page when the request says 0, and at most: 2 MB when each has 64 sealed epochs. */
const sizes = { sizeDefault: 100, sizeMax: 500 };
/** States of one filter: more than there are. */
const stateCountMax = 8;

/** The reads of SlotService; each throws a CodedError to refuse. */
export class SlotCalls {
  readonly #topology: Topology;
  readonly #keys: KeyValue;

  /** @param keys bucket "control". */
  constructor(topology: Topology, keys: KeyValue) {
    this.#topology = topology;
    this.#keys = keys;
  }

  async list(request: ListSlotsRequest): Promise<ListSlotsResponse> {
    const { parent, pageSize, pageToken, states } = request;
    const group = parent === ANY_GROUP ? null : parseGroupName(parent, "parent");
    if (group !== null) await checkGroup(this.#topology, group);
    checkStates(states);
    let shard: number | null = null;
    if (request.shard !== "") {
      ({ shard } = parseShardName(request.shard, "shard"));
      await findShard(this.#topology, request.shard, "shard");
    }
    const slots = await this.#topology.slots();
    const wanted = slots.filter((entry) => {
      return (
        (group === null || groupOfSlot(entry.slot) === group) && isWanted(entry, { shard, states })
      );
    });
    const scope = ["ListSlots", parent, request.shard, [...states].sort().join()];
    const wish = { pageSize, pageToken, ...sizes, scope };
    const { items, nextPageToken } = takePage(wanted, ({ slot }) => slot, wish);
    const pins = await readPins(this.#keys);
    return {
      slots: items.map((entry) => toSlot(entry, pins.get(entry.slot) ?? null)),
      nextPageToken,
    };
  }

  async get(request: GetSlotRequest): Promise<GetSlotResponse> {
    const { group, number, slot } = parseSlotName(request.name, "name");
    if (number >= SLOT_COUNT) {
      throw new CodedError("NOT_FOUND", `placement group ${group} has no slot ${number}`);
    }
    await checkGroup(this.#topology, group);
    return { slot: await this.#read(slot) };
  }

  async roomRoute(request: GetRoomRouteRequest): Promise<GetRoomRouteResponse> {
    const tenant = parseTenant(request.parent, "parent");
    const parsed = parseRoom(tenant, request.room, "room");
    const key = roomClassKey(tenant, parsed.class);
    const entry = await this.#keys.get(key);
    const policy = entry === null ? null : classPolicy(parsed.class, RoomClass.decode(entry.value));
    const room = parseRoom(tenant, request.room, "room", policy?.group ?? 0);
    return { slot: await this.#read(room.slot) };
  }

  async #read(slot: number): Promise<Slot> {
    return toSlot(await this.#topology.slot(slot), await readPin(this.#keys, slot));
  }
}

/** The pin of a slot; null when it has none. Throws `UNAVAILABLE`. */
export async function readPin(keys: KeyValue, slot: number): Promise<StoredPin | null> {
  const entry = await keys.get(pinKey(slot));
  return entry === null ? null : toPin(entry);
}

/** Every pin, by slot. Throws `UNAVAILABLE`. */
export async function readPins(keys: KeyValue): Promise<Map<number, StoredPin>> {
  const pins = new Map<number, StoredPin>();
  for (const entry of await keys.list(PIN_PREFIX)) {
    const slot = parseSlot(entry.key.slice(PIN_PREFIX.length));
    if (slot !== null) pins.set(slot, toPin(entry));
  }
  return pins;
}

function toPin({ key, value, revision }: KeyValueEntry): StoredPin {
  return { shard: parseShardName(SlotPin.decode(value).shard, key).shard, revision };
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
