/**
 * The state of a simulated fleet on a real bus: slots, shards, classes and limits, seats, and
 * gateways that are there in the list of processes alone.
 *
 * Records lie in buckets of their own names, so that the bus below does not take them for its own.
 */
import type { Bus } from "../bus/bus.ts";
import type { KeyValue } from "../bus/key-value.ts";
import { shardKey } from "../bus/record-keys.ts";
import { encodeRoute, firstRoute } from "../bus/route.ts";
import { userKey } from "../bus/seats/seat-keys.ts";
import { encodeSeats } from "../bus/seats/seat-set.ts";
import { roomAddress } from "../bus/subjects.ts";
import type { ProcessEntry } from "../bus/topology.ts";
import { GatewayFacts, ServingState } from "../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { LoadReport } from "../proto/gen/tidegate/control/v1/routing_service.ts";

/** How large it is. */
export interface FleetSize {
  readonly gateways: number;
  /** Rooms that each gateway reports load for. */
  readonly rooms: number;
  readonly seats: number;
  readonly slots: number;
  readonly shards: number;
  readonly classes: number;
}

/** Writes at once. */
const AT_ONCE = 64;

interface Written {
  readonly key: string;
  readonly value: Uint8Array;
}

/** A bus whose control and seat buckets are the simulation's, with virtual gateways. */
export async function simulatedBus(bus: Bus, size: FleetSize): Promise<Bus> {
  const processes = [...(await bus.topology.processes()), ...virtualGateways(size)];
  const topology = replaced(bus.topology, { processes: async () => processes });
  return replaced(bus, {
    topology,
    keyValue: (bucket: string) => bus.keyValue(`sim-${bucket}`),
  });
}

/** Fills the buckets; resolves when everything is written. */
export async function fillFleet(bus: Bus, size: FleetSize): Promise<void> {
  const control = await bus.keyValue("control");
  await write(control, [...slotRecords(size), ...shardRecords(size), ...otherRecords(size)]);
  await write(await bus.keyValue("seats"), seatRecords(size));
}

/** What gateway `i` reports of its rooms' slots, encoded as it comes. */
export function encodedReport(size: FleetSize, i: number): Uint8Array {
  const counts = new Map<number, number>();
  for (let room = 0; room < size.rooms; room += 1) {
    const { slot } = roomAddress(`tenant-${i % 20}`, `chat:room-${i}-${room}`, room % 4);
    counts.set(slot % size.slots, (counts.get(slot % size.slots) ?? 0) + 1 + (room % 7));
  }
  const slots = [...counts.keys()];
  const messageCounts = [...counts.values()];
  return LoadReport.encode({
    ...{ spanMs: 10_000, slots, messageCounts, kibibyteCounts: messageCounts },
  }).finish();
}

function virtualGateways({ gateways, rooms }: FleetSize): ProcessEntry[] {
  const nowUs = Date.now() * 1000;
  return Array.from({ length: gateways }, (_, i) => {
    const facts: GatewayFacts = {
      ...GatewayFacts.decode(new Uint8Array(0)),
      ...{ state: ServingState.SERVING, region: `region-${i % 3}`, connectionCountMax: 100_000 },
      ...{ connectionCount: 40_000 + i, roomCount: rooms, advertiseUrl: `wss://g${i}.example` },
    };
    return {
      ...{ id: `g${i}`, parts: "gateway", incarnation: `i${i}`, host: "h", pid: 1 },
      ...{ version: "1.0.0", startedUs: nowUs, renewedUs: nowUs, expiresUs: null },
      ...{ routingRevision: 0, facts: GatewayFacts.encode(facts).finish() },
    };
  });
}

function slotRecords({ slots, shards }: FleetSize): Written[] {
  const owners = Array.from({ length: shards }, (_, shard) => shard);
  const sealed = { epoch: 1, shard: 0, lastSeq: 9_999_999n, openedUs: 0n };
  return Array.from({ length: slots }, (_, slot) => {
    const { record } = firstRoute(slot, owners);
    const moved = {
      ...{ ...record, epoch: 3, openedUs: 1_763_800_000_000_000n },
      sealed: [1, 2].map((epoch) => ({
        ...{ ...sealed, epoch, sealedUs: 1_763_700_000_000_000n, wentBackwards: false },
      })),
    };
    return written(`slot.${Math.floor(slot / 1024)}-${slot % 1024}`, encodeRoute(moved));
  });
}

function shardRecords({ shards }: FleetSize): Written[] {
  return Array.from({ length: shards }, (_, shard) => written(shardKey(shard), new Uint8Array(60)));
}

/** Classes and limits of twenty tenants; 60 bytes each, as most are. */
function otherRecords({ classes }: FleetSize): Written[] {
  return Array.from({ length: classes }, (_, i) => {
    const prefix = i % 5 === 4 ? "limit" : "class";
    return written(`${prefix}.tenant-${i % 20}.c${i}`, new Uint8Array(60).fill(i % 250));
  });
}

function seatRecords({ seats, gateways }: FleetSize): Written[] {
  return Array.from({ length: seats }, (_, i) => {
    const session = String(i).padStart(16, "s");
    const owner = { id: `g${i % gateways}`, incarnation: `i${i % gateways}` };
    const seat = { session, owner, connection: i, dialCount: 1, ousted: [] };
    const value = encodeSeats({ capacity: 0, seats: new Map([[session, seat]]) });
    return written(userKey(`tenant-${i % 20}`, `user-${i}`), value);
  });
}

function written(key: string, value: Uint8Array): Written {
  return { key, value };
}

async function write(keys: KeyValue, records: readonly Written[]): Promise<void> {
  const waiting = [...records];
  const work = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      await keys.create(next.key, next.value);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function replaced<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
