/**
 * R3 over a reconnect: acks that are not told yet, because a later publish may be stored before
 * them.
 *
 * Pure. A gateway that dies may have refused publish n and stored n + 1; at the next gateway n is
 * stored behind it, and acknowledged. So an ack waits while a later publish is uncertain (a try of
 * it ended without an answer). When that one turns out to be stored before it, n can not be in
 * order any more and ends as OUTCOME_UNKNOWN.
 */

/** Where a message is stored: the wire's Position. */
export interface StoredAt {
  readonly epoch: number;
  readonly seq: number;
}

/** An acknowledged publish. */
export interface UnsureAck<Item, Result> {
  readonly item: Item;
  readonly result: Result;
  /** Whether a later publish is stored before it. */
  readonly isOvertaken: boolean;
}

interface Kept<Item, Result> extends UnsureAck<Item, Result> {
  readonly at: StoredAt;
  isOvertaken: boolean;
}

/** The acks of one room. Bounded by the window: each was in flight. */
export class UnsureAcks<Item extends { readonly seq: number }, Result> {
  #kept: Kept<Item, Result>[] = [];

  /** A publish was acknowledged; {@link takeSure} follows. */
  add(item: Item, at: StoredAt, result: Result): void {
    for (const earlier of this.#kept) {
      const isBehind = at.epoch - earlier.at.epoch || at.seq - earlier.at.seq;
      if (isBehind < 0 && earlier.item.seq < item.seq) earlier.isOvertaken = true;
    }
    this.#kept.push({ item, at, result, isOvertaken: false });
  }

  /**
   * Takes out what can be told, in the order of the acks.
   *
   * @param uncertainSeqMax name of the latest publish that may be stored already, 0 if none.
   */
  takeSure(uncertainSeqMax: number): readonly UnsureAck<Item, Result>[] {
    const end = this.#kept.findIndex(({ item }) => item.seq < uncertainSeqMax);
    return this.#kept.splice(0, end < 0 ? this.#kept.length : end);
  }
}
