/**
 * What the rolling bench and its generator (move-generator.ts) say to each other.
 */
import type { PlainHistogram } from "./histogram.ts";

/** Clients of the TypeScript SDK, each a member of one durable room. */
export interface MovePlan {
  /** Of the gateways; client i begins at the i-th, round and round. */
  readonly urls: readonly string[];
  readonly clientCount: number;
  /** The first room's number: generators have rooms of their own. */
  readonly firstRoom: number;
  readonly membersPerRoom: number;
  /** Clients opened a second. */
  readonly openPerS: number;
  /** The first member of each room publishes its count once in this time, ms. */
  readonly publishEveryMs: number;
}

/** What a generator is told. */
export type MoveCommand =
  | { readonly kind: "open"; readonly plan: MovePlan }
  /** Ends publishing, waits until every member has everything, and tells. */
  | { readonly kind: "finish" };

/** What clients went through. */
export interface MoveFigures {
  /** Numbers that were acknowledged, over all rooms. */
  readonly publishedCount: number;
  readonly deliveredCount: number;
  /** Numbers that a member never got, got again, or got out of order. */
  readonly lostCount: number;
  readonly doubledCount: number;
  readonly reorderedCount: number;
  /** Publishes that failed. */
  readonly failedCount: number;
  /** When each reconnect had its Welcome, ms since 1970, ascending. */
  readonly reconnectsMs: Float64Array;
  /** From the last moment of the old connection to Joined on the new one. */
  readonly interruption: PlainHistogram;
  /** Reconnects that left the old connection only with the new one's Welcome. */
  readonly movedCount: number;
}

/** What it answers. */
export type MoveReply = { readonly kind: "opened" } | ({ readonly kind: "finished" } & MoveFigures);
