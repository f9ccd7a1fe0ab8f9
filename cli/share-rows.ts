/**
 * How many rows of a screen each of several lists gets.
 *
 * Pure.
 */

/** Rows that a list has at least, while there are any: one entry, and how many more there are. */
const ROWS_MIN = 2;

/**
 * Shares rows out: each gets what it wants as long as all fit, else an equal share, and what one
 * does not want goes to the others, first ones first.
 *
 * @param wanted by list.
 * @returns rows by list, never more than wanted, and `available` together at most.
 */
export function shareRows(available: number, wanted: readonly number[]): number[] {
  const shares = wanted.map(() => 0);
  let left = Math.max(0, available);
  for (const [at, want] of wanted.entries()) {
    const share = Math.min(want, ROWS_MIN, left);
    shares[at] = share;
    left -= share;
  }
  while (left > 0) {
    const hungry = wanted.flatMap((want, at) => (want > (shares[at] ?? 0) ? [at] : []));
    if (hungry.length === 0) break;
    const least = Math.min(...hungry.map((at) => shares[at] ?? 0));
    const at = hungry.find((each) => shares[each] === least) ?? 0;
    shares[at] = least + 1;
    left -= 1;
  }
  return shares;
}
