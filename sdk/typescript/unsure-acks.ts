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

/** An acknowledged publish; its result is null when a later one is stored before it. */
export interface UnsureAck<Item, Result> {
  readonly item: Item;
  readonly at: StoredAt;
  result: Result | null;
}

/** The acks of one room. Bounded by the window: each was in flight. */
export class UnsureAcks<Item extends { readonly seq: number }, Result> {
  readonly #kept: UnsureAck<Item, Result>[] = [];

  /** A publish was acknowledged; {@link takeSure} follows. */
  add(item: Item, at: StoredAt, result: Result): void {
    for (const kept of this.#kept) {
      const isBefore = (at.epoch - kept.at.epoch || at.seq - kept.at.seq) < 0;
      if (isBefore && kept.item.seq < item.seq) kept.result = null;
    }
    this.#kept.push({ item, at, result });
  }

  /**
   * Takes out the next one that can be told, in the order of the acks.
   *
   * @param uncertainSeqMax name of the latest publish that may be stored already, 0 if none.
   */
  takeSure(uncertainSeqMax: number): UnsureAck<Item, Result> | undefined {
    const [first] = this.#kept;
    return first && first.item.seq < uncertainSeqMax ? undefined : this.#kept.shift();
  }
}
