/**
 * Whether an origin of ephemeral messages has died: then the last it published may be missing, and
 * no tail of it will say so.
 *
 * Pure. Whatever comes from an origin is a sign of its life. One that had traffic lately and then
 * is silent is asked (origins.ts); NATS answers at once when its connection is gone, and a live one
 * answers itself. Times are ticks of our own healthy loop and link (tick.ts), so that a freeze or
 * an outage on our side accuses nobody.
 */
import { TICK_MS } from "./tick.ts";

/** One origin, over all rooms. */
export interface Origin {
  readonly id: number;
  /** Tick of the last message in any room. */
  trafficTick: number;
  /** Tick of the last sign of life: message, tail or answer. */
  signTick: number;
  /** Tick at which it was asked last. */
  askedTick: number;
  /** Taken for dead until its next sign of life, or ended as planned. */
  isSilent: boolean;
}

/** Members with traffic from an origin this shortly before its last sign are told. */
export const TRAFFIC_TICKS = 2000 / TICK_MS;
/** An origin silent for this long is asked. */
const ASK_TICKS = 750 / TICK_MS;
/** One silent for this long is taken for dead: members hear of it within 2 s, and sooner. */
const SILENT_TICKS = 1500 / TICK_MS;

/** What to do about an origin now. */
export type OriginVerdict = "nothing" | "ask" | "dead";

/** Judges an origin's silence. */
export function judgeSilence(origin: Origin, tick: number): OriginVerdict {
  if (origin.isSilent || origin.signTick - origin.trafficTick >= TRAFFIC_TICKS) return "nothing";
  const silentTicks = tick - origin.signTick;
  if (silentTicks >= SILENT_TICKS) return "dead";
  return silentTicks >= ASK_TICKS && origin.askedTick <= origin.signTick ? "ask" : "nothing";
}
