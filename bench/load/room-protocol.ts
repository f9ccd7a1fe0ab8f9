/**
 * What a bench and its room generator (room-generator.ts) say to each other.
 */
import type { PlainHistogram } from "./histogram.ts";
import type { TallyPlain } from "./tally.ts";

/** Connections with one durable room each, "chat:room-<number>", numbers from 0. */
export interface RoomPlan {
  readonly url: string;
  readonly roomCount: number;
  readonly membersPerRoom: number;
  /** False: they publish without being members. */
  readonly isJoining: boolean;
}

/** What a room generator is told. */
export type RoomCommand =
  | { readonly kind: "open"; readonly plan: RoomPlan }
  /** The first member of each room in turn publishes; `count` in all. */
  | { readonly kind: "publish"; readonly count: number; readonly ratePerS: number }
  /** Answered when every member has received so many messages, or none came for some time. */
  | { readonly kind: "settle"; readonly number: number }
  /** Connections that end from now on are no errors: their gateway is killed. */
  | { readonly kind: "part" }
  /**
   * Every member dials `url` and resumes after its last position; answered when all have everything
   * up to the room's message `number`.
   */
  | { readonly kind: "resume"; readonly url: string; readonly number: number }
  /**
   * One connection joins rooms `firstRoom` on: `inTurn` one after the other and timed, else as many
   * in a frame as fit.
   */
  | {
      readonly kind: "join";
      readonly url: string;
      readonly firstRoom: number;
      readonly roomCount: number;
      readonly inTurn: boolean;
    }
  | { readonly kind: "take" };

/** What it answers. */
export type RoomReply =
  | { readonly kind: "opened" }
  /** Every publish was acknowledged. */
  | { readonly kind: "published" }
  | { readonly kind: "settled" }
  | { readonly kind: "parted" }
  | {
      readonly kind: "resumed";
      readonly elapsedUs: number;
      /** Members told `recovered: true` that then got exactly the missed messages, in order. */
      readonly exactCount: number;
      /** From a member's dial to its last missed message. */
      readonly latency: PlainHistogram;
    }
  | { readonly kind: "joined"; readonly latency: PlainHistogram }
  | { readonly kind: "taken"; readonly tally: TallyPlain; readonly cpuUs: number };
