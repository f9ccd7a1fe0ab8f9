/**
 * The page's own bookkeeping of what was sent and what came: the proof that nothing is missing.
 *
 * Pure. It believes nobody: a message counts as sent when its publisher, which lives in this page
 * on a connection of its own, got the acknowledgement, and as received when the loop over the room
 * yields it. Messages of one publisher keep their order, so one that was acknowledged and that a
 * later one of the same publisher has overtaken is missing, without any timer.
 */

/** Messages remembered in all, to recognise doubles; the oldest are forgotten first. */
export const LEDGER_KEYS_MAX = 10_000;

/** The counters that the page shows. */
export interface LedgerCounts {
  /** Messages that came, history aside. */
  readonly received: number;
  /** Of them, those that were sent while the connection was away. */
  readonly recovered: number;
  /** Acknowledged by the gateway, not here yet. */
  readonly waiting: number;
  /** Acknowledged, and overtaken by a later message of the same publisher. */
  readonly missing: number;
  readonly doubled: number;
  readonly outOfOrder: number;
}

/** What an arrival turned out to be. */
export type Arrival = "new" | "doubled" | "late";

/** Names a message: who, and the how many-th of him. */
export function ledgerKey(from: string, n: number): string {
  return `${from}/${n}`;
}

export class Ledger {
  readonly #arrived = new Set<string>();
  readonly #newest = new Map<string, number>();
  readonly #waiting = new Map<
    string,
    { readonly from: string; readonly n: number; readonly atMs: number }
  >();
  readonly #missing = new Set<string>();
  #received = 0;
  #recovered = 0;
  #doubled = 0;
  #outOfOrder = 0;

  get counts(): LedgerCounts {
    return {
      received: this.#received,
      recovered: this.#recovered,
      waiting: this.#waiting.size,
      missing: this.#missing.size,
      doubled: this.#doubled,
      outOfOrder: this.#outOfOrder,
    };
  }

  /** A publisher of this page got its acknowledgement. Returns false when the message is here. */
  onSent(from: string, n: number, atMs: number): boolean {
    const key = ledgerKey(from, n);
    if (this.#arrived.has(key)) return false;
    if (n < (this.#newest.get(from) ?? 0)) this.#missing.add(key);
    else this.#waiting.set(key, { from, n, atMs });
    return true;
  }

  /** When an acknowledged message that is not here was sent, or null. */
  waitingSinceMs(from: string, n: number): number | null {
    return this.#waiting.get(ledgerKey(from, n))?.atMs ?? null;
  }

  /** A message came. `overtaken` are the keys that it proves missing. */
  onArrived(
    from: string,
    n: number,
    isRecovered: boolean,
  ): { readonly arrival: Arrival; readonly overtaken: readonly string[] } {
    const key = ledgerKey(from, n);
    if (this.#arrived.has(key)) {
      this.#doubled += 1;
      return { arrival: "doubled", overtaken: [] };
    }
    this.#remember(key);
    this.#received += 1;
    if (isRecovered) this.#recovered += 1;
    this.#waiting.delete(key);
    this.#missing.delete(key);
    const newest = this.#newest.get(from) ?? 0;
    if (n < newest) {
      this.#outOfOrder += 1;
      return { arrival: "late", overtaken: [] };
    }
    this.#newest.set(from, n);
    return { arrival: "new", overtaken: this.#overtake(from, n) };
  }

  /** A gap was announced: what was sent before and is not here will not come. Returns the keys. */
  loseBefore(beforeMs: number): readonly string[] {
    const lost: string[] = [];
    for (const [key, sent] of this.#waiting) {
      if (sent.atMs >= beforeMs) continue;
      this.#waiting.delete(key);
      this.#missing.add(key);
      lost.push(key);
    }
    return lost;
  }

  #overtake(from: string, n: number): string[] {
    const overtaken: string[] = [];
    for (const [key, sent] of this.#waiting) {
      if (sent.from !== from || sent.n > n) continue;
      this.#waiting.delete(key);
      this.#missing.add(key);
      overtaken.push(key);
    }
    return overtaken;
  }

  #remember(key: string): void {
    this.#arrived.add(key);
    if (this.#arrived.size <= LEDGER_KEYS_MAX) return;
    const [oldest] = this.#arrived;
    if (oldest !== undefined) this.#arrived.delete(oldest);
  }
}
