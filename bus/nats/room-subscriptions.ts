/**
 * The NATS subscriptions behind the rooms: one for each room, or one for a whole slot.
 *
 * interest-width.ts judges which. A switch loses and doubles nothing: the new subscriptions are
 * made first; once NATS has them, and what it was handing out meanwhile has come, the old ones end.
 * In between each message comes twice, one right after the other, and the second is dropped by its
 * number (origin-count.ts) or its place in the chain (R5).
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { RoomAddress } from "../subjects.ts";
import { judgeWidth, WINDOW_MS } from "./interest-width.ts";
import { outRoomSubjects, outSlotSubjects } from "./wire.ts";

/** Slots are judged at this interval, ms. */
const JUDGE_MS = 1000;
/**
 * What NATS handed out by the old subscriptions alone comes within this after it has confirmed the
 * new ones, ms; messages come in microseconds, and a server that is late is late for both.
 */
const OVERLAP_MS = 250;

/** A room as far as it concerns its subscription. */
export interface SubscribedRoom {
  readonly room: RoomAddress;
  /** Its own; null while its slot's wildcard brings its messages. */
  subscription: Subscription | null;
}

/** What becomes of messages. Hot path. */
export interface RoomTraffic<R> {
  /** By the room's own subscription. */
  onRoomMessage(heard: R, message: Msg): void;
  /** By a wildcard; returns whether it was for a room that is listened to. */
  onSlotMessage(message: Msg): boolean;
  /** Whether doubled messages are recognised, as a switch needs. */
  isCounting(): boolean;
}

interface Slot<R> {
  readonly rooms: Set<R>;
  /** The wildcard; null while narrow. */
  wide: Subscription | null;
  isWide: boolean;
  isSwitching: boolean;
  switchedMs: number;
  wasForeign: boolean;
  receivedCount: number;
  foreignCount: number;
  sinceMs: number;
}

export class RoomSubscriptions<R extends SubscribedRoom> {
  readonly #connection: NatsConnection;
  readonly #traffic: RoomTraffic<R>;
  readonly #slots = new Map<number, Slot<R>>();
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;
  /** Subscriptions of single rooms. */
  roomSubscriptionCount = 0;
  /** Messages that came, by whatever subscription. */
  receivedCount = 0;
  /** Of these, messages of rooms that are not listened to here. */
  foreignCount = 0;
  /** Switches begun. */
  switchCount = 0;

  constructor(connection: NatsConnection, traffic: RoomTraffic<R>) {
    this.#connection = connection;
    this.#traffic = traffic;
    this.#timer = setInterval(() => this.#judge(), JUDGE_MS).unref();
  }

  /** Slots listened to by wildcard. */
  get wideSlotCount(): number {
    let count = 0;
    for (const slot of this.#slots.values()) if (slot.wide !== null) count += 1;
    return count;
  }

  /** A room is listened to from now on. */
  open(heard: R): void {
    const slot = this.#slots.get(heard.room.slot) ?? this.#addSlot(heard.room.slot);
    slot.rooms.add(heard);
    if (!slot.isWide) this.#subscribe(heard);
  }

  /** A room is listened to no longer. */
  close(heard: R): void {
    const slot = this.#slots.get(heard.room.slot);
    slot?.rooms.delete(heard);
    this.#unsubscribe(heard);
  }

  /** No more switches; the subscriptions end with the connection. */
  end(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #addSlot(number: number): Slot<R> {
    const nowMs = performance.now();
    const slot: Slot<R> = {
      rooms: new Set(),
      ...{ wide: null, isWide: false, isSwitching: false, switchedMs: nowMs, wasForeign: false },
      ...{ receivedCount: 0, foreignCount: 0, sinceMs: nowMs },
    };
    this.#slots.set(number, slot);
    return slot;
  }

  #subscribe(heard: R): void {
    this.roomSubscriptionCount += 1;
    heard.subscription = this.#connection.subscribe(outRoomSubjects(heard.room), {
      callback: (error, message) => {
        if (error !== null) return;
        this.receivedCount += 1;
        this.#traffic.onRoomMessage(heard, message);
      },
    });
  }

  #unsubscribe(heard: R): void {
    if (heard.subscription === null) return;
    heard.subscription.unsubscribe();
    heard.subscription = null;
    this.roomSubscriptionCount -= 1;
  }

  #subscribeSlot(number: number, slot: Slot<R>): Subscription {
    return this.#connection.subscribe(outSlotSubjects(number), {
      callback: (error, message) => {
        if (error !== null) return;
        this.receivedCount += 1;
        slot.receivedCount += 1;
        if (this.#traffic.onSlotMessage(message)) return;
        this.foreignCount += 1;
        slot.foreignCount += 1;
      },
    });
  }

  #judge(): void {
    const nowMs = performance.now();
    for (const [number, slot] of this.#slots) {
      if (slot.isSwitching) continue;
      const verdict = judgeWidth({ ...slot, roomCount: slot.rooms.size }, nowMs);
      if (verdict !== "stay" && this.#traffic.isCounting()) {
        slot.wasForeign = verdict === "foreign";
        void this.#switch(number, slot);
      } else if (slot.isWide && nowMs - slot.sinceMs >= WINDOW_MS) {
        Object.assign(slot, { receivedCount: 0, foreignCount: 0, sinceMs: nowMs });
      }
    }
  }

  /** To the other width. Rooms opened meanwhile get what they need of the new one. */
  async #switch(number: number, slot: Slot<R>): Promise<void> {
    this.switchCount += 1;
    slot.isSwitching = true;
    slot.isWide = !slot.isWide;
    if (slot.isWide) slot.wide = this.#subscribeSlot(number, slot);
    else for (const heard of slot.rooms) this.#subscribe(heard);
    await this.#settle();
    if (this.#isClosed) return;
    if (slot.isWide) {
      for (const heard of slot.rooms) this.#unsubscribe(heard);
    } else {
      slot.wide?.unsubscribe();
      slot.wide = null;
    }
    const nowMs = performance.now();
    const zero = { receivedCount: 0, foreignCount: 0, sinceMs: nowMs, switchedMs: nowMs };
    Object.assign(slot, zero, { isSwitching: false });
  }

  /** NATS has the new subscriptions, and what came by the old ones alone is here. */
  async #settle(): Promise<void> {
    for (let isConfirmed = false; !isConfirmed && !this.#isClosed; ) {
      isConfirmed = await this.#connection.flush().then(
        () => true,
        () => false, // the connection broke: its successor gets all subscriptions, and is asked
      );
      await new Promise<void>((resolve) => setTimeout(resolve, OVERLAP_MS).unref());
    }
  }
}
