/**
 * The seam between a room and its client: what each may ask of the other.
 */
import type { Codec } from "./codec.ts";
import type { TidegateError } from "./error.ts";
import type { RoomPolicy } from "./event.ts";
import type { Gap, Message } from "./gen/tidegate/client/v1/message.ts";
import type { Joined, JoinRoom, RoomPolicyChanged } from "./gen/tidegate/client/v1/room.ts";
import type { HistoryRequests } from "./history.ts";
import type { Link } from "./link.ts";
import type { Membership, MembershipState } from "./membership.ts";
import type { PublishResult } from "./publish-queue.ts";
import type { ReadPause } from "./read-pause.ts";
import type { TraceHooks } from "./trace-hooks.ts";

/** What a room needs of its client. */
export interface RoomLink extends Link {
  /** This client's producer hash, to know own messages by. */
  readonly ownProducer: Uint8Array;
  readonly rooms: RoomsOfRoom;
  /** Where the runtime can stop reading. */
  readonly pause: ReadPause | undefined;
  readonly history: Pick<HistoryRequests, "ask">;
  /** Who hears of publishes and messages. */
  readonly tracing: TraceHooks | undefined;
  publish(
    room: string,
    payload: Uint8Array,
    needsAck: boolean,
    traceparent: string,
  ): Promise<PublishResult>;
  /** @throws {TidegateError} what closed the client. */
  throwIfClosed(): void;
}

/** What a room tells to all rooms' keeper. */
export interface RoomsOfRoom {
  /** The room is out and wants in: collect it into the next Join. */
  requestJoin(room: RoomEnd): void;
  sendLeave(room: RoomEnd, alias: number): void;
  /** Those that are joined, or are to be. */
  all(): Iterable<RoomEnd>;
  /** Whether no answer is being waited for. */
  readonly isFree: boolean;
  /** It has ended. */
  remove(room: RoomEnd): void;
}

/** The client's end of a room: what frames do to it. */
export interface RoomEnd {
  readonly name: string;
  readonly state: MembershipState;
  readonly policy: RoomPolicy;
  /** Whether the queue is at least half full. */
  readonly isBehind: boolean;
  join(): JoinRoom;
  onJoined(joined: Joined): void;
  onJoinError(error: TidegateError): void;
  onMessage(message: Message, bytes: number): void;
  onGap(gap: Gap): void;
  onPolicy(change: RoomPolicyChanged): void;
  onLeft(code: string): void;
  onBreak(): void;
  end(error: TidegateError | null): void;
}

/** How to join; checked by the client. */
export interface RoomSetup<T> {
  readonly name: string;
  readonly codec: Codec<T>;
  readonly membership: Membership;
  readonly queueCountMax: number;
  readonly queueBytesMax: number;
  /** The first Joined came, or the room will never be joined. */
  onOpen(error: TidegateError | null): void;
}
