/**
 * The seam between a room and its client: what each may ask of the other.
 */
import type { Clock } from "./clock.ts";
import type { Codec } from "./codec.ts";
import type { TidegateError } from "./error.ts";
import type { RoomPolicy } from "./event.ts";
import type { Gap, Message } from "./gen/tidegate/client/v1/message.ts";
import type { Joined, JoinRoom, RoomPolicyChanged } from "./gen/tidegate/client/v1/room.ts";
import type { HistoryOptions, HistoryPage } from "./history.ts";
import type { Membership, MembershipState } from "./membership.ts";
import type { PublishResult } from "./publisher.ts";

/** What a room needs of its client. */
export interface RoomLink {
  readonly clock: Clock;
  /** This client's producer hash, to know own messages by. */
  ownProducer(): Uint8Array;
  /** How long to wait before the next try (backoff.ts), milliseconds. */
  backoffMs(failedCount: number, retryAfterMs: number): number;
  /** The room is out and wants in: collect it into the next Join. */
  requestJoin(room: RoomEnd): void;
  sendLeave(room: RoomEnd, alias: number): void;
  /** The queue has crossed a mark: maybe read slower, or on. */
  onFill(): void;
  onEnded(room: RoomEnd): void;
  publish<T>(room: string, value: T, codec: Codec<T>, ack: boolean): Promise<PublishResult>;
  history<T>(room: string, codec: Codec<T>, options: HistoryOptions): Promise<HistoryPage<T>>;
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
