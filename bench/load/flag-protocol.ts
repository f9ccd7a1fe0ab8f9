/**
 * What the benches of flags and of version gates, and their generator process, say to each other.
 */

/** What the generator is told. */
export type FlagCommand =
  | { readonly kind: "open"; readonly url: string; readonly count: number }
  /**
   * Answered with `heard` once so many clients were told this value of a flag, or this message of a
   * version gate.
   */
  | { readonly kind: "await"; readonly count: number; readonly value: string };

/** What it answers. */
export type FlagReply =
  | { readonly kind: "opened" }
  | { readonly kind: "awaiting" }
  /** When the last client heard of it, by the clock of clock.ts. */
  | { readonly kind: "heard"; readonly atUs: number };
