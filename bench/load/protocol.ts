/**
 * What a bench and its generator processes say to each other.
 */
import type { ConsumerEvent, Publish } from "../../test/chaos/history.ts";
import type { NatsTarget } from "../servers/nats-fleet.ts";
import type { TallyPlain } from "./tally.ts";

/** Systems under test: the yardstick and Tidegate, each in one process. */
export const SYSTEMS = ["bare", "tidegate"] as const;
/** Tidegate without traces and metrics on a message's way, with 1 % of them traced, and all. */
export const TELEMETRY_SYSTEMS = [
  "tidegate-telemetry-absent",
  "tidegate-traced-1",
  "tidegate-traced-100",
] as const;
/** And Tidegate with every rate set, and none of them reached. */
export const FANOUT_SYSTEMS = [...SYSTEMS, "tidegate-limits", ...TELEMETRY_SYSTEMS] as const;
/** And Tidegate with a token for each user, 50 flags and every rate. */
export const MEMORY_SYSTEMS = [...SYSTEMS, "tidegate-full"] as const;
/** The first two with a nats-server between publisher and member. */
export const NATS_SYSTEMS = ["bare-nats", "tidegate"] as const;
/** One of any of these. */
export type System =
  | (typeof FANOUT_SYSTEMS)[number]
  | (typeof MEMORY_SYSTEMS)[number]
  | (typeof NATS_SYSTEMS)[number];

/** Connections of one generator process. Room r has members 0 to membersPerRoom - 1. */
export interface LoadPlan {
  readonly system: System;
  readonly url: string;
  /** Number of the first connection in the whole run; spreads source addresses. */
  readonly firstIndex: number;
  readonly firstRoom: number;
  readonly roomCount: number;
  /** Members `firstMember` to `endMember` - 1 of every room. Member 0 publishes. */
  readonly firstMember: number;
  readonly endMember: number;
  /** Every how many members one records latency. */
  readonly sampleEvery: number;
  /** Of the issuer of tokens, Ed25519, PEM; left out: without a token. */
  readonly privateKey?: string;
}

/** What a generator is told; each kind but `open`, `publish` is answered at once. */
export type LoadCommand =
  | { readonly kind: "open"; readonly plan: LoadPlan }
  /** Publishes `count` messages in all, in turn by every publisher, at `ratePerS`. */
  | { readonly kind: "publish"; readonly count: number; readonly ratePerS: number }
  /** Answered when so many deliveries are counted, or none came for some time. */
  | { readonly kind: "settle"; readonly deliveredCount: number }
  | { readonly kind: "take" };

/** What a generator answers. */
export type LoadReply =
  | { readonly kind: "opened" }
  | { readonly kind: "published" }
  | { readonly kind: "settled" }
  | { readonly kind: "taken"; readonly tally: TallyPlain; readonly cpuUs: number };

/** Durable publishing: through the gateway, or straight to the bus. */
export interface DurablePlan {
  /** Of the gateway; empty when the generator holds the bus itself. */
  readonly url: string;
  /** For a generator that holds the bus itself: where it is; null for the embedded one. */
  readonly nats: NatsTarget | null;
  /** Each publishes to a room of its own. */
  readonly connectionCount: number;
  /** Unanswered publishes kept, over all connections. */
  readonly inFlightMax: number;
}

/** What a durable generator is told. */
export type DurableCommand =
  | { readonly kind: "open"; readonly plan: DurablePlan }
  /** Publishes `count`, paced at `ratePerS`, or as fast as acks come when it is 0. */
  | { readonly kind: "publish"; readonly count: number; readonly ratePerS: number }
  | { readonly kind: "take" };

/** What a durable generator answers. */
export type DurableReply =
  | { readonly kind: "opened" }
  /** Every publish was answered. */
  | { readonly kind: "published" }
  | { readonly kind: "taken"; readonly tally: TallyPlain; readonly cpuUs: number };

/** Publishing and listening to rooms whose slots move. */
export interface MovePlan {
  readonly nats: NatsTarget;
  /** Of the process on the bus. */
  readonly name: string;
  readonly shardCount: number;
  /** Each is published to in its turn, and listened to. */
  readonly rooms: readonly string[];
}

/** What a worker of moves is told. */
export type MoveCommand =
  | { readonly kind: "open"; readonly plan: MovePlan }
  | { readonly kind: "publish"; readonly ratePerS: number }
  /** Publishes no more; answered when every publish has its answer. */
  | { readonly kind: "end" }
  /** Answered when so many messages have come, or after `waitMs`. */
  | { readonly kind: "settle"; readonly count: number; readonly waitMs: number }
  | { readonly kind: "take" };

/** What a worker of moves answers. */
export type MoveReply =
  | { readonly kind: "opened" }
  | { readonly kind: "publishing" }
  | { readonly kind: "ended"; readonly publishCount: number }
  | { readonly kind: "settled" }
  | {
      readonly kind: "taken";
      readonly publishes: readonly Publish[];
      readonly events: readonly ConsumerEvent[];
    };
