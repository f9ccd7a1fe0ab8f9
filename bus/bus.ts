/**
 * The bus: what gateways and control planes need of a message system, in one interface.
 *
 * Two implementations: bus/embedded (one process, node:sqlite) and bus/nats. test/bus/contract.ts
 * is the promise both keep. Rules R1 to R9 are those of docs/guarantees.md.
 */
import type { CodedError } from "../proto/coded-error.ts";
import type { Journal } from "./journal.ts";
import type { KeyValue, KeyValueChange } from "./key-value.ts";
import type { Position } from "./position.ts";
import type { ShardAdmin } from "./shard-admin.ts";
import type { RoomAddress } from "./subjects.ts";
import type { Topology } from "./topology.ts";
import type { PublishLimits } from "./void.ts";

/** Names a publish (R1). A retry carries the same name; the store keeps one copy per name. */
export interface MessageId {
  /** 16 bytes as a latin1 string of 16 characters: hash of (tenant, user, producer key). */
  readonly producer: string;
  /** The producer's count in this room, 1 to 2^53 - 1. */
  readonly seq: number;
}

/** A message of a durable room, as stored. */
export interface DurableMessage extends Position {
  /** `seq` of the message before it in this room and epoch when it was stored; 0 if none. */
  readonly prevSeq: number;
  /** Encoded tidegate.client.v1.Envelope. Shared: never write to it. */
  readonly envelope: Uint8Array;
}

/** Answer to a successful append. */
export interface AppendAck extends Position {
  /** True: this name was stored before within the window, here is that one's position (R4). */
  readonly isDuplicate: boolean;
}

/**
 * Called once per append, never inside the append call itself. `error.info.retry === "same"` means
 * that the same id may be tried again and that nothing was stored, except for `UNCONFIRMED`, after
 * which it may be; `OUTCOME_UNKNOWN` that it may have been and is not to be tried again.
 */
export type AppendDone = (error: CodedError | null, ack: AppendAck | null) => void;

/** Receives the live messages of a room or slot. Must not throw, and must not block. */
export interface RoomListener {
  /**
   * An ephemeral message. At most once, in each publisher's order.
   *
   * @param token subject token of the room, {@link RoomAddress.token}.
   * @param envelope shared bytes, valid for as long as they are held; never write to them.
   */
  onEphemeral(token: string, envelope: Uint8Array): void;
  /**
   * A durable message. May be missed, repeated or late, but never re-ordered within an epoch: the
   * receiver checks the chain (bus/chain.ts, R5) and fills what is missing by {@link
   * Bus.readAfter}.
   */
  onDurable(token: string, message: DurableMessage): void;
  /**
   * Ephemeral messages are missing here, in the order of messages: lost between processes. Told
   * within 2 s of the loss; not told to listeners of a slot.
   *
   * @param missedCount how many; 0 when that is not known.
   */
  onLoss(token: string, missedCount: number): void;
  /**
   * The room's history lost messages (a shard restored from an older copy, R9): what was delivered
   * may be gone. The receiver reads on after its place, and finds that it is not there.
   *
   * @param isLost its place may look right again: what was stored meanwhile took the same
   *   sequences. Members are told that messages are missing, whatever the read finds.
   */
  onHistoryChanged(token: string, isLost: boolean): void;
}

/** Ends an interest; calling it twice is harmless. */
export type Unsubscribe = () => void;

/** What {@link Bus.readAfter} found. */
export interface ReadAfter {
  /**
   * True: `messages` are exactly the next ones after the position asked for (R9). False: the
   * position is not in this room's history (expired, another history, the future); `messages` are
   * the oldest kept. True when asked from the beginning (null).
   */
  readonly isContinuous: boolean;
  /** Oldest first. Void messages (R2, bus/void.ts) are still in it: skip, but count, them. */
  readonly messages: readonly DurableMessage[];
  /** Whether the last of `messages` was the newest of the room when it was read. */
  readonly isEnd: boolean;
}

/** What {@link Bus.readBefore} found. */
export interface ReadBefore {
  /** Oldest first. */
  readonly messages: readonly DurableMessage[];
  /** Whether older ones are stored. */
  readonly hasMore: boolean;
}

/** State of the connection to the store and to other processes. */
export interface BusStatus {
  /** False while nothing may be passed on: no connection, no lease, or a clock that is wrong. */
  readonly isConnected: boolean;
  /** A sentence for people. */
  readonly detail: string;
  /** How long the bus takes to answer, ms: the last ping, or the one that is out if longer. */
  readonly lagMs?: number;
  /** What should not have happened, counted by kind since the start; absent kinds never did. */
  readonly troubles?: Readonly<Record<string, number>>;
  /** What happened since the start, by name; for /health. */
  readonly counters?: Readonly<Record<string, number>>;
}

/** Most messages of one read; larger limits are lowered to it. Keeps one answer below 64 MB. */
export const READ_COUNT_MAX = 500;

/** Bytes of a question and of an answer: both fit NATS's message of 1 MB. */
export const ASK_BYTES_MAX = 512 * 1024;
/** Questions a process answers at once: at most 64 MB of bodies. */
export const ANSWER_COUNT_MAX = 64;

