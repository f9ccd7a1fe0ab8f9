/**
 * R7, tail markers: what this process published last in each room, said again a moment later.
 *
 * A quiet room's missing last message shows in nothing. Gathered on one tick and one flush; not
 * said when a later durable message of the room was heard, since that one shows the gap.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { RoomAddress } from "../subjects.ts";
import type { NatsInterest } from "./interest.ts";
import { oneHeader } from "./raw-headers.ts";
import { Header, outSubject } from "./wire.ts";

/** Markers are sent on this tick, ms; so 200 to 450 ms after the ack. */
const TICK_MS = 250;
/** A publish younger than this waits for the next tick, ms. */
const AGE_MS_MIN = 200;
/** Rooms with a marker to send; when more publish within a tick, the sweep finds their tails. */
const ROOM_COUNT_MAX = 100_000;

interface Tail {
  readonly room: RoomAddress;
  readonly epoch: number;
  readonly seq: number;
  readonly atMs: number;
}

export class Tails {
  readonly #connection: NatsConnection;
  readonly #interest: NatsInterest;
  readonly #tails = new Map<string, Tail>();
  readonly #tick: NodeJS.Timeout;
  /** Markers sent. */
  sentCount = 0;

  constructor(connection: NatsConnection, interest: NatsInterest) {
    this.#connection = connection;
    this.#interest = interest;
    this.#tick = setInterval(() => this.#send(), TICK_MS).unref();
  }

  /** A publish of this process was acknowledged. */
  note(room: RoomAddress, epoch: number, seq: number): void {
    const known = this.#tails.get(room.token);
    const isOlder = known !== undefined && (known.epoch - epoch || known.seq - seq) > 0;
    if (isOlder) return; // a duplicate's, perhaps of an earlier epoch
    if (known === undefined && this.#tails.size >= ROOM_COUNT_MAX) return;
    this.#tails.delete(room.token); // to the end: the map stays in the order of times
    this.#tails.set(room.token, { room, epoch, seq, atMs: performance.now() });
  }

  close(): void {
    clearInterval(this.#tick);
    this.#send(0);
  }

  #send(ageMsMin = AGE_MS_MIN): void {
    const dueMs = performance.now() - ageMsMin;
    for (const [token, { room, epoch, seq, atMs }] of this.#tails) {
      if (atMs > dueMs) break;
      this.#tails.delete(token);
      const heard = this.#interest.find(token);
      if (heard !== undefined && heard.epoch === epoch && heard.seq > seq) continue;
      const headers = oneHeader(Header.TAIL, String(seq));
      this.#connection.publish(outSubject(room, epoch), undefined, { headers });
      this.sentCount += 1;
    }
  }
}
