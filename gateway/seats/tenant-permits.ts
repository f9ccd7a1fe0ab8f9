/**
 * The large limits of tenants on this gateway: their permits, and which rooms are open under them.
 */
import type { Bus } from "../../bus/bus.ts";
import type { KeyValue } from "../../bus/key-value.ts";
import type { Owners } from "../../bus/seats/owners.ts";
import { decodePermits, encodePermits, type PermitTable } from "../../bus/seats/permit-pool.ts";
import { poolKey } from "../../bus/seats/seat-keys.ts";
import type { LimitSetting } from "../../proto/limits.ts";
import { KeyQueue } from "./key-queue.ts";
import { OpenRooms } from "./open-rooms.ts";
import { Permits, type PoolName } from "./permits.ts";

export class TenantPermits {
  readonly #bus: Bus;
  readonly #owners: Owners;
  readonly queue: KeyQueue<PermitTable>;
  /** By key of the pool. */
  readonly #permits = new Map<string, Permits>();
  readonly #openRooms = new Map<string, OpenRooms>();

  /** @param open gives the bucket "seats". */
  constructor(bus: Bus, owners: Owners, open: () => Promise<KeyValue>) {
    this.#bus = bus;
    this.#owners = owners;
    this.queue = new KeyQueue(open, {
      decode: decodePermits,
      encode: encodePermits,
      isEmpty: (table) => table.size === 0,
    });
  }

  /** The permits of a limit, made on first use. */
  of(tenant: string, name: PoolName, setting: LimitSetting): Permits {
    const key = poolKey(tenant, name);
    const known = this.#permits.get(key);
    if (known !== undefined) return known;
    const parts = { bus: this.#bus, queue: this.queue, owners: this.#owners };
    const permits = new Permits(parts, tenant, name, setting);
    this.#permits.set(key, permits);
    return permits;
  }

  /** The open rooms of a tenant that has a limit of them. */
  rooms(tenant: string, setting: LimitSetting): OpenRooms {
    let rooms = this.#openRooms.get(tenant);
    if (rooms === undefined) {
      rooms = new OpenRooms(this.of(tenant, "rooms", setting));
      this.#openRooms.set(tenant, rooms);
    }
    return rooms;
  }

  /** Permits of each limit that gateways lease, of all tenants. */
  counts(): Record<PoolName, { held: number; used: number }> {
    const counts = { connections: { held: 0, used: 0 }, rooms: { held: 0, used: 0 } };
    for (const { name, heldCount, usedCount } of this.#permits.values()) {
      counts[name].held += heldCount;
      counts[name].used += usedCount;
    }
    return counts;
  }

  /** A connection gives its permit back. */
  release(tenant: string): void {
    this.#permits.get(poolKey(tenant, "connections"))?.release();
  }

  /** A counted member has left a room. */
  leaveRoom(tenant: string, token: string): void {
    this.#openRooms.get(tenant)?.leave(token);
  }

  all(): IterableIterator<Permits> {
    return this.#permits.values();
  }

  /** The limit is gone: so is its pool. */
  forget(tenant: string, name: PoolName): void {
    const key = poolKey(tenant, name);
    this.#permits.get(key)?.close();
    this.#permits.delete(key);
    if (name === "rooms") this.#openRooms.delete(tenant);
  }

  /** Gives all permits back. */
  giveBack(): void {
    for (const permits of this.#permits.values()) permits.close();
  }
}
