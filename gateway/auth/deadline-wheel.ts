/**
 * Connections by when they are to be looked at: one coarse wheel instead of a timer for each.
 *
 * Holds state, reads no clock. A connection costs one entry of a set, and one number of its own.
 */

/** Connections that are due within the same so many seconds share a set. */
export const WHEEL_WIDTH_S = 2;
/** What is due later is looked at after this first: a token of a year makes no set of its own. */
export const WHEEL_AHEAD_S = 3600;

/** Something that can be due. */
export interface Due {
  /** The place in the wheel; 0: it is in none. The wheel's own. */
  dueS: number;
}

/** A wheel of one gateway. */
export class DeadlineWheel<T extends Due> {
  readonly #sets = new Map<number, Set<T>>();

  /** How many are in it. */
  get count(): number {
    return [...this.#sets.values()].reduce((sum, set) => sum + set.size, 0);
  }

  /** Puts `item` where it is taken at `atS` or up to {@link WHEEL_WIDTH_S} later. */
  put(item: T, atS: number, nowS: number): void {
    this.remove(item);
    const soonerS = Math.min(Math.max(atS, nowS), nowS + WHEEL_AHEAD_S);
    item.dueS = Math.ceil(soonerS / WHEEL_WIDTH_S) * WHEEL_WIDTH_S;
    const set = this.#sets.get(item.dueS);
    if (set === undefined) this.#sets.set(item.dueS, new Set([item]));
    else set.add(item);
  }

  /** Takes `item` out, if it is in. */
  remove(item: T): void {
    if (item.dueS === 0) return;
    const set = this.#sets.get(item.dueS);
    set?.delete(item);
    if (set?.size === 0) this.#sets.delete(item.dueS);
    item.dueS = 0;
  }

  /** Takes out up to `countMax` of those that are due. */
  take(nowS: number, countMax: number): T[] {
    const taken: T[] = [];
    for (const [dueS, set] of this.#sets) {
      if (dueS > nowS) continue;
      for (const item of set) {
        if (taken.length === countMax) return taken;
        this.remove(item);
        taken.push(item);
      }
    }
    return taken;
  }
}
