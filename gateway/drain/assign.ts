/**
 * Who of the connections told in a slot goes where, and when.
 *
 * Pure. A connection is sent only to an address of its own Welcome; who has none of the receivers'
 * comes back through the address it used first, behind which they all are, if all of them fit it.
 */
import { type Share, SLOT_MS } from "./plan.ts";

/** What one connection is told. */
export interface Assignment {
  readonly target: string;
  /** The receiver that it counts for. */
  readonly id: string;
  /** Its own time in the slot, ms. */
  readonly delayMs: number;
}

/**
 * One assignment for each of the connections, in their order; null for who waits for a later slot,
 * since the shares of those that it may go to are used up.
 *
 * @param lists the targets of each connection's Welcome, as many as the shares count.
 * @param mayComeBack whether the address that a client used first leads to receivers only.
 * @param random from 0 (included) to 1: the jitter within each one's part of the slot.
 */
export function assignSlot(
  lists: readonly (readonly string[])[],
  shares: readonly Share[],
  mayComeBack: boolean,
  random: () => number,
): (Assignment | null)[] {
  const left = shares.map(({ count }) => count);
  const chosen = lists.map((list) => takeLargest(left, (i) => list.includes(shares[i]?.url ?? "")));
  return chosen.map((first, at) => {
    const i = first >= 0 || !mayComeBack ? first : takeLargest(left, () => true);
    if (i < 0 && !mayComeBack) return null;
    const { id = "", url = "" } = shares[i] ?? {};
    const delayMs = Math.floor(((at + random()) * SLOT_MS) / Math.max(1, lists.length));
    return { id, target: first >= 0 ? url : "", delayMs };
  });
}

/** Takes one of the largest share that may be taken of; -1 when there is none. */
function takeLargest(left: number[], mayTake: (i: number) => boolean): number {
  let best = -1;
  for (const [i, count] of left.entries()) {
    if (count > 0 && count > (best < 0 ? 0 : (left[best] ?? 0)) && mayTake(i)) best = i;
  }
  if (best >= 0) left[best] = (left[best] ?? 0) - 1;
  return best;
}
