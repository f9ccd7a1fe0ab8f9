/**
 * The local rooms of this gateway: opened by the first member, closed some seconds after the last.
 */
import type { Bus } from "../bus/bus.ts";
import { type RoomAddress, roomAddress } from "../bus/subjects.ts";
import type { ClassPolicy } from "../proto/room-class.ts";
import type { Classes } from "./classes.ts";
import { LocalRoom, type RoomOutput, requirePolicy } from "./local-room.ts";
import type { MessageMeter } from "./metrics/message-meter.ts";

/** An empty room keeps its interest this long, ms: members that reload a page come right back. */
export const LINGER_MS = 5000;
/** Rooms that linger at once; beyond it the one that was left first is closed. About 1 kB each. */
export const LINGER_COUNT_MAX = 4096;
/** Message rates of rooms are over this time, ms; 100 000 rooms take some ms of it. */
const RATE_MS = 10_000;
/** Addresses kept for publishes by name; when full, all are looked up anew. */
const TARGET_COUNT_MAX = 10_000;

/** Where a publish goes. */
export interface Target {
  readonly address: RoomAddress;
  readonly policy: ClassPolicy;
}

export class Rooms {
  readonly #bus: Bus;
  readonly #classes: Classes;
  readonly #output: RoomOutput;
  readonly #meter: MessageMeter;
  readonly #rooms = new Map<string, LocalRoom>();
  readonly #lingering = new Map<LocalRoom, NodeJS.Timeout>();
  readonly #targets = new Map<string, Target>();
  readonly #rateTimer: NodeJS.Timeout;
  #aliasCount = 0;
  #memberCount = 0;

  constructor(bus: Bus, classes: Classes, output: RoomOutput, meter: MessageMeter) {
    this.#bus = bus;
    this.#classes = classes;
    this.#output = output;
    this.#meter = meter;
    this.#rateTimer = setInterval(() => this.#takeRates(), RATE_MS).unref();
  }

  /** Rooms with an interest on the bus. */
  get count(): number {
    return this.#rooms.size;
  }

  /** Members and joiners of all rooms. */
  get memberCount(): number {
    return this.#memberCount;
  }

  all(): IterableIterator<LocalRoom> {
    return this.#rooms.values();
  }

  /**
   * Address and policy of a room by name.
   *
   * @throws {CodedError} `ROOM_NAME_INVALID`, `ROOM_CLASS_UNKNOWN`.
   */
  target(tenant: string, name: string): Target {
    const key = `${tenant}\0${name}`;
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const parsed = roomAddress(tenant, name);
    const policy = requirePolicy(this.#classes.find(tenant, parsed.class), parsed.class);
    const address = policy.group === 0 ? parsed : roomAddress(tenant, name, policy.group);
    const target = { address, policy };
    if (this.#targets.size >= TARGET_COUNT_MAX) this.#targets.clear();
    this.#targets.set(key, target);
    return target;
  }

  /** An open room by name, or null. @throws {CodedError} `ROOM_NAME_INVALID`. */
  find(tenant: string, name: string): LocalRoom | null {
    return this.#rooms.get(roomAddress(tenant, name).token) ?? null;
  }

  /** The classes changed: look targets up anew. */
  forgetTargets(): void {
    this.#targets.clear();
  }

  /** The room, opened if it was not; counts one member more. Pair with {@link release}. */
  acquire(target: Target): LocalRoom {
    let room = this.#rooms.get(target.address.token);
    if (room === undefined) {
      this.#aliasCount += 1;
      const { address, policy } = target;
      const meter = this.#meter.of(address.class);
      room = new LocalRoom(this.#bus, address, this.#aliasCount, policy, this.#output, meter);
      this.#rooms.set(address.token, room);
    }
    clearTimeout(this.#lingering.get(room));
    this.#lingering.delete(room);
    room.memberCount += 1;
    this.#memberCount += 1;
    return room;
  }

  /** One member less; an empty room is closed after {@link LINGER_MS}, at once when `isBroken`. */
  release(room: LocalRoom, isBroken = false): void {
    room.memberCount -= 1;
    this.#memberCount -= 1;
    if (isBroken && this.#rooms.get(room.address.token) === room) {
      this.#rooms.delete(room.address.token); // the next joiner opens it anew
    }
    if (room.memberCount > 0) return;
    const timer = setTimeout(() => this.#close(room), isBroken ? 0 : LINGER_MS);
    this.#lingering.set(room, timer.unref());
    if (this.#lingering.size <= LINGER_COUNT_MAX) return;
    for (const [first, firstTimer] of this.#lingering) {
      clearTimeout(firstTimer);
      this.#close(first);
      return;
    }
  }

  /** Ends every interest. */
  close(): void {
    clearInterval(this.#rateTimer);
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    for (const room of this.#rooms.values()) room.close();
    this.#rooms.clear();
  }

  #takeRates(): void {
    for (const room of this.#rooms.values()) {
      room.messageRate = ((room.messageCount - room.ratedCount) * 1000) / RATE_MS;
      room.ratedCount = room.messageCount;
    }
  }

  #close(room: LocalRoom): void {
    this.#lingering.delete(room);
    room.close();
    if (this.#rooms.get(room.address.token) === room) this.#rooms.delete(room.address.token);
  }
}
