/**
 * What a fault is: something that breaks one part of a running world, and heals it again.
 */
import type { Dice } from "./dice.ts";
import type { World } from "./world.ts";

/**
 * Faults of one domain never overlap: at most one NATS node, one gateway and one network way are
 * broken at a time, which is what the cluster survives by design; slots move all the while.
 * `everything` runs alone.
 */
export const DOMAINS = ["nats", "gateway", "client", "moves", "everything"] as const;

/** Which part a fault breaks. */
export type Domain = (typeof DOMAINS)[number];

/** Something that can be broken. */
export interface Fault {
  /** For --faults and reports, kebab-case. */
  readonly name: string;
  /** A sentence for --help. */
  readonly text: string;
  readonly domain: Domain;
  /** How long it stays broken, ms: least and most. */
  readonly holdMs: readonly [number, number];
  /** Whether a publish meanwhile may end as OUTCOME_UNKNOWN. */
  readonly mayCauseUnknown: boolean;
  /** Whether a gateway dies by it. */
  readonly isGatewayDeath?: boolean;
  /** Longer than the de-duplication window: only when that is short, or the run is long. */
  readonly isLong?: boolean;
  /** Breaks it; `dice` chooses what. */
  inject(world: World, dice: Dice): Promise<Injected>;
}

/** A fault that is in force. */
export interface Injected {
  /** What was broken. */
  readonly target: string;
  /** Mends it; resolves when it works again. */
  heal(): Promise<void>;
}
