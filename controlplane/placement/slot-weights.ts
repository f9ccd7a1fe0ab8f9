/**
 * What each slot weighs: its observed load beside the mean of all, as a whole number.
 *
 * Pure. Whole numbers add up to the same sum in any order, so two replicas that read the same
 * reports in different order decide the same.
 */
import type { PlacementSlot } from "./placement.ts";

/** Weight of a slot whose load is the mean: a thousandth of it still counts. */
export const MEAN_WEIGHT = 1000;
/**
 * Least weight of a slot: a hundredth of the mean. A slot without traffic has rooms that may wake,
 * so many of them are spread too, instead of all lying on one shard.
 */
export const WEIGHT_MIN = 10;
/** A load that no shard can have, so a mistake in a report; more counts as this much. */
export const LOAD_MAX = 1e12;

/** Less is idle: means of still smaller numbers lose their digits. */
export const LOAD_MIN = 1e-9;

/** A slot and its weight. */
export interface WeighedSlot {
  readonly slot: PlacementSlot;
  /** WEIGHT_MIN to MEAN_WEIGHT × the count of slots. */
  readonly weight: number;
}

/**
 * Weighs the slots of a group.
 *
 * A slot without an observation gets the mean of those with one, and so does one whose report makes
 * no sense (negative, not a number): one bad report must not stop placement.
 *
 * @returns by slot number.
 */
export function weighSlots(slots: readonly PlacementSlot[]): WeighedSlot[] {
  const sorted = [...slots].sort((a, b) => a.slot - b.slot);
  const observed = sorted.map(observedLoad).filter((load) => load !== null);
  const mean = observed.reduce((sum, load) => sum + load, 0) / Math.max(1, observed.length);
  return sorted.map((slot) => {
    const load = observedLoad(slot);
    const weight = load === null || mean === 0 ? MEAN_WEIGHT : (load / mean) * MEAN_WEIGHT;
    return { slot, weight: Math.max(WEIGHT_MIN, Math.round(weight)) };
  });
}

function observedLoad({ load }: PlacementSlot): number | null {
  if (load === null || !(load >= 0)) return null;
  return load < LOAD_MIN ? 0 : Math.min(load, LOAD_MAX);
}
