/**
 * What a checker can find wrong: the kinds, and how one is told.
 */

/** Kinds of violations, each with the promise it breaks (docs/guarantees.md). */
export const VIOLATIONS = {
  missing: "a stored message did not reach a consumer",
  doubled: "a consumer got a message twice",
  reordered: "a consumer got messages in another order than the store's",
  unexpected: "a message was shown that never was published, failed, or is void",
  "stored-twice": "one publish is stored twice, and neither copy is void",
  "ack-lost": "an acknowledged publish is not in the store, or elsewhere than its ack said",
  "producer-order": "a producer's acknowledged publishes are stored in another order",
  unanswered: "a publish never ended",
  "unknown-unexplained": "OUTCOME_UNKNOWN, and no fault that could have caused it",
  "gap-unexplained": "a consumer was told of a loss in a durable room, and nothing was lost",
  "false-recovery": "a position that is not in the history was taken for whole",
  late: "a message took longer than the stated silence",
  "loss-unannounced": "an ephemeral message was lost and nobody told the consumer",
  unaccounted: "counters by hop, or Gaps, do not explain a message",
  death: "a process ended that nobody ended",
} as const;

/** A kind of violation. */
export type ViolationKind = keyof typeof VIOLATIONS;

/** One finding. */
export interface Violation {
  readonly kind: ViolationKind;
  /** A sentence for people. */
  readonly text: string;
}
