/**
 * Whether something is traced.
 *
 * Pure. The parent decides where one is heard; a new trace is recorded with a ratio.
 */
import type { RemoteContext } from "./trace-context.ts";

/** What the sampler decides by. */
export interface SampleFacts {
  /** The context that came with it, null for none. */
  readonly parent: RemoteContext | null;
  /** Whether its sender may ask for a trace; the parent of one who may not counts as none. */
  readonly mayAsk: boolean;
  /** Share of new traces that are recorded, 0 to 1. */
  readonly ratio: number;
  /** 0 up to, not including, 1. */
  readonly random: number;
}

/** "parent": record, as its child. "root": record a new trace. "no": record nothing. */
export function decideSample({ parent, mayAsk, ratio, random }: SampleFacts): Sampled {
  if (parent === null || !mayAsk) return random < ratio ? "root" : "no";
  return parent.isSampled ? "parent" : "no";
}

/** What {@link decideSample} says. */
export type Sampled = "parent" | "root" | "no";
