/**
 * Seats: who may connect and join under the limits of tenants and room classes.
 *
 * A connection under limits has a session id; its seats lie on the bus KV under it, so that the
 * next connection that shows the session's token takes them over, wherever it is. Without a limit
 * nothing here is awaited, kept or written. Rules: docs/guarantees.md, Seats; how a limit is
 * counted: docs/protocol.md, Quotas. upkeep.ts follows changes of limits and losses of the lease.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "../../bus/bus.ts";
import type { KeyValue } from "../../bus/key-value.ts";
import { Owners } from "../../bus/seats/owners.ts";
import { ipKey, leftKey, roomPrefix, SEAT_BUCKET, userKey } from "../../bus/seats/seat-keys.ts";
import type { SeatClaim, SeatHolder, SeatVerdict } from "../../bus/seats/seat-set.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Hello } from "../../proto/gen/tidegate/client/v1/session.ts";
import type { LimitSetting, QuotaName } from "../../proto/limits.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { type Connection, MemberState, type Membership, Phase } from "../connection.ts";
import type { Identity } from "../identity.ts";
import { LimitError } from "../limit-error.ts";
import type { Log } from "../log.ts";
import type { Sender } from "../sender.ts";
import { traced } from "../tracing/request-trace.ts";
import {
  type ConnectionSeats,
  newConnectionSeats,
  type RoomPlace,
  seatKeys,
} from "./connection-seats.ts";
import { Hold } from "./hold.ts";
import { type Limits, NO_LIMITS } from "./limits.ts";
import { connectionRefusal, roomRefusal, takenOver } from "./refusals.ts";
import { RoomSeats } from "./room-seats.ts";
import { SeatKeeper } from "./seat-keeper.ts";
import type { SessionTokens } from "./session-token.ts";
import { Takeover } from "./takeover.ts";
import { TenantPermits } from "./tenant-permits.ts";

/** A Hello or Join waits so long for the KV, ms: a lost leader stops it for 4 to 9 s. */
export const SEAT_WAIT_MS = 12_000;
/** And so long where the limit is open in an outage. */
export const OPEN_WAIT_MS = 2000;
/** A clean stop waits this long for what is still to be written, ms. */
const STOP_MS_MAX = 2000;
/** How often it looks whether it is, ms. */
const STOP_LOOK_MS = 10;

/** What seats are kept with. */
export interface SeatParts {
  readonly bus: Bus;
  readonly log: Log;
  readonly limits: Limits;
  readonly tokens: SessionTokens;
  readonly sender: Sender;
  /** Seats wait so long for the client of a connection that broke, ms. */
  readonly holdMs: number;
  /** Whether a class of the tenant limits the members of rooms. */
  hasRoomLimit(tenant: string): boolean;
}

export class Seats {
  readonly keeper: SeatKeeper;
  readonly roomSeats: RoomSeats;
  readonly permits: TenantPermits;
  /** Connections that were let in though a seat could not be taken (fail_open). */
  readonly unseated = new Set<Connection>();
  readonly #parts: SeatParts;
  readonly #takeover: Takeover;
  readonly #hold: Hold;
  /** Connections under limits, by number. */
  readonly #connections = new Map<number, Connection>();
  #bucket: Promise<KeyValue> | null = null;
  #refusedCount = 0;

  constructor(parts: SeatParts) {
    const { bus, log, holdMs } = parts;
    this.#parts = parts;
    const open = () => this.#open();
    const owners = new Owners(bus, open, holdMs);
    this.keeper = new SeatKeeper(open, owners, log);
    this.roomSeats = new RoomSeats(this.keeper, open);
    this.permits = new TenantPermits(bus, owners, open);
    this.#hold = new Hold(this.keeper, holdMs);
    this.#takeover = new Takeover(bus, (session, number) => this.#closeMoved(session, number));
  }

  /** Connections under limits. */
  all(): IterableIterator<Connection> {
    return this.#connections.values();
  }

  /** For /health. */
  counters(): Readonly<Record<string, number>> {
    return {
      connections: this.#connections.size,
      held: this.#hold.count,
      refused: this.#refusedCount,
      taken_over: this.#takeover.count,
    };
  }

