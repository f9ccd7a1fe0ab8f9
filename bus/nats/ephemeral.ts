/**
 * Ephemeral rooms on NATS, and the accounting that makes every loss seen (docs/guarantees.md).
 *
 * Puts the parts together and drives them by one tick: numbering and tails on the way out, counting
 * on the way in, origins that fall silent, and the link that all of it goes over.
 */
import { randomBytes } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import type { RoomAddress } from "../subjects.ts";
import { originFromBytes } from "./ephemeral-frame.ts";
import { COUNT_MAX, EphemeralIn, type EphemeralRoom } from "./ephemeral-in.ts";
import { EphemeralOut } from "./ephemeral-out.ts";
import { Link } from "./link.ts";
import { Origins } from "./origins.ts";
import { Outbox } from "./outbox.ts";
import { TICK_MS, type Tick } from "./tick.ts";
import type { Troubles } from "./troubles.ts";

/** A loop that stood still for longer counts this much of it, ms. */
const CATCH_UP_MS_MAX = 2 * TICK_MS;
/** The first tick: above every wait that is subtracted from it. */
const FIRST_TICK = 10_000;

export class Ephemeral {
  readonly link: Link;
  readonly tick: Tick = { now: FIRST_TICK };
  readonly #in: EphemeralIn;
  readonly #out: EphemeralOut;
  readonly #origins: Origins;
  readonly #troubles: Troubles;
  readonly #timer: NodeJS.Timeout;
  #timerMs = performance.now();
  /** Time that has passed, and was not counted as ticks yet. */
  #owedMs = 0;
  /**
   * @param rooms the rooms listened to.
   * @param onCutOff the link has been silent for 1.5 s, or is back.
   */
  constructor(
    connection: NatsConnection,
    rooms: () => Iterable<EphemeralRoom>,
    troubles: Troubles,
    onCutOff: (isCutOff: boolean) => void,
  ) {
    this.#troubles = troubles;
    const own = originFromBytes(randomBytes(6));
    this.#out = new EphemeralOut(new Outbox(connection, troubles.noteUnsent), own, this.tick);
    this.#origins = new Origins(connection, own, this.tick, (origin) => this.#in.onDead(origin));
    this.#in = new EphemeralIn(this.tick, this.#origins, rooms);
    this.link = new Link(connection, {
      onReconnect: (isLong) => this.#onReconnect(isLong),
      onCutOff,
    });
    this.#timer = setInterval(() => this.#onTimer(), TICK_MS).unref();
  }

  /**
   * Passes a message on. Hot path.
   *
   * @throws {CodedError} `UNAVAILABLE` while NATS takes nothing: it would pile up in memory.
   */
  publish(room: RoomAddress, envelope: Uint8Array): void {
    const refusal = this.link.refusal();
    if (refusal !== null) throw refusal;
    this.#out.publish(room, envelope);
  }

  /** Takes what came on a room's subject. Hot path. */
  take(room: EphemeralRoom, bytes: Uint8Array): void {
    if (this.#in.take(room, bytes)) return;
    this.#troubles.note("foreign_message", () => ({ room: room.token, byteCount: bytes.length }));
  }

  /** The envelope of a message, for listeners that count nothing; null for anything else. */
  open(bytes: Uint8Array): Uint8Array | null {
    return this.#in.open(bytes);
  }

  /** A room is listened to no longer. */
  closeRoom(room: EphemeralRoom): void {
    this.#in.close(room);
  }

  /** Whether messages that come twice are recognised: not when too many origins are counted. */
  get isCounting(): boolean {
    return this.#in.count < COUNT_MAX * 0.9;
  }

  /** What is told to operators, by name. */
  counters(): Record<string, number> {
    return {
      connections_lost: this.link.lostCount,
      ephemeral_lost: this.#in.lostCount,
      ephemeral_losses_of_unknown_size: this.#in.unknownLossCount,
      ephemeral_dropped_as_old: this.#in.oldCount,
      ephemeral_untracked: this.#in.untrackedCount,
      ephemeral_tails_sent: this.#out.tailCount,
      origins: this.#origins.count,
      origins_died: this.#origins.deadCount,
    };
  }

  /** Announces that nothing more will come; the connection is still to be flushed. */
  close(): void {
    clearInterval(this.#timer);
    if (this.link.isUp) this.#out.close();
  }

  /** A busy loop is late for its timer, and catches up; one that was frozen does not. */
  #onTimer(): void {
    const nowMs = performance.now();
    this.#owedMs += Math.min(nowMs - this.#timerMs, CATCH_UP_MS_MAX);
    this.#timerMs = nowMs;
    this.link.ask();
    for (; this.#owedMs >= TICK_MS; this.#owedMs -= TICK_MS) this.#onTick();
  }

  #onTick(): void {
    this.link.onTick();
    if (!this.link.isHealthy) return;
    this.tick.now += 1;
    this.#out.onTick();
    this.#origins.onTick();
    this.#in.onTick();
  }

  #onReconnect(isLong: boolean): void {
    this.#out.onReconnect();
    if (isLong) this.#in.onOutage();
  }
}
