/**
 * Where a client goes that finds this gateway full.
 *
 * Pure. By chance in proportion to free room, so that a crowd spreads; in the own region first.
 */
import { freeCount, type Peer } from "../drain/peer.ts";
import type { SentCount } from "../drain/plan.ts";

/** Where to. */
export interface RedirectTarget {
  readonly id: string;
  readonly url: string;
}

/**
 * A gateway with room, or null when none is known: then the client comes back later.
 *
 * @param sent to each since it said how full it is.
 * @param chance from 0 (included) to 1.
 */
export function decideRedirect(
  peers: readonly Peer[],
  region: string,
  sent: ReadonlyMap<string, SentCount>,
  chance: number,
): RedirectTarget | null {
  const free = (peer: Peer) => freeCount(peer) - (sent.get(peer.id)?.sinceFacts ?? 0);
  const able = peers.filter((peer) => peer.isServing && peer.url !== "" && free(peer) > 0);
  const near = able.filter((peer) => peer.region === region);
  const chosen = near.length > 0 ? near : able;
  const room = chosen.reduce((sum, peer) => sum + free(peer), 0);
  let left = chance * room;
  for (const peer of chosen) {
    left -= free(peer);
    if (left < 0) return { id: peer.id, url: peer.url };
  }
  return null;
}
