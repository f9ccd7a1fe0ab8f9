/**
 * The history of a run: what was called, what was answered, what was delivered, what was stored and
 * what was broken when. Facts only; check.ts judges them.
 *
 * All times are microseconds of the machine's monotonic clock, the same in every process.
 */

/** Where a message stands: the text form of an SDK's position, taken apart. */
export interface Place {
  readonly epoch: number;
  readonly seq: number;
  readonly timeUs: number;
}

/** Names a message in a room: the producer, and the how many-th of it there, from 1. */
export interface MessageName {
  readonly room: string;
  readonly producer: string;
  readonly n: number;
}

/**
 * What became of a publish. `failed`: the SDK said that it is not stored. `open`: no answer at all.
 */
export type Outcome = "acked" | "unknown" | "failed" | "open";

/** One call of publish. */
export interface Publish extends MessageName {
  readonly invokedUs: number;
  outcome: Outcome;
  /** When the answer came; 0 while open. */
  endedUs: number;
  /** Of a durable room's ack. */
  place: Place | null;
  /** Error code of what was not acknowledged, and what the error said. */
  code: string;
  detail: string;
}

/** What a consumer met in a room, in its order. */
export type ConsumerEvent =
  /** It asked to be let in; `after` when it resumes by a position of its own. */
  | {
      readonly type: "joined";
      readonly room: string;
      readonly atUs: number;
      readonly after: Place | null;
    }
  | {
      readonly type: "message";
      readonly room: string;
      readonly atUs: number;
      readonly producer: string;
      readonly n: number;
      /** Null in ephemeral rooms. */
      readonly place: Place | null;
    }
  | {
      readonly type: "gap";
      readonly room: string;
      readonly atUs: number;
      readonly reason: string;
      readonly missedCount: number;
    };

/** A time in which a client had no connection; `toUs` Infinity when it never came back. */
export interface Absence {
  readonly fromUs: number;
  toUs: number;
}

/** One consumer over its whole life, over gateways and clients. */
export interface Consumer {
  readonly name: string;
  readonly rooms: readonly string[];
  readonly events: readonly ConsumerEvent[];
  readonly absences: readonly Absence[];
  /** It stands still by itself now and then, so nobody else is to blame when it is late. */
  readonly isSlow: boolean;
}

/** A message as the store has it at the end. */
export interface StoredMessage extends MessageName {
  readonly place: Place;
  /** R2: no reader may show it. */
  readonly isVoid: boolean;
}

/** A fault as it happened. */
export interface FaultSpan {
  readonly name: string;
  readonly target: string;
  readonly fromUs: number;
  /** Healed. */
  readonly toUs: number;
  /** Whether a publish meanwhile may end as OUTCOME_UNKNOWN. */
  readonly mayCauseUnknown: boolean;
  /** Whether it is a gateway's own death: who loses ephemeral messages by it is told less. */
  readonly isGatewayDeath: boolean;
}

/** Everything about a run. */
export interface History {
  readonly durableRooms: readonly string[];
  readonly ephemeralRooms: readonly string[];
  readonly publishes: readonly Publish[];
  /** Absences of producers, by name. */
  readonly producerAbsences: Readonly<Record<string, readonly Absence[]>>;
  readonly consumers: readonly Consumer[];
  /** Durable rooms, each in the order of places. */
  readonly stored: readonly StoredMessage[];
  readonly faults: readonly FaultSpan[];
  /** Processes of ours that ended though nobody ended them. */
  readonly deaths: readonly string[];
}

/** Negative when `a` is before `b`; the time is not part of the order. */
export function comparePlaces(a: Place, b: Place): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}

/** "epoch.seq.time", as SDKs print it. */
export function formatPlace({ epoch, seq, timeUs }: Place): string {
  return `${epoch}.${seq}.${timeUs}`;
}

/** Reads what an SDK printed; null for what it has none for. */
export function parsePlace(text: string | null): Place | null {
  if (text === null || text === "") return null;
  const [epoch = 0, seq = 0, timeUs = 0] = text.split(".").map(Number);
  return { epoch, seq, timeUs };
}

/** Key of a message. */
export function nameKey({ room, producer, n }: MessageName): string {
  return `${room}|${producer}|${n}`;
}
