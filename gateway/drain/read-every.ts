/**
 * How often a gateway looks at the others: the larger the fleet, the more seldom.
 *
 * Pure.
 */

/** How often the others say their facts, ms: reading more often brings nothing. */
export const FACTS_MS = 5000;
/** Each other gateway makes the wait between two reads longer by this, ms. */
const READ_MS_PER_PEER = 100;
/** Leases that the whole fleet reads in a second, at most: 1 000 gateways read every 100 s. */
const FLEET_READS_PER_S = 10_000;

/** Who drains reads at least this often, ms, where the fleet is small: a second is its slot. */
const DRAIN_READ_MS_MIN = 900;
/** Each other gateway makes that longer by this, ms: at most 50 leases a second are read. */
const DRAIN_READ_MS_PER_PEER = 20;
/** What a gateway announces is in its lease within this, ms, unless the bus is slow. */
const SAID_MS = 500;

/**
 * How old the picture of the others may be while this gateway drains, ms, with `count` others: who
 * begins to drain is to be known before its first client goes.
 */
export function decideDrainReadMs(count: number): number {
  return Math.min(FACTS_MS, Math.max(DRAIN_READ_MS_MIN, count * DRAIN_READ_MS_PER_PEER));
}

/**
 * How long a drain is announced at least before the first client is told to go, ms: together they
 * keep to one ceiling, so each is to know of the others. Whoever announced before this one is in
 * their leases by then; where somebody did, it is also to have read of this one, and used it.
 *
 * @param count other gateways. @param isAlone whether none of them drains, or will soon.
 */
export function decideAnnounceMsMin(count: number, isAlone: boolean): number {
  return isAlone ? SAID_MS : SAID_MS + 2 * decideDrainReadMs(count);
}

/** How long to wait between two reads, ms, in a fleet of `count` gateways. */
export function decideReadEveryMs(count: number): number {
  return Math.max(FACTS_MS, count * READ_MS_PER_PEER, (count * count * 1000) / FLEET_READS_PER_S);
}