/** Answers one question. */
export type AnswerHandler = (body: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** @param isNew whether the process has a new incarnation, since its lease was gone. */
export type ResumeStep = (isNew: boolean) => Promise<void>;

/** A process, and which life of it. */
export interface ProcessName {
  readonly id: string;
  /** Changes when its lease was gone before it was renewed (R12), and with each start. */
  readonly incarnation: string;
}

export interface Bus {
  /** "embedded" or "nats"; for people, never to branch on. */
  readonly kind: string;

  /** R2's times, the same in every process of this bus, for as long as it exists. */
  readonly publishLimits: PublishLimits;

  /**
   * Passes an ephemeral message on: at most once, per-publisher order, to this process's listeners
   * too (which may happen before it returns). Hot path: keeps no reference to `envelope` that the
   * caller could still write to, so the caller must not.
   *
   * @throws {CodedError} `UNAVAILABLE` when not connected; nothing was passed on.
   */
  publish(room: RoomAddress, envelope: Uint8Array): void;

  /**
   * Stores a message of a durable room and fans it out. Appends of one (producer, room) are stored
   * in the order of the calls; `done` is called in that order too. Hot path.
   *
   * @param firstSentUs server time of the first try (R2): a message that would be stored more than
   *   `publishLimits.voidAfterUs` later is void, and its `done` gets `OUTCOME_UNKNOWN`.
   * @param done gets the ack, or `STORE_FULL`, `UNAVAILABLE`, `UNCONFIRMED`, `OUTCOME_UNKNOWN`,
   * `STORE_CORRUPT`,
   *   `PAYLOAD_TOO_LARGE` (an envelope above 1 MB), `REQUEST_INVALID` (a name out of bounds).
   */
  append(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ): void;

  /** Delivers a room's live messages to `listener` until unsubscribed. */
  subscribeRoom(room: RoomAddress, listener: RoomListener): Unsubscribe;

  /** Delivers the live messages of every room of a slot, 0 to SLOT_COUNT - 1. */
  subscribeSlot(slot: number, listener: RoomListener): Unsubscribe;

  /**
   * Reads on from a position, inclusive check first (R9). `null`: from the oldest kept.
   *
   * @param limit 1 to READ_COUNT_MAX.
   * @throws {CodedError} `UNAVAILABLE`.
   */
  readAfter(room: RoomAddress, after: Position | null, limit: number): Promise<ReadAfter>;

  /**
   * Reads back from a position, exclusive. `null`: the newest.
   *
   * @param limit 1 to READ_COUNT_MAX.
   * @throws {CodedError} `UNAVAILABLE`.
   */
  readBefore(room: RoomAddress, before: Position | null, limit: number): Promise<ReadBefore>;

  /** The newest stored message's position, or null for an empty room. `UNAVAILABLE` as above. */
  head(room: RoomAddress): Promise<Position | null>;

  /**
   * The `count`-th newest stored message's position, or null when fewer are stored: how far back a
   * class with that history count reaches. May be some messages too old, or null, while the room is
   * busy or the copy that answers lags.
   *
   * @param count 1 to 100000.
   * @throws {CodedError} `UNAVAILABLE`.
   */
  floor(room: RoomAddress, count: number): Promise<Position | null>;

  /** Opens a bucket of keys, made on first use. Name [a-z][a-z0-9-]{0,31}. */
  keyValue(bucket: string): Promise<KeyValue>;

  /**
   * Asks one process a question that it answers by {@link answer}.
   *
   * @param process its id, as in {@link Topology.processes}; this one's own too.
   * @param kind [a-z][a-z0-9-]{0,31}.
   * @param body at most ASK_BYTES_MAX.
   * @param timeoutMs for the answer, 1 to 60 000.
   * @throws {CodedError} `NOT_FOUND`: nobody of that id is there, or it answers no such questions;
   *   `UNAVAILABLE`: no answer in time (it may have acted on the question), or too many at once;
   *   `REQUEST_INVALID`; else what the answering side threw, INTERNAL for what was not coded.
   */
  ask(process: string, kind: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;

  /**
   * Answers questions of a kind until unsubscribed; of several handlers the newest does. At most
   * {@link ANSWER_COUNT_MAX} at once, the next ones are refused with `UNAVAILABLE`.
   *
   * @param handle its answer has at most ASK_BYTES_MAX. May throw a CodedError for the asker.
   */
  answer(kind: string, handle: AnswerHandler): Unsubscribe;

  /**
   * A record of the bucket "control" that came by another way than the bus's own watch: it counts
   * from now on if it is of a slot, a shard or a group and newer than what is known of it. The
   * watch stays the truth: only by it is a record acknowledged (R10), and deleted.
   */
  hint(change: KeyValueChange): void;

  /** Processes, shards and slots of this bus, for operators. */
  readonly topology: Topology;

  /** This process as {@link Topology.processes} lists it, also before others can see it. */
  readonly self: ProcessName;

  /**
   * Adds what must be done between the renewal of a lost lease and the first publish after it
   * (R12). A step that fails, or takes more than 5 s, is called again after the next renewal. It
   * must not wait for an acknowledgement to be written. Never called where there are no leases.
   */
  beforeResume(step: ResumeStep): void;

  /** What happened to clients, written down for a day. */
  readonly journal: Journal;

  /** Changes shards, groups and which shard has which slot. */
  readonly shards: ShardAdmin;

  /** Now. */
  status(): BusStatus;

  /**
   * Tells when this process is cut off from the others, and when it is back: at the latest 2 s
   * after the last sign of life, and not for outages shorter than 1 s. Not told the present state.
   */
  followCutOff(listener: (isCutOff: boolean) => void): Unsubscribe;

  /** Whether this process is cut off now, as {@link followCutOff} tells. */
  readonly isCutOff: boolean;

  /** Settles what was appended, then ends. Later calls fail with `UNAVAILABLE`. */
  close(): Promise<void>;
}
