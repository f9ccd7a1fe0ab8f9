/**
 * One producer in one durable room, as publishing sees it: the front of its message ids (R1), its
 * subject, and the order in which its publishes are answered, whenever their times are found.
 */
import { createHash } from "node:crypto";
import type { CodedError } from "../../proto/coded-error.ts";
import type { AppendAck, AppendDone } from "../bus.ts";
import type { RoomAddress } from "../subjects.ts";
import { inSubject } from "./wire.ts";

/** A lane not used for one to two of these is forgotten, ms. */
const TICK_MS = 10_000;
/** Lanes at once, about 500 bytes each; then all without a publish under way are forgotten. */
export const LANE_COUNT_MAX = 50_000;
/** Answered places kept before the array is cut: shifting each would cost what the array holds. */
const CUT_COUNT = 256;

/** A publish in its lane. */
export interface LaneEntry {
  readonly done: AppendDone;
  /** Set with its answer. */
  isAnswered: boolean;
  error: CodedError | null;
  ack: AppendAck | null;
}

/** The publishes of one producer to one room. */
export class AppendLane {
  readonly room: RoomAddress;
  /** What the ids of its messages begin with. */
  readonly idPrefix: string;
  isUsed = true;
  /** Entries that have failed and are not told yet. */
  #failingCount = 0;
  #entries: LaneEntry[] = [];
  /** Index of the first that is not answered. */
  #first = 0;
  #subject = "";
  #epoch = 0;

  constructor(room: RoomAddress, idPrefix: string) {
    this.room = room;
    this.idPrefix = idPrefix;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Where the room's messages of this epoch are published. */
  subject(epoch: number): string {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#subject = inSubject(this.room, epoch);
    }
    return this.#subject;
  }

  /**
   * Whether an entry has failed and was not told so yet: what is sent now would overtake it (R3).
   * Hot path.
   */
  get isFailing(): boolean {
    return this.#failingCount > 0;
  }

  /** An entry will be answered with an error, in a moment. */
  fail(entry: LaneEntry, error: CodedError): void {
    if (entry.error === null) this.#failingCount += 1;
    entry.error = error;
  }

  /** Takes the next place. */
  push(entry: LaneEntry): void {
    this.isUsed = true;
    this.#entries.push(entry);
  }

  /** An entry has its answer: told when all before it have theirs. */
  answer(entry: LaneEntry, error: CodedError | null, ack: AppendAck | null): void {
    entry.isAnswered = true;
    if (error !== null) this.fail(entry, error);
    entry.ack = ack;
    for (;;) {
      const first = this.#entries[this.#first];
      if (first === undefined || !first.isAnswered) break;
      this.#first += 1;
      if (first.error !== null) this.#failingCount -= 1;
      first.done(first.error, first.ack);
    }
    if (this.#first === this.#entries.length) {
      this.#entries = [];
      this.#first = 0;
    } else if (this.#first >= CUT_COUNT) {
      this.#entries.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

/** Every lane in use, made when needed. */
export class AppendLanes {
  /** By room token, then producer. Two looks by texts that are kept, instead of a new text. */
  readonly #rooms = new Map<string, Map<string, AppendLane>>();
  #count = 0;
  readonly #tick: NodeJS.Timeout;

  constructor() {
    this.#tick = setInterval(() => this.#forget(true), TICK_MS).unref();
  }

  /** The lane of a producer in a room. Hot path. */
  of(room: RoomAddress, producer: string): AppendLane {
    const lane = this.#rooms.get(room.token)?.get(producer);
    return lane ?? this.#open(room, producer);
  }

  close(): void {
    clearInterval(this.#tick);
  }

  #open(room: RoomAddress, producer: string): AppendLane {
    if (this.#count >= LANE_COUNT_MAX) this.#forget(false);
    let lanes = this.#rooms.get(room.token);
    if (lanes === undefined) {
      lanes = new Map();
      this.#rooms.set(room.token, lanes);
    }
    // R1: the id's scope is the whole stream, so it names the room, and others see only hashes.
    const roomId = createHash("sha256").update(room.token).digest("base64url").slice(0, 22);
    const lane = new AppendLane(
      room,
      `${roomId}.${Buffer.from(producer, "latin1").toString("base64url")}.`,
    );
    lanes.set(producer, lane);
    this.#count += 1;
    return lane;
  }

  /** Lanes in use stay: a second lane of one producer would not know its order. */
  #forget(isUnusedOnly: boolean): void {
    for (const [token, lanes] of this.#rooms) {
      for (const [producer, lane] of lanes) {
        if (lane.isEmpty && !(isUnusedOnly && lane.isUsed)) {
          lanes.delete(producer);
          this.#count -= 1;
        }
        lane.isUsed = false;
      }
      if (lanes.size === 0) this.#rooms.delete(token);
    }
  }
}
