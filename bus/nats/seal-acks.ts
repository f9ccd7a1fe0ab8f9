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
  /** Ids of those that have clients. */
  gateways(): readonly string[];
  /** Resolves at the next change of {@link acks}. */
  changed(): Promise<void>;
  /** Whether anybody listens on the process's control subject; false is the sign of death. */
  isAlive(id: string): Promise<boolean>;
  /** Tells the process to send its clients elsewhere; whether it hears of it is not waited for. */
  tellToDrain(id: string): void;
  /**
   * Takes the lease away, unless it has acknowledged `revision` meanwhile: the process publishes
   * nothing more before it has a new one.
   */
  fence(id: string, revision: number): Promise<void>;
}

/**
 * R10: what becomes of those that were silent to the end. Where every gateway was, the fault is
 * none of theirs, or none is left to take their clients: then they are only fenced.
 */
export async function shutOut(
  holders: Holders,
  silent: readonly string[],
  revision: number,
): Promise<void> {
  const isAnyLeft = holders.gateways().some((id) => !silent.includes(id));
  if (isAnyLeft) for (const id of silent) holders.tellToDrain(id);
  await Promise.all(silent.map((id) => holders.fence(id, revision)));
}

/**
 * @param ending aborted when this process ends, which must not wait.
 * @returns ids that are alive and did not acknowledge `revision` in time.
 */
export async function awaitAcks(
  holders: Holders,
  revision: number,
  ending: AbortSignal,
): Promise<string[]> {
  const endMs = performance.now() + ACK_MS_MAX;
  const probeMs = performance.now() + PROBE_AFTER_MS;
  const dead = new Set<string>();
  for (;;) {
    const silent = missing(holders, revision).filter((id) => !dead.has(id));
    if (silent.length === 0 || performance.now() > endMs || ending.aborted) return silent;
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