  /** The token of a connection's session, for its Welcome. */
  token({ number, seats }: Connection, identity: Identity): Buffer {
    const { tokens } = this.#parts;
    return tokens.make(seats?.session ?? tokens.fresh(number), identity);
  }

  /**
   * Takes a connection's seats before its Welcome. Hot path of connecting without limits, and with
   * permits at hand: nothing is awaited.
   *
   * @param address of the client; "" when it is not known.
   * @param trace what is asked of the KV are spans in it.
   * @returns null when it is admitted; else a promise that rejects with `LIMIT_REACHED`,
   *   `TAKEN_OVER` or `UNAVAILABLE`.
   */
  admit(
    connection: Connection,
    identity: Identity,
    hello: Pick<Hello, "sessionToken" | "dialCount">,
    address: () => string,
    trace: OpenSpan | null = null,
  ): Promise<void> | null {
    const { limits, hasRoomLimit, tokens } = this.#parts;
    const { tenant, user } = identity;
    const own = limits.of(tenant);
    if (own === NO_LIMITS && !hasRoomLimit(tenant)) return null;
    const { sessionToken, dialCount } = hello;
    const shown = sessionToken.length > 0 ? tokens.read(sessionToken, identity) : null;
    const seats = this.#begin(connection, tenant, shown, dialCount);
    const hasKeys = (own.user.value > 0 && user !== "") || own.ip.value > 0;
    if (!hasKeys && own.tenant.value === 0) return null;
    if (!hasKeys && this.permits.of(tenant, "connections", own.tenant).tryTake()) {
      seats.hasPermit = true;
      return null;
    }
    return this.#admitByKeys(connection, identity, seats, address(), trace);
  }

  /**
   * Takes a member's seat in its room, if there is a limit.
   *
   * @returns null when there is none; else a promise that rejects with `ROOM_FULL`,
   *   `LIMIT_REACHED`, `TAKEN_OVER` or `UNAVAILABLE`.
   */
  enter(membership: Membership, trace: OpenSpan | null = null): Promise<void> | null {
    const { address, policy } = membership.room;
    const { rooms } = this.#parts.limits.of(address.tenant);
    if (policy.memberCountMax === 0 && rooms.value === 0) return null;
    return this.#enter(membership, rooms, trace);
  }

  /** A member leaves its room: its seat is free at once. */
  leave({ seats, number }: Connection, token: string): void {
    const place = seats?.rooms.get(token);
    if (seats === null || place === undefined) return;
    seats.rooms.delete(token);
    this.#dropPlace(seats, number, token, place, true);
  }

  /**
   * A connection is gone.
   *
   * @param isFinal its client will not come back: its seats are free at once.
   */
  close(connection: Connection, isFinal: boolean): void {
    const { seats, number } = connection;
    if (seats === null) return;
    connection.seats = null;
    this.#connections.delete(number);
    this.unseated.delete(connection);
    this.#drop(seats, number, isFinal);
  }

