/**
 * A bus whose live deliveries are dropped, repeated, delayed and re-ordered by a seed; the store
 * behind it is whole. What NATS does to a gateway in bad minutes, at will.
 */
import type { Bus, DurableMessage, RoomListener } from "../../bus/bus.ts";
import type { RoomAddress } from "../../bus/subjects.ts";

/** Chances of each fault per live durable message, 0 to 1. */
export interface Faults {
  readonly drop: number;
  readonly repeat: number;
  /** Held back and delivered after up to 8 later ones. */
  readonly delay: number;
}

/** Wraps `bus`; `random` decides, so that a printed seed repeats the run. */
export function lossyBus(bus: Bus, faults: Faults, random: () => number): Bus {
  const wrap = (listener: RoomListener): RoomListener => {
    const held: { message: DurableMessage; after: number }[] = [];
    const release = (token: string) => {
      for (const entry of held) entry.after -= 1;
      while (held[0] !== undefined && held[0].after <= 0) {
        const [first] = held.splice(0, 1);
        if (first !== undefined) listener.onDurable(token, first.message);
      }
    };
    return {
      onEphemeral: (token, envelope) => listener.onEphemeral(token, envelope),
      onLoss: (token, missedCount) => listener.onLoss(token, missedCount),
      onHistoryChanged: (token, isLost) => listener.onHistoryChanged(token, isLost),
      onDurable(token, message) {
        const roll = random();
        if (roll < faults.drop) return;
        if (roll < faults.drop + faults.delay) {
          held.push({ message, after: 1 + Math.floor(random() * 8) });
          return;
        }
        listener.onDurable(token, message);
        if (random() < faults.repeat) listener.onDurable(token, message);
        release(token);
      },
    };
  };
  return new Proxy(bus, {
    get(target, name) {
      if (name === "subscribeRoom") {
        return (room: RoomAddress, listener: RoomListener) =>
          target.subscribeRoom(room, wrap(listener));
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** mulberry32: a small seeded generator of numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
