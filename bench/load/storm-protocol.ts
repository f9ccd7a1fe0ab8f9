/**
 * What the storm bench and its generators (storm-generator.ts) say to each other.
 *
 * Times are microseconds of the machine's monotonic clock, the same in every process (clock.ts).
 */
import type { PlainHistogram } from "./histogram.ts";

/** Connections with one room each, "<class>:storm-<number>". */
export interface StormPlan {
  /** Member i begins at the i-th, round and round. */
  readonly urls: readonly string[];
  /** Where a member whose connection broke dials, with the waits of docs/protocol.md. */
  readonly againUrl: string;
  readonly class: string;
  readonly firstRoom: number;
  readonly roomCount: number;
  readonly membersPerRoom: number;
  /** Which loopback source address, 0 for 127.0.0.1. */
  readonly source: number;
}

/** One producer that publishes 1, 2, 3 … to each of its rooms in turn, through `url`. */
export interface StormPublishPlan {
  readonly url: string;
  readonly class: string;
  readonly firstRoom: number;
  readonly roomCount: number;
  readonly ratePerS: number;
}

/** What a generator is told. */
export type StormCommand =
  | { readonly kind: "open"; readonly plan: StormPlan }
  | { readonly kind: "publish"; readonly plan: StormPublishPlan }
  /** Ends publishing; answered when everything is acknowledged. */
  | { readonly kind: "stop" }
  /** Answered when every member is back in its room, or after a time. */
  | { readonly kind: "back" }
  /** Answered when every member has its room's last number, or none came for some time. */
  | { readonly kind: "settle"; readonly last: Readonly<Record<string, number>> }
  /** What members saw so far. */
  | { readonly kind: "take" };

/** Latencies of one class in one second. */
export interface SecondLatency {
  readonly class: string;
  /** Of the monotonic clock. */
  readonly second: number;
  readonly latency: PlainHistogram;
}

/** What it answers. */
export type StormReply =
  | { readonly kind: "opened" }
  | { readonly kind: "publishing" }
  /** Highest acknowledged number by room. */
  | { readonly kind: "stopped"; readonly last: Readonly<Record<string, number>> }
  | {
      readonly kind: "back";
      /** When each member whose connection broke was in its room again. */
      readonly backAtUs: Float64Array;
      /** Told `recovered: true` on its return. */
      readonly recoveredCount: number;
      /** Told OVERLOADED, and dials that failed otherwise. */
      readonly shedCount: number;
      readonly failedDialCount: number;
    }
  | {
      readonly kind: "settled";
      /** Members that have every number once, in order, up to the last. */
      readonly exactCount: number;
      readonly memberCount: number;
      readonly reasons: readonly string[];
    }
  | { readonly kind: "taken"; readonly seconds: readonly SecondLatency[] };
