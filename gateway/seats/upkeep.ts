/**
 * Looks after seats: limits that are set, changed or taken away while connections are there, seats
 * that could not be taken, and a lease that was lost.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { chunkCapacity, ipKey, roomPrefix, userKey } from "../../bus/seats/seat-keys.ts";
import type { SeatTable } from "../../bus/seats/seat-set.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { QuotaName } from "../../proto/limits.ts";
import { type Connection, MemberState, Phase } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { LimitError } from "../limit-error.ts";
import { addressOfConnection } from "./address.ts";
import type { ConnectionSeats, RoomPlace } from "./connection-seats.ts";
import type { Limits } from "./limits.ts";
import { SEAT_WAIT_MS } from "./seats.ts";

/** Connections whose seats are taken at once. */
const BATCH = 64;
/** After a failure the rest is tried again, ms. */
const AGAIN_MS = 1000;
/** Between two looks at some of the seats, ms. */
const LOOK_MS = 1000;
/** Connections of one look: a backstop, which 10 000 connections cost 20 reads a second. */
const LOOK_COUNT = 20;
/** Connections from before a limit that are counted in one key: some 160 kB. */
const FORCED_COUNT_MAX = 4096;

/** What is looked after. */
type UpkeepParts = Pick<GatewayContext, "bus" | "log" | "limits" | "seats" | "sender">;

