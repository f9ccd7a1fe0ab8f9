/**
 * Waiting until every process that publishes has acknowledged a seal (R10 step 1).
 */
import { setTimeout as sleep } from "node:timers/promises";

/** A process that answers, and does not acknowledge within this, stops the move, ms. */
const ACK_MS_MAX = 2000;
/** Those that are missing are looked at this often, ms. */
const LOOK_MS = 20;
/** After this it is asked whether those that are missing are alive at all, ms. */
const PROBE_AFTER_MS = 200;

/** The processes that hold leases (R12). */
export interface Holders {
  /** Ids, and the revision of routing that each has applied and settled. */
  acks(): ReadonlyMap<string, number>;
  /** Resolves at the next change of {@link acks}. */
  changed(): Promise<void>;
  /** Whether anybody listens on the process's control subject; false is the sign of death. */
  isAlive(id: string): Promise<boolean>;
  /** Takes the lease away: the process publishes nothing more before it has a new one. */
  fence(id: string): Promise<void>;
}

/**
 * @param isEnding whether this process ends, which must not wait.
 * @returns ids that are alive and did not acknowledge `revision` in time.
 */
export async function awaitAcks(
  holders: Holders,
  revision: number,
  isEnding: () => boolean,
): Promise<string[]> {
  const endMs = performance.now() + ACK_MS_MAX;
  const probeMs = performance.now() + PROBE_AFTER_MS;
  const dead = new Set<string>();
  for (;;) {
    const silent = missing(holders, revision).filter((id) => !dead.has(id));
    if (silent.length === 0 || performance.now() > endMs || isEnding()) return silent;
    if (performance.now() > probeMs) {
      const alive = await Promise.all(silent.map((id) => holders.isAlive(id)));
      for (const [i, id] of silent.entries()) if (alive[i] === false) dead.add(id);
    }
    const looked = new AbortController();
    const { signal } = looked;
    const wait = sleep(LOOK_MS, null, { signal }).catch(() => {}); // a change came first
    await Promise.race([holders.changed(), wait]);
    looked.abort();
  }
}

function missing(holders: Holders, revision: number): string[] {
  return [...holders.acks()].filter(([, acked]) => acked < revision).map(([id]) => id);
}
