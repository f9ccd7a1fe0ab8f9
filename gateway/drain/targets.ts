/**
 * Where a client may be sent: the list that Welcome gives, of the many gateways there may be.
 *
 * Pure. Each gateway chooses other ones (weighted rendezvous hashing), so that the clients of a
 * fleet of 1 000 are spread over all of it, and keeps its choice while the others' room changes
 * little.
 */
import { createHash } from "node:crypto";
import { freeCount, type Peer } from "./peer.ts";

/** Addresses of one Welcome: enough to choose by room later, and below 1 kB as a rule. */
export const TARGET_COUNT_MAX = 16;
/** An address stays in the list for this long after its gateway was seen last, ms: it restarts. */
export const TARGET_KEPT_MS = 10 * 60_000;
/** Addresses that are remembered; beyond it the longest unseen are forgotten. */
const KNOWN_COUNT_MAX = 2048;

/** An address, and when a gateway was last seen to have it. */
export interface KnownTarget {
  readonly url: string;
  readonly region: string;
  readonly version: string;
  /** Connections its gateway could take then. */
  readonly freeCount: number;
  readonly seenMs: number;
}

/** What is known after a look at the others. */
export function noteTargets(
  known: readonly KnownTarget[],
  peers: readonly Peer[],
  nowMs: number,
): KnownTarget[] {
  const byUrl = new Map<string, KnownTarget>();
  for (const target of known) {
    if (nowMs - target.seenMs < TARGET_KEPT_MS) byUrl.set(target.url, target);
  }
  for (const peer of peers) {
    const { url, region, version } = peer;
    byUrl.delete(url); // to the end: the order is that of `seenMs`
    if (url !== "")
      byUrl.set(url, { url, region, version, freeCount: freeCount(peer), seenMs: nowMs });
  }
  return [...byUrl.values()].slice(-KNOWN_COUNT_MAX);
}

/**
 * The addresses for Welcome, at most {@link TARGET_COUNT_MAX}, those of the own region first.
 *
 * @param ownId of this gateway: others choose differently.
 */
export function chooseTargets(
  known: readonly KnownTarget[],
  ownId: string,
  ownRegion: string,
): string[] {
  const ranked = known.map(({ url, region, freeCount }) => ({
    url,
    isFar: region !== ownRegion,
    cost: -Math.log(chance(`${ownId} ${url}`)) / Math.max(1, freeCount),
  }));
  ranked.sort((a, b) => Number(a.isFar) - Number(b.isFar) || a.cost - b.cost);
  return ranked.slice(0, TARGET_COUNT_MAX).map(({ url }) => url);
}

/** A number above 0 and below 1, the same for the same text. */
function chance(text: string): number {
  return (createHash("sha256").update(text).digest().readUInt32BE(0) + 0.5) / 2 ** 32;
}
