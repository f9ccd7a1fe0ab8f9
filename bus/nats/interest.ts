/**
 * The rooms this process listens to, and how far each has been heard.
 *
 * room-subscriptions.ts brings the messages, whatever the number of listeners. What was heard is
 * what sweeps and tail markers compare with (R7, R8): a message that is proven to be stored and was
 * not heard is handed to the listeners as if it had come, and their chain (R5) fills the rest.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { DurableMessage, RoomListener, Unsubscribe } from "../bus.ts";
import { isEnvelope } from "../envelope.ts";
import type { RoomAddress } from "../subjects.ts";
import type { EphemeralRoom } from "./ephemeral-in.ts";
import { emptyHeaders, type ScannedHeaders } from "./header-scan.ts";
import { RoomSubscriptions, type SubscribedRoom } from "./room-subscriptions.ts";
import { outSlotSubjects, readHeaders } from "./wire.ts";

/** A room that is listened to. */
export interface HeardRoom extends EphemeralRoom, SubscribedRoom {
  readonly room: RoomAddress;
  /** Replaced when it changes, so that whoever goes through it is not disturbed. */
  listeners: readonly RoomListener[];
  /** Epoch and sequence of the newest durable message heard; 0 before the first. */
  epoch: number;
  seq: number;
  timeUs: number;
}

/** What happens beside delivery. */
export interface InterestEvents {
  /** A republished message came, from this shard. */
  onHeard(shard: number, seq: number, timeUs: number): void;
  /** A gateway says what it published last in a room (R7). */
  onTail(heard: HeardRoom, epoch: number, seq: number): void;
  /** A durable message of an epoch that is later than any heard of the room. */
  onEpoch(heard: HeardRoom, epoch: number): void;
  /** A durable message is not beyond the last one heard, but was stored later (R5, R9). */
  onLater(heard: HeardRoom, message: DurableMessage): void;
  /** A room is listened to from now on. */
  onJoined(heard: HeardRoom): void;
  /** A room is listened to no longer. */
  onLeft(heard: HeardRoom): void;
  /** An ephemeral message or tail of a room, or garbage. Hot path. */
  onEphemeral(heard: HeardRoom, bytes: Uint8Array): void;
  /** The envelope of an ephemeral message that came for a whole slot; null for anything else. */
  openEphemeral(bytes: Uint8Array): Uint8Array | null;
  /** What has headers, but not those of a republished message or of ours. */
  onForeign(subject: string): void;
  /** The present tick. */
  tick(): number;
  /** Whether doubled ephemeral messages are recognised. */
  isCounting(): boolean;
}

export class NatsInterest {
  readonly #connection: NatsConnection;
  readonly #events: InterestEvents;
  /** Of the message being taken. */
  readonly #headers = emptyHeaders();
  readonly #rooms = new Map<string, HeardRoom>();
  readonly #subscriptions: RoomSubscriptions<HeardRoom>;