  /** Gives back what can be; seats wait for their clients, also when the lease is gone. */
  async stop(): Promise<void> {
    this.#takeover.close();
    this.#hold.close();
    if (this.#bucket === null) return;
    this.permits.giveBack();
    const late = sleep(STOP_MS_MAX, null, { ref: false });
    await Promise.race([this.#leaveNote(), late]);
    const endMs = performance.now() + STOP_MS_MAX;
    const isBusy = () => this.keeper.queue.busyCount + this.permits.queue.busyCount > 0;
    while (isBusy() && performance.now() < endMs) await sleep(STOP_LOOK_MS);
    this.keeper.queue.close();
    this.permits.queue.close();
  }

  /** The seats of a connection, begun if it has none. */
  seatsOf(connection: Connection, tenant: string): ConnectionSeats {
    return connection.seats ?? this.#begin(connection, tenant, null, 0);
  }

  /** What a connection claims its seats as. */
  claimOf({ number }: Connection, seats: ConnectionSeats, isNewcomer: boolean): SeatClaim {
    const { session, dialCount } = seats;
    const owner = this.#parts.bus.self;
    return { session, owner, connection: number, dialCount, isNewcomer };
  }

  /** Closes a connection whose seats are another's. */
  closeTakenOver(connection: Connection): void {
    this.#parts.sender.close(connection, takenOver());
  }

  #closeMoved(session: string, number: number): boolean {
    const connection = this.#connections.get(number);
    if (connection?.seats?.session !== session) return false;
    this.closeTakenOver(connection);
    return true;
  }

  #begin(
    connection: Connection,
    tenant: string,
    shown: string | null,
    dialCount: number,
  ): ConnectionSeats {
    const session = shown ?? this.#parts.tokens.fresh(connection.number);
    const seats = newConnectionSeats(session, tenant, shown !== null, dialCount);
    connection.seats = seats;
    this.#connections.set(connection.number, connection);
    return seats;
  }

  async #admitByKeys(
    connection: Connection,
    { tenant, user }: Identity,
    seats: ConnectionSeats,
    address: string,
    trace: OpenSpan | null,
  ): Promise<void> {
    const own = this.#parts.limits.of(tenant);
    const ousted: SeatHolder[] = [];
    const sit = (limit: QuotaName, setting: LimitSetting, key: string) =>
      traced(trace, `seat ${limit}`, async () => {
        const verdict = await this.#sit(connection, seats, key, setting);
        if (verdict?.is === "full") throw connectionRefusal(limit, setting.value);
        if (verdict?.is === "late") throw takenOver();
        if (verdict?.is === "moved") ousted.push(...verdict.ousted);
        seats[limit === "connections-per-user" ? "userKey" : "ipKey"] = key;
      });
    const jobs: Promise<void>[] = [];
    if (own.user.value > 0 && user !== "") {
      jobs.push(sit("connections-per-user", own.user, userKey(tenant, user)));
    }
    if (own.ip.value > 0 && address !== "") {
      jobs.push(sit("connections-per-ip", own.ip, ipKey(tenant, address)));
    }
    const permit = () => this.#takePermit(tenant, own.tenant, seats);
    if (own.tenant.value > 0) jobs.push(traced(trace, "permit connections", permit));
    const results = await Promise.allSettled(jobs);
    if (ousted.length > 0) await this.#takeover.tell(seats.session, ousted);
    const failure = results.find((result) => result.status === "rejected");
    if (failure === undefined && connection.seats === seats) return;
    // Refused, or gone: a returning client's seats wait for it, a newcomer's are free.
    this.unseated.delete(connection);
    this.#drop(seats, connection.number, !seats.isReturning);
    if (failure !== undefined) throw this.#counted(failure.reason);
  }

