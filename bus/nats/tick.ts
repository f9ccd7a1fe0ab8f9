/**
 * The tick: what ephemeral accounting counts time in.
 *
 * It advances with the clock, but only while this process's loop runs and its link to NATS is
 * alive. So neither a
 * frozen gateway nor one that is cut off takes others for dead, and tails are not spent on a link
 * that is down.
 */

/** Length of a tick, ms (R7). */
export const TICK_MS = 250;

/** The present tick, shared by the parts that read it once per message. */
export interface Tick {
  now: number;
}
