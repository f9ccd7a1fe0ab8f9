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

/** How long to wait between two reads, ms, in a fleet of `count` gateways. */
export function decideReadEveryMs(count: number): number {
  return Math.max(FACTS_MS, count * READ_MS_PER_PEER, (count * count * 1000) / FLEET_READS_PER_S);
}
