/**
 * Who listens to what in this process, and delivery to them.
 *
 * Lists are copied when they change, never in place, so a delivery under way is not disturbed by a
 * callback that subscribes; one that unsubscribes is heard at once, by a flag.
 */
import type { DurableMessage, RoomListener, Unsubscribe } from "../bus.ts";
import type { RoomAddress } from "../subjects.ts";

interface Subscription {
  readonly listener: RoomListener;
  isActive: boolean;
}

type Subscriptions = readonly Subscription[];

const none: Subscriptions = [];

export class Interest {
  readonly #rooms = new Map<string, Subscriptions>();
  readonly #slots = new Map<number, Subscriptions>();
  #isDelivering = false;
  /** Published inside a callback: delivered after what is being delivered, to keep the order. */
  readonly #nested: { room: RoomAddress; envelope: Uint8Array }[] = [];

  /** Adds a listener of a room. */
  subscribeRoom(room: RoomAddress, listener: RoomListener): Unsubscribe {
    return subscribe(this.#rooms, room.token, listener);
  }

  /** Adds a listener of all rooms of a slot. */
  subscribeSlot(slot: number, listener: RoomListener): Unsubscribe {
    return subscribe(this.#slots, slot, listener);
  }

  /** Delivers an ephemeral message to all who listen now. Hot path: allocates nothing. */
  deliverEphemeral(room: RoomAddress, envelope: Uint8Array): void {
    if (this.#isDelivering) {
      this.#nested.push({ room, envelope });
      return;
    }
    this.#isDelivering = true;
    try {
      this.#deliverNow(room, envelope);
      for (let next = this.#nested.shift(); next !== undefined; next = this.#nested.shift()) {
        this.#deliverNow(next.room, next.envelope);
      }
    } finally {
      this.#isDelivering = false;
    }
  }

  /** Delivers a stored message to all who listen now. Hot path: allocates nothing. */
  deliverDurable(room: RoomAddress, message: DurableMessage): void {
    const ofRoom = this.#rooms.get(room.token) ?? none;
    for (const subscription of ofRoom) {
      if (subscription.isActive) subscription.listener.onDurable(room.token, message);
    }
    const ofSlot = this.#slots.get(room.slot) ?? none;
    for (const subscription of ofSlot) {
      if (subscription.isActive) subscription.listener.onDurable(room.token, message);
    }
  }

  #deliverNow(room: RoomAddress, envelope: Uint8Array): void {
    const ofRoom = this.#rooms.get(room.token) ?? none;
    for (const subscription of ofRoom) {
      if (subscription.isActive) subscription.listener.onEphemeral(room.token, envelope);
    }
    const ofSlot = this.#slots.get(room.slot) ?? none;
    for (const subscription of ofSlot) {
      if (subscription.isActive) subscription.listener.onEphemeral(room.token, envelope);
    }
  }
}

function subscribe<K>(lists: Map<K, Subscriptions>, key: K, listener: RoomListener): Unsubscribe {
  const subscription: Subscription = { listener, isActive: true };
  lists.set(key, [...(lists.get(key) ?? none), subscription]);
  return () => {
    if (!subscription.isActive) return;
    subscription.isActive = false;
    const left = (lists.get(key) ?? none).filter((other) => other !== subscription);
    if (left.length === 0) lists.delete(key);
    else lists.set(key, left);
  };
}
