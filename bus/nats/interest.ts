/**
 * The rooms this process listens to, and how far each has been heard.
 *
 * One NATS subscription per room or slot, whatever the number of listeners. What was heard is what
 * sweeps and tail markers compare with (R7, R8): a message that is proven to be stored and was not
 * heard is handed to the listeners as if it had come, and their chain (R5) fills the rest.
 */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { DurableMessage, RoomListener, Unsubscribe } from "../bus.ts";
import type { RoomAddress } from "../subjects.ts";
import { Header, lastNumber, outRoomSubjects, outSlotSubjects, timeStampUs } from "./wire.ts";

/** A room that is listened to. */
export interface HeardRoom {
  readonly room: RoomAddress;
  readonly listeners: Set<RoomListener>;
  readonly subscription: Subscription;
  /** Epoch and sequence of the newest durable message heard; 0 before the first. */
  epoch: number;
  seq: number;
}

/** What happens beside delivery. */
export interface InterestEvents {
  /** A republished message came, from this shard. */
  onHeard(shard: number, seq: number, timeUs: number): void;
  /** A gateway says what it published last in a room (R7). */
  onTail(heard: HeardRoom, epoch: number, seq: number): void;
  /** A room is listened to from now on. */
  onJoined(heard: HeardRoom): void;
}

export class NatsInterest {
  readonly #connection: NatsConnection;
  readonly #events: InterestEvents;
  readonly #rooms = new Map<string, HeardRoom>();

  constructor(connection: NatsConnection, events: InterestEvents) {
    this.#connection = connection;
    this.#events = events;
  }

  /** Rooms with a listener. */
  rooms(): IterableIterator<HeardRoom> {
    return this.#rooms.values();
  }

  /** The room of a token, if it is listened to. */
  find(token: string): HeardRoom | undefined {
    return this.#rooms.get(token);
  }

  subscribeRoom(room: RoomAddress, listener: RoomListener): Unsubscribe {
    const heard = this.#rooms.get(room.token) ?? this.#open(room);
    // The same listener may be given twice; each has its own place.
    const place: RoomListener = {
      onEphemeral: (token, envelope) => listener.onEphemeral(token, envelope),
      onDurable: (token, message) => listener.onDurable(token, message),
    };
    heard.listeners.add(place);
    return () => {
      if (!heard.listeners.delete(place) || heard.listeners.size > 0) return;
      heard.subscription.unsubscribe();
      if (this.#rooms.get(room.token) === heard) this.#rooms.delete(room.token);
    };
  }

  subscribeSlot(slot: number, listener: RoomListener): Unsubscribe {
    const subscription = this.#connection.subscribe(outSlotSubjects(slot), {
      callback: (error, message) => {
        if (error === null) this.#take(message, [listener], null);
      },
    });
    return () => subscription.unsubscribe();
  }

  /** Hands a message that was found in the store to the room's listeners, if it was not heard. */
  deliver(heard: HeardRoom, message: DurableMessage): void {
    if (!isNewer(heard, message.epoch, message.seq)) return;
    heard.epoch = message.epoch;
    heard.seq = message.seq;
    for (const listener of [...heard.listeners]) listener.onDurable(heard.room.token, message);
  }

  #open(room: RoomAddress): HeardRoom {
    const heard: HeardRoom = {
      room,
      listeners: new Set(),
      epoch: 0,
      seq: 0,
      subscription: this.#connection.subscribe(outRoomSubjects(room), {
        callback: (error, message) => {
          if (error === null) this.#take(message, heard.listeners, heard);
        },
      }),
    };
    this.#rooms.set(room.token, heard);
    this.#events.onJoined(heard);
    return heard;
  }

  #take(message: Msg, listeners: Iterable<RoomListener>, heard: HeardRoom | null): void {
    const [, , , epochText, token] = message.subject.split(".");
    if (token === undefined) return;
    const { headers, data } = message;
    const epoch = Number(epochText);
    const tail = lastNumber(headers, Header.TAIL);
    if (tail >= 0) {
      if (heard !== null) this.#events.onTail(heard, epoch, tail);
      return;
    }
    const seq = lastNumber(headers, Header.SEQUENCE);
    if (seq < 0) {
      for (const listener of [...listeners]) listener.onEphemeral(token, data);
      return;
    }
    const timeUs = timeStampUs(headers?.last(Header.TIME_STAMP) ?? "");
    const prevSeq = Math.max(0, lastNumber(headers, Header.LAST_SEQUENCE));
    const shard = Number((headers?.last(Header.STREAM) ?? "").slice("TG_".length));
    this.#events.onHeard(shard, seq, timeUs);
    if (heard !== null && isNewer(heard, epoch, seq)) {
      heard.epoch = epoch;
      heard.seq = seq;
    }
    const durable = { epoch, seq, timeUs, prevSeq, envelope: data };
    for (const listener of [...listeners]) listener.onDurable(token, durable);
  }
}

/** Whether (epoch, seq) is beyond what was heard of a room. */
export function isNewer(heard: HeardRoom, epoch: number, seq: number): boolean {
  return epoch > heard.epoch || (epoch === heard.epoch && seq > heard.seq);
}
