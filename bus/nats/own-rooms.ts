/**
 * Rooms that this process publishes to without a member in them: listened to for a while, only to
 * hear when its own messages were stored.
 *
 * A pub-ack tells a sequence and no time, and a position has both. Hearing the republished message
 * costs 1.5 us; reading it back cost a request each, 100 us at three servers.
 */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import type { RoomAddress } from "../subjects.ts";
import { emptyHeaders } from "./header-scan.ts";
import { outRoomSubjects, readHeaders } from "./wire.ts";

/** A room not published to for one to two of these is let go, ms. */
const TICK_MS = 10_000;
/** Rooms at once, about 1 kB each here and at the server. Beyond it times are read. */
export const OWN_ROOM_COUNT_MAX = 20_000;

interface OwnRoom {
  readonly subscription: Subscription;
  isUsed: boolean;
}

/** Told of a republished message. */
export type OnHeard = (shard: number, seq: number, timeUs: number) => void;

export class OwnRooms {
  readonly #connection: NatsConnection;
  readonly #isHeard: (token: string) => boolean;
  readonly #onHeard: OnHeard;
  /** Of the message being taken. */
  readonly #headers = emptyHeaders();
  readonly #rooms = new Map<string, OwnRoom>();
  readonly #tick: NodeJS.Timeout;

  /** @param isHeard whether a room is listened to anyway, for its members. */
  constructor(connection: NatsConnection, isHeard: (token: string) => boolean, onHeard: OnHeard) {
    this.#connection = connection;
    this.#isHeard = isHeard;
    this.#onHeard = onHeard;
    this.#tick = setInterval(() => this.#letGo(), TICK_MS).unref();
  }

  /** Rooms listened to now. */
  get count(): number {
    return this.#rooms.size;
  }

  /** This process publishes to a room, now. Hot path: one or two looks into maps. */
  use(room: RoomAddress): void {
    const own = this.#rooms.get(room.token);
    if (own !== undefined) own.isUsed = true;
    else if (!this.#isHeard(room.token)) this.#open(room);
  }

  close(): void {
    clearInterval(this.#tick);
  }

  #open(room: RoomAddress): void {
    if (this.#rooms.size >= OWN_ROOM_COUNT_MAX) return;
    const headers = this.#headers;
    const subscription = this.#connection.subscribe(outRoomSubjects(room), {
      callback: (error, message) => {
        if (error !== null || !readHeaders(message, headers)) return;
        const { shard, seq, timeUs } = headers;
        if (shard >= 0 && seq > 0 && timeUs > 0) this.#onHeard(shard, seq, timeUs);
      },
    });
    this.#rooms.set(room.token, { subscription, isUsed: true });
  }

  #letGo(): void {
    for (const [token, own] of this.#rooms) {
      if (!own.isUsed || this.#isHeard(token)) {
        own.subscription.unsubscribe();
        this.#rooms.delete(token);
      }
      own.isUsed = false;
    }
  }
}