  async #takePermit(tenant: string, setting: LimitSetting, seats: ConnectionSeats) {
    const permits = this.permits.of(tenant, "connections", setting);
    if (!permits.tryTake()) await permits.take(seats.isReturning, waitMsOf(setting));
    seats.hasPermit = true;
  }

  /** Claims a seat; null: the KV is away, and this gateway's own count allows it. */
  async #sit(
    connection: Connection,
    seats: ConnectionSeats,
    key: string,
    setting: LimitSetting,
  ): Promise<SeatVerdict | null> {
    const claim = this.claimOf(connection, seats, true);
    try {
      return await this.keeper.claim(key, claim, setting.value, waitMsOf(setting));
    } catch (error) {
      const isAway = CodedError.from(error).code === "UNAVAILABLE";
      if (!isAway || !setting.isOpenInOutage || this.#countOf(key) >= setting.value) throw error;
      this.unseated.add(connection);
      return null;
    }
  }

  /** Connections here that have, or should have, a seat of a key. */
  #countOf(key: string): number {
    let count = 0;
    for (const { seats } of this.#connections.values()) {
      if (seats?.userKey === key || seats?.ipKey === key) count += 1;
    }
    return count;
  }

  async #enter(membership: Membership, rooms: LimitSetting, trace: OpenSpan | null) {
    const { connection, room } = membership;
    const { tenant, class: roomClass, room: name, token } = room.address;
    const seats = this.seatsOf(connection, tenant);
    const prefix = roomPrefix(tenant, roomClass, name);
    const place: RoomPlace = { seatKey: "", prefix, isCounted: false };
    try {
      if (rooms.value > 0) {
        const open = this.permits.rooms(tenant, rooms);
        const permit = () => open.enter(token, seats.isReturning, waitMsOf(rooms));
        await traced(trace, "permit rooms", permit);
        place.isCounted = true;
      }
      const capacity = room.policy.memberCountMax;
      const sit = () => this.#sitInRoom(connection, seats, place, capacity);
      if (capacity > 0) await traced(trace, "seat room", sit);
    } catch (error) {
      this.#dropPlace(seats, connection.number, token, place, true);
      throw this.#counted(error);
    }
    if (membership.state !== MemberState.LEFT && connection.seats === seats) {
      seats.rooms.set(token, place);
    } else {
      const isGone = connection.phase === Phase.CLOSED;
      this.#dropPlace(seats, connection.number, token, place, !isGone);
    }
  }

  async #sitInRoom(
    connection: Connection,
    seats: ConnectionSeats,
    place: RoomPlace,
    capacity: number,
  ): Promise<void> {
    const claim = this.claimOf(connection, seats, true);
    const { prefix } = place;
    const { isReturning, session } = seats;
    const seat = await this.roomSeats.claim(prefix, claim, capacity, isReturning, SEAT_WAIT_MS);
    if (seat.verdict.is === "full") throw roomRefusal(capacity);
    if (seat.verdict.is === "late") throw takenOver();
    place.seatKey = seat.key;
    if (seat.verdict.is === "moved") await this.#takeover.tell(session, seat.verdict.ousted);
  }

  /** Ends all that is held, once; seats at once or after the hold time. */
  #drop(seats: ConnectionSeats, number: number, isFinal: boolean): void {
    const keys = seatKeys(seats);
    if (seats.hasPermit) this.permits.release(seats.tenant);
    for (const [token, { isCounted }] of seats.rooms) {
      if (isCounted) this.permits.leaveRoom(seats.tenant, token);
    }
    Object.assign(seats, { hasPermit: false, userKey: "", ipKey: "" });
    seats.rooms.clear();
    this.#free(seats.session, number, keys, isFinal);
  }

  #dropPlace(
    { tenant, session }: ConnectionSeats,
    number: number,
    token: string,
    { isCounted, seatKey }: RoomPlace,
    isFinal: boolean,
  ): void {
    if (isCounted) this.permits.leaveRoom(tenant, token);
    this.#free(session, number, seatKey === "" ? [] : [seatKey], isFinal);
  }

  #free(session: string, number: number, keys: readonly string[], isFinal: boolean): void {
    if (keys.length === 0) return;
    const holder = { gateway: this.#parts.bus.self.id, connection: number };
    if (!isFinal) this.#hold.keep(session, holder, keys);
    else for (const key of keys) this.keeper.free(key, session, holder);
  }

  #counted(error: unknown): unknown {
    if (error instanceof LimitError) this.#refusedCount += 1;
    return error;
  }

  /** The lease will be gone: this note keeps the seats for the hold time all the same. */
  async #leaveNote(): Promise<void> {
    const { bus, holdMs } = this.#parts;
    try {
      const keys = await this.#open();
      await keys.create(leftKey(bus.self.incarnation), Buffer.from(bus.self.id), holdMs);
    } catch (error) {
      // Without it the seats are free when the lease is gone.
      this.#parts.log.warn({ error }, "seats will not wait for their clients");
    }
  }

  #open(): Promise<KeyValue> {
    this.#bucket ??= this.#parts.bus.keyValue(SEAT_BUCKET).catch((error: unknown) => {
      this.#bucket = null;
      throw error;
    });
    return this.#bucket;
  }
}

/** How long the KV is waited for. */
function waitMsOf({ isOpenInOutage }: LimitSetting): number {
  return isOpenInOutage ? OPEN_WAIT_MS : SEAT_WAIT_MS;
}
