/**
 * Shards from the lowest level to the highest, ties by id: who is to give, who is to take.
 *
 * Pure. A sorted list with binary search: a group has at most some hundred shards, so shifting the
 * list costs less than keeping a heap for each end. A shard's level must not change while it is in
 * the list: take it out, change it, put it back.
 */
import type { ComparisonCount } from "./comparison-count.ts";
import type { ShardLoad } from "./shard-load.ts";

export class ShardRanking {
  readonly #sorted: ShardLoad[] = [];
  readonly #count: ComparisonCount;

  constructor(shards: readonly ShardLoad[], count: ComparisonCount) {
    this.#count = count;
    for (const shard of shards) this.put(shard);
  }

  /** The shard with the lowest level. */
  get lowest(): ShardLoad | undefined {
    return this.#sorted[0];
  }

  /** The shard with the highest level. */
  get highest(): ShardLoad | undefined {
    return this.#sorted.at(-1);
  }

  put(shard: ShardLoad): void {
    this.#sorted.splice(this.#placeOf(shard), 0, shard);
  }

  /** Takes it out. @returns whether it was in. */
  take(shard: ShardLoad): boolean {
    const place = this.#placeOf(shard);
    if (this.#sorted[place] !== shard) return false;
    this.#sorted.splice(place, 1);
    return true;
  }

  #placeOf(shard: ShardLoad): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#sorted[middle];
      this.#count.value += 1;
      if (other !== undefined && isBefore(other, shard)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(a: ShardLoad, b: ShardLoad): boolean {
  return a.level === b.level ? a.id < b.id : a.level < b.level;
}
