/**
 * Work on all connections in slices, so that nobody waits for it.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

/** One slice takes about this long, ms: messages wait no longer than that. */
export const SLICE_MS = 4;

/**
 * Calls `work` for each of `items`, also those that are added meanwhile, and lets the loop turn
 * whenever a slice's time is over.
 *
 * @param isOver asked after each turn; true ends it.
 * @returns slices it took.
 */
export async function inSlices<Item>(
  items: Iterable<Item>,
  work: (item: Item) => void,
  isOver: () => boolean,
  sliceMs: number = SLICE_MS,
): Promise<number> {
  let count = 1;
  let endMs = performance.now() + sliceMs;
  for (const item of items) {
    work(item);
    if (performance.now() < endMs) continue;
    await nextTurn();
    if (isOver()) return count;
    count += 1;
    endMs = performance.now() + sliceMs;
  }
  return count;
}
