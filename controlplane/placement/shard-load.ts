/**
 * One shard while a plan is made: what it carries, and which of it may move.
 *
 * Pure. A slot that came here in this plan, or is pinned here, stays: no slot moves twice.
 */
import type { ComparisonCount } from "./comparison-count.ts";
import type { WeighedSlot } from "./slot-weights.ts";

/** An active shard may carry this much of its fair share, and its heaviest slot on top. */
export const BOUND_RATIO = 1.25;

export class ShardLoad {
  readonly id: number;
  /** Weight it would carry if all shards carried the same for their capacity; above 0. */
  readonly fairWeight: number;
  readonly #count: ComparisonCount;
  /** Slots that may leave, heaviest first, then by number. */
  readonly #movable: WeighedSlot[] = [];
  #weight = 0;
  #heaviestKept = 0;

  constructor(id: number, fairWeight: number, count: ComparisonCount) {
    this.id = id;
    this.fairWeight = fairWeight;
    this.#count = count;
  }

  /** What it carries, in weight. */
  get weight(): number {
    return this.#weight;
  }

  /** What it carries, in fair shares: 1 is as it should be. */
  get level(): number {
    return this.#weight / this.fairWeight;
  }

  /** Whether it carries more than {@link BOUND_RATIO} × its fair share + its heaviest slot. */
  get isAboveBound(): boolean {
    const heaviest = Math.max(this.#heaviestKept, this.#movable[0]?.weight ?? 0);
    return this.#weight > BOUND_RATIO * this.fairWeight + heaviest;
  }

  /** Takes a slot that may leave again; call it with the heaviest first. */
  addMovable(slot: WeighedSlot): void {
    this.#movable.push(slot);
    this.#weight += slot.weight;
  }

  /** Takes a slot that stays. */
  addKept(slot: WeighedSlot): void {
    this.#weight += slot.weight;
    this.#heaviestKept = Math.max(this.#heaviestKept, slot.weight);
  }

  /** Gives away its heaviest slot of at most `weightMax`; undefined: there is none. */
  takeHeaviest(weightMax: number): WeighedSlot | undefined {
    let low = 0;
    let high = this.#movable.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.#count.value += 1;
      if ((this.#movable[middle]?.weight ?? 0) > weightMax) low = middle + 1;
      else high = middle;
    }
    const [taken] = this.#movable.splice(low, 1);
    this.#weight -= taken?.weight ?? 0;
    return taken;
  }

  /** Gives away its lightest slot; undefined: none may leave. */
  takeLightest(): WeighedSlot | undefined {
    const taken = this.#movable.pop();
    this.#weight -= taken?.weight ?? 0;
    return taken;
  }
}