export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #connections: ReadonlySet<Connection>;
  readonly #timer: NodeJS.Timeout;
  /** Connections whose seats are another incarnation's. */
  #stale = new Set<Connection>();
  #looking: IterableIterator<Connection> | null = null;
  #isSeating = false;
  #isClosed = false;

  /** @param connections every one of the gateway. */
  constructor(parts: UpkeepParts, connections: ReadonlySet<Connection>) {
    this.#parts = parts;
    this.#connections = connections;
    parts.limits.follow((tenant, limit) => this.applyLimit(tenant, limit));
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    parts.bus.beforeResume((isNew) => this.#resume(isNew));
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  /** A limit of a tenant was changed: those who are here are counted, or not any more. */
  applyLimit(tenant: string, limit: QuotaName): void {
    const own = this.#parts.limits.of(tenant);
    if (limit === "connections") this.#applyTenant(tenant, own.tenant.value > 0);
    else if (limit === "rooms") this.#applyRooms(tenant, own.rooms.value > 0);
    else if (limit === "connections-per-user") this.#applyKey(tenant, "userKey", own.user.value);
    else this.#applyKey(tenant, "ipKey", own.ip.value);
  }

  /** A room class was changed: its members are counted, or not any more. */
  applyClass(tenant: string, roomClass: string): void {
    for (const connection of this.#of(tenant)) {
      for (const { room } of connection.memberships) {
        if (room.address.class !== roomClass) continue;
        const place = connection.seats?.rooms.get(room.address.token);
        const hasSeat = place !== undefined && place.seatKey !== "";
        if (room.policy.memberCountMax > 0 && !hasSeat) this.#seatLater(connection);
        else if (room.policy.memberCountMax === 0 && hasSeat) this.#freePlace(connection, place);
      }
    }
  }

  #applyTenant(tenant: string, isLimited: boolean): void {
    const { seats, limits } = this.#parts;
    if (!isLimited) {
      for (const connection of seats.all()) {
        if (connection.seats?.tenant === tenant) connection.seats.hasPermit = false;
      }
      seats.permits.forget(tenant, "connections");
      return;
    }
    const setting = limits.of(tenant).tenant;
    const permits = seats.permits.of(tenant, "connections", setting);
    let count = 0;
    for (const connection of this.#of(tenant)) {
      const own = seats.seatsOf(connection, tenant);
      if (own.hasPermit) continue;
      own.hasPermit = true;
      count += 1;
    }
    permits.force(count);
    permits.set(setting);
  }

  #applyRooms(tenant: string, isLimited: boolean): void {
    const { seats, limits } = this.#parts;
    if (!isLimited) {
      for (const connection of seats.all()) {
        if (connection.seats?.tenant !== tenant) continue;
        for (const place of connection.seats.rooms.values()) place.isCounted = false;
      }
      seats.permits.forget(tenant, "rooms");
      return;
    }
    const setting = limits.of(tenant).rooms;
    const rooms = seats.permits.rooms(tenant, setting);
    for (const connection of this.#of(tenant)) {
      for (const { room, state } of connection.memberships) {
        if (state === MemberState.JOINING) continue; // is counted by its Join
        const place = this.#placeOf(connection, room.address);
        if (place.isCounted) continue;
        place.isCounted = true;
        rooms.force(room.address.token);
      }
    }
    seats.permits.of(tenant, "rooms", setting).set(setting);
  }

  #applyKey(tenant: string, field: "userKey" | "ipKey", value: number): void {
    for (const connection of this.#of(tenant)) {
      const key = connection.seats?.[field] ?? "";
      if (value > 0 && key === "") this.#seatLater(connection);
      else if (value === 0 && key !== "" && connection.seats !== null) {
        connection.seats[field] = "";
        this.#free(connection, connection.seats.session, key);
      }
    }
  }

  /** Open connections of a tenant. */
  *#of(tenant: string): Generator<Connection> {
    for (const connection of this.#connections) {
      if (connection.phase === Phase.OPEN && connection.identity?.tenant === tenant) {
        yield connection;
      }
    }
  }

  #placeOf(
    connection: Connection,
    address: { tenant: string; class: string; room: string; token: string },
  ): RoomPlace {
    const { rooms } = this.#parts.seats.seatsOf(connection, address.tenant);
    const known = rooms.get(address.token);
    if (known !== undefined) return known;
    const prefix = roomPrefix(address.tenant, address.class, address.room);
    const place = { seatKey: "", prefix, isCounted: false };
    rooms.set(address.token, place);
    return place;
  }

  #freePlace(connection: Connection, place: RoomPlace): void {
    const key = place.seatKey;
    place.seatKey = "";
    if (connection.seats !== null) this.#free(connection, connection.seats.session, key);
  }

  #free({ number }: Connection, session: string, key: string): void {
    const { bus, seats } = this.#parts;
    seats.keeper.free(key, session, { gateway: bus.self.id, connection: number });
  }

  #seatLater(connection: Connection): void {
    this.#parts.seats.unseated.add(connection);
    if (!this.#isSeating) void this.#seatAll();
  }

  /** Counts those who are here without a seat, whether there is room or not. */
  async #seatAll(): Promise<void> {
    const { unseated } = this.#parts.seats;
    this.#isSeating = true;
    while (unseated.size > 0 && !this.#isClosed) {
      const batch = [...unseated].slice(0, BATCH);
      const done = await Promise.allSettled(batch.map((each) => this.#seat(each)));
      const failed = done.filter(({ status }) => status === "rejected");
      for (const [i, { status }] of done.entries()) {
        const connection = batch[i];
        if (status === "fulfilled" && connection !== undefined) unseated.delete(connection);
      }
      if (failed.length > 0) await sleep(AGAIN_MS, null, { ref: false });
    }
    this.#isSeating = false;
  }

  async #seat(connection: Connection): Promise<void> {
    const { seats, limits } = this.#parts;
    const { identity } = connection;
    if (identity === null || connection.phase !== Phase.OPEN) return;
    const own = limits.of(identity.tenant);
    const held = seats.seatsOf(connection, identity.tenant);
    const address = addressOfConnection(connection);
    if (own.user.value > 0 && identity.user !== "") {
      await this.#force(connection, held, "userKey", userKey(identity.tenant, identity.user));
    }
    if (own.ip.value > 0 && address !== "") {
      await this.#force(connection, held, "ipKey", ipKey(identity.tenant, address));
    }
    for (const { room, state } of [...connection.memberships]) {
      const capacity = room.policy.memberCountMax;
      if (capacity === 0 || state === MemberState.JOINING || state === MemberState.LEFT) continue;
      const place = this.#placeOf(connection, room.address);
      if (place.seatKey !== "") continue;
      const claim = seats.claimOf(connection, held, false);
      const seat = await seats.roomSeats.force(place.prefix, claim, capacity, SEAT_WAIT_MS);
      if (seat.verdict.is === "full") continue;
      place.seatKey = seat.key;
      if (connection.seats !== held) this.#free(connection, held.session, seat.key);
    }
  }

  async #force(
    connection: Connection,
    held: ConnectionSeats,
    field: "userKey" | "ipKey",
    key: string,
  ): Promise<void> {
    const { seats } = this.#parts;
    const claim = seats.claimOf(connection, held, false);
    const share = (table: SeatTable) => (table.seats.size < FORCED_COUNT_MAX ? Infinity : 0);
    const verdict = await seats.keeper.claim(key, claim, share, SEAT_WAIT_MS);
    if (verdict.is === "full" || verdict.is === "late") return;
    held[field] = key;
    if (connection.seats !== held) this.#free(connection, held.session, key); // it is gone
  }

  /** R12: after a lost lease, seats and permits are taken again before anybody is admitted. */
  async #resume(isNew: boolean): Promise<void> {
    const { seats, limits } = this.#parts;
    if (isNew) {
      this.#stale = new Set(seats.all());
      for (const permits of seats.permits.all()) {
        const missing = await permits.retake(SEAT_WAIT_MS);
        if (missing > 0) this.#closeSome(permits.tenant, missing);
      }
    }
    const isFrozen = !isNew && this.#stale.size === 0;
    if (isFrozen) this.#stale = new Set(seats.all()); // messages of takeovers may have been missed
    while (this.#stale.size > 0) {
      const batch = [...this.#stale].slice(0, BATCH);
      await Promise.all(batch.map((each) => this.#renew(each, limits)));
      for (const each of batch) this.#stale.delete(each);
    }
  }

  /** Takes a connection's seats again, where they are its own; else it is closed. */
  async #renew(connection: Connection, limits: Limits): Promise<void> {
    const { seats } = this.#parts;
    const held = connection.seats;
    if (held === null || connection.phase === Phase.CLOSED) return;
    const own = limits.of(held.tenant);
    const claim = seats.claimOf(connection, held, false);
    const wanted: [string, number][] = [];
    if (held.userKey !== "") wanted.push([held.userKey, own.user.value]);
    if (held.ipKey !== "") wanted.push([held.ipKey, own.ip.value]);
    for (const { room } of connection.memberships) {
      const key = held.rooms.get(room.address.token)?.seatKey ?? "";
      const chunk = Number(key.slice(key.lastIndexOf(".") + 1));
      if (key !== "") wanted.push([key, chunkCapacity(room.policy.memberCountMax, chunk)]);
    }
    for (const [key, share] of wanted) {
      const verdict = await seats.keeper.claim(key, claim, share, SEAT_WAIT_MS);
      if (connection.seats !== held) {
        if (verdict.is === "taken") this.#free(connection, held.session, key); // it has just left
        return;
      }
      if (verdict.is === "late") seats.closeTakenOver(connection);
      else if (verdict.is === "full") this.#closeFull(connection);
    }
  }

  /** Its place was taken by another while it could not be held. */
  #closeFull(connection: Connection): void {
    const detail = "the gateway lost its lease, and another has the place since; connect again";
    this.#parts.sender.close(connection, new LimitError("LIMIT_REACHED", "", 0, detail));
  }

  /** Closes the newest connections of a tenant. */
  #closeSome(tenant: string, count: number): void {
    const own = [...this.#parts.seats.all()].filter(({ seats }) => seats?.tenant === tenant);
    const counted = own.filter(({ seats }) => seats?.hasPermit === true);
    for (const connection of counted.slice(-count)) this.#closeFull(connection);
  }

  /** Looks at some seats: whether they are still their connections'. */
  #look(): void {
    const { seats, limits, log, bus } = this.#parts;
    if (seats.unseated.size > 0 && !this.#isSeating) void this.#seatAll();
    if (!bus.status().isConnected) return;
    for (let count = 0; count < LOOK_COUNT; count += 1) {
      this.#looking ??= seats.all();
      const { value, done } = this.#looking.next();
      if (done === true) {
        this.#looking = null;
        return;
      }
      this.#renew(value, limits).catch((error: unknown) => {
        if (CodedError.from(error).code !== "UNAVAILABLE") log.error({ error }, "a look at seats");
      });
    }
  }
}