  constructor(connection: NatsConnection, events: InterestEvents) {
    this.#connection = connection;
    this.#events = events;
    this.#subscriptions = new RoomSubscriptions(connection, {
      onRoomMessage: (heard, message) => this.#take(message, heard),
      onSlotMessage: (message) => this.#takeFromSlot(message),
      isCounting: () => events.isCounting(),
    });
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
    heard.listeners = [...heard.listeners, listener];
    let isActive = true;
    return () => {
      if (!isActive) return;
      isActive = false;
      // The same listener may be given twice; each has its own place.
      heard.listeners = heard.listeners.toSpliced(heard.listeners.indexOf(listener), 1);
      if (heard.listeners.length > 0) return;
      this.#subscriptions.close(heard);
      if (this.#rooms.get(room.token) === heard) this.#rooms.delete(room.token);
      this.#events.onLeft(heard);
    };
  }

  subscribeSlot(slot: number, listener: RoomListener): Unsubscribe {
    const subscription = this.#connection.subscribe(outSlotSubjects(slot), {
      callback: (error, message) => {
        if (error === null) this.#takeOfSlot(message, listener);
      },
    });
    return () => subscription.unsubscribe();
  }

  /** What is told to operators, by name. */
  counters(): Record<string, number> {
    return {
      subscriptions: this.#subscriptions.roomSubscriptionCount,
      slots_by_wildcard: this.#subscriptions.wideSlotCount,
      messages_received: this.#subscriptions.receivedCount,
      messages_received_for_no_room: this.#subscriptions.foreignCount,
    };
  }

  /** Ends what goes on beside delivery; the subscriptions end with the connection. */
  close(): void {
    this.#subscriptions.end();
  }

  /** Hands a message that was found in the store to the room's listeners, if it was not heard. */
  deliver(heard: HeardRoom, message: DurableMessage): void {
    if (!isNewer(heard, message.epoch, message.seq)) return;
    this.#note(heard, message);
    for (const listener of heard.listeners) listener.onDurable(heard.token, message);
  }

  /** The history of a room is not what it was: its listeners read on from where they are. */
  tellHistoryChanged({ token, listeners }: HeardRoom, isLost: boolean): void {
    for (const listener of listeners) listener.onHistoryChanged(token, isLost);
  }

  #open(room: RoomAddress): HeardRoom {
    const heard: HeardRoom = {
      room,
      token: room.token,
      listeners: [],
      counts: null,
      sinceTick: this.#events.tick(),
      epoch: 0,
      seq: 0,
      timeUs: 0,
      subscription: null,
    };
    this.#rooms.set(room.token, heard);
    this.#subscriptions.open(heard);
    this.#events.onJoined(heard);
    return heard;
  }

  /**
   * Hot path, once per message: what has no headers is ephemeral, and its subject is not read. So
   * is what has none of a server's: it is sampled, and carries a traceparent.
   */
  #take(message: Msg, heard: HeardRoom): void {
    const headers = this.#headers;
    if (!readHeaders(message, headers)) {
      this.#events.onEphemeral(heard, message.data);
      return;
    }
    const epoch = Number(message.subject.split(".")[3]);
    if (headers.tail >= 0) {
      this.#events.onTail(heard, epoch, headers.tail);
      return;
    }
    if (hasNoPlace(headers)) {
      this.#events.onEphemeral(heard, message.data);
      return;
    }
    const durable = this.#toDurable(message, epoch);
    if (durable === null) return;
    this.#note(heard, durable);
    for (const listener of heard.listeners) listener.onDurable(heard.token, durable);
  }

  #note(heard: HeardRoom, message: DurableMessage): void {
    if (isNewer(heard, message.epoch, message.seq)) {
      if (message.epoch > heard.epoch) this.#events.onEpoch(heard, message.epoch);
      heard.epoch = message.epoch;
      heard.seq = message.seq;
      heard.timeUs = message.timeUs;
    } else if (message.epoch === heard.epoch && message.timeUs > heard.timeUs) {
      this.#events.onLater(heard, message);
    }
  }

  /** Hot path, once per message of a slot that is listened to by wildcard. */
  #takeFromSlot(message: Msg): boolean {
    const { subject } = message;
    const heard = this.#rooms.get(subject.slice(subject.lastIndexOf(".") + 1));
    if (heard === undefined) return false;
    this.#take(message, heard);
    return true;
  }

  #takeOfSlot(message: Msg, listener: RoomListener): void {
    const [, , , epochText, token] = message.subject.split(".");
    if (token === undefined) return;
    const headers = this.#headers;
    if (!readHeaders(message, headers) || (headers.tail < 0 && hasNoPlace(headers))) {
      const envelope = this.#events.openEphemeral(message.data);
      if (envelope !== null) listener.onEphemeral(token, envelope);
      return;
    }
    const durable = this.#toDurable(message, Number(epochText));
    if (durable !== null) listener.onDurable(token, durable);
  }

  /** A republished message, by the headers that were just read; null for anything else. */
  #toDurable(message: Msg, epoch: number): DurableMessage | null {
    const { shard, seq, timeUs, lastSeq } = this.#headers;
    // Only a server adds all of them; whoever sends something else here is a foreigner.
    if (shard < 0 || seq < 1 || timeUs < 0 || lastSeq < 0 || !(epoch >= 1)) {
      this.#events.onForeign(message.subject);
      return null;
    }
    // Stored, so the chain needs it; readers skip it as void.
    if (!isEnvelope(message.data)) this.#events.onForeign(message.subject);
    this.#events.onHeard(shard, seq, timeUs);
    return { epoch, seq, timeUs, prevSeq: lastSeq, envelope: message.data };
  }
}

/** Whether no server has republished it. */
function hasNoPlace({ shard, seq, lastSeq, timeUs }: ScannedHeaders): boolean {
  return shard < 0 && seq < 0 && lastSeq < 0 && timeUs < 0;
}

/** Whether (epoch, seq) is beyond what was heard of a room. */
export function isNewer(heard: HeardRoom, epoch: number, seq: number): boolean {
  return epoch > heard.epoch || (epoch === heard.epoch && seq > heard.seq);
}
