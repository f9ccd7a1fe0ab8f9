/**
 * What the loop over a room yields: messages, and in their place among them gaps, policy changes
 * and messages that the room's codec could not read.
 */
import type { Codec } from "./codec.ts";
import { errorText, TidegateError } from "./error.ts";
import type { Gap, Message } from "./gen/tidegate/client/v1/message.ts";
import type { RoomPolicy as WirePolicy } from "./gen/tidegate/client/v1/room.ts";
import { formatPosition, type Position } from "./position.ts";

/** Who sent a message, when, and where it stands. */
export interface MessageFacts {
  /** Full name of the room. */
  readonly room: string;
  /** The authenticated user who published it; empty when anonymous. */
  readonly user: string;
  /** Where it stands; null in ephemeral rooms. Save it to resume from here. */
  readonly position: Position | null;
  /** Whether this client instance published it. */
  readonly isOwn: boolean;
  /** Server time at which the publisher first sent it. */
  readonly sentAt: Date;
}

/** A message. */
export interface RoomMessage<T> extends MessageFacts {
  readonly type: "message";
  readonly payload: T;
}

/** A message whose payload the codec refused; the stream goes on. */
export interface RoomInvalid extends MessageFacts {
  readonly type: "invalid";
  /** `PAYLOAD_INVALID`, with what the codec threw as its cause. */
  readonly error: TidegateError;
  /** The payload as it came. */
  readonly bytes: Uint8Array;
}

/** By number on the wire (GapReason in proto/tidegate/client/v1/message.proto). */
const GAP_REASONS = [
  "UNKNOWN",
  "RETENTION",
  "POSITION_UNKNOWN",
  "SLOW_MEMBER",
  "EPHEMERAL",
  "BUS",
] as const;

/** Why messages are missing; docs/protocol.md has the circumstances. */
export type GapReason = (typeof GAP_REASONS)[number];

/** Messages are missing here, for good. */
export interface RoomGap {
  readonly type: "gap";
  readonly room: string;
  readonly reason: GapReason;
  /** How many, or 0 when that is not known. */
  readonly missedCount: number;
}

/** What the room's class and the member's own rights allow. */
export interface RoomPolicy {
  /** Stored, acknowledged, ordered and resumable; else at most once. */
  readonly isDurable: boolean;
  readonly mayPublish: boolean;
  readonly mayReadHistory: boolean;
  /** Messages that history and resume reach back; 0 in ephemeral rooms. */
  readonly historyCountMax: number;
  /** Age that history and resume reach back, seconds; 0 in ephemeral rooms. */
  readonly historyAgeMaxS: number;
  /** The gateway is cut off from the others: nothing comes from elsewhere until it is back. */
  readonly isDegraded: boolean;
}

/** What is allowed changed. */
export interface RoomPolicyChange {
  readonly type: "policy";
  readonly room: string;
  readonly policy: RoomPolicy;
}

/** One step of the loop over a room. Later versions may add types: ignore unknown ones. */
export type RoomEvent<T> = RoomMessage<T> | RoomInvalid | RoomGap | RoomPolicyChange;

/**
 * Turns a message from the wire into an event. Runs user code: the codec.
 *
 * @param ownProducer latin1 text of this client's producer hash.
 */
export function messageEvent<T>(
  message: Message,
  room: string,
  ownProducer: Uint8Array,
  codec: Codec<T>,
): RoomMessage<T> | RoomInvalid {
  const envelope = message.envelope;
  const bytes = envelope?.payload ?? new Uint8Array(0);
  const facts: MessageFacts = {
    room,
    user: envelope?.user ?? "",
    position: message.position === undefined ? null : formatPosition(message.position),
    isOwn: envelope !== undefined && areEqual(envelope.producer, ownProducer),
    sentAt: new Date(Math.floor((envelope?.firstSentUs ?? 0) / 1000)),
  };
  try {
    return { type: "message", payload: codec.decode(bytes), ...facts };
  } catch (cause) {
    const error = new TidegateError("PAYLOAD_INVALID", errorText(cause), { cause });
    return { type: "invalid", error, bytes: new Uint8Array(bytes), ...facts };
  }
}

/** A gap that the gateway announced. */
export function gapEvent(gap: Gap, room: string): RoomGap {
  return {
    type: "gap",
    room,
    reason: gapReason(gap.reason),
    missedCount: gap.missedCount,
  };
}

/** The name of a reason on the wire; UNKNOWN for those this version does not know. */
export function gapReason(reason: number): GapReason {
  return GAP_REASONS[reason] ?? "UNKNOWN";
}

/** The policy in the SDK's words. An absent one allows nothing. */
export function roomPolicy(policy: WirePolicy | undefined): RoomPolicy {
  return {
    isDurable: !!policy?.durable,
    mayPublish: !!policy?.mayPublish,
    mayReadHistory: !!policy?.mayReadHistory,
    historyCountMax: policy?.historyCountMax ?? 0,
    historyAgeMaxS: policy?.historyAgeMaxS ?? 0,
    isDegraded: !!policy?.degraded,
  };
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length > 0 && a.length === b.length && a.every((byte, at) => byte === b[at]);
}
