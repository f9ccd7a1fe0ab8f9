/**
 * The words of placement: what it is asked about, and what it answers. docs/placement.md has the
 * rules with examples; place-slots.ts keeps them, next-moves.ts paces what it decided.
 *
 * Plain data, read from one snapshot of records and reports, so that every replica that holds the
 * same snapshot decides the same.
 */

/** What a shard may be given: `active` takes slots, `draining` and `retired` hold none for long. */
export const ShardState = { active: "active", draining: "draining", retired: "retired" } as const;
export type ShardState = (typeof ShardState)[keyof typeof ShardState];

/** One shard of the group. */
export interface PlacementShard {
  /** Unique in the group. */
  readonly id: number;
  readonly state: ShardState;
  /** Where its stream is, e.g. "eu"; "" when the installation has one place. */
  readonly region: string;
  /** What it can carry beside the others, above 0; twice the capacity, twice the load. */
  readonly capacity: number;
}

/** One slot of the group. */
export interface PlacementSlot {
  /** Unique in the group. */
  readonly slot: number;
  /** Id of the shard that owns it now, by its routing record. */
  readonly owner: number;
  /** Observed, in any unit that is the same for all slots; null: not observed yet. */
  readonly load: number | null;
  /** Id of the shard an operator tied it to; null: none. */
  readonly pin: number | null;
}

/** Where the group's slots may be, as a class or the group itself asks. */
export interface RegionRule {
  /** Who asks, for messages: "group 0", "class game". */
  readonly name: string;
  /** One of these. */
  readonly regions: readonly string[];
}

/** All that a decision is made from. Order in the lists means nothing. */
export interface PlacementGroup {
  readonly shards: readonly PlacementShard[];
  readonly slots: readonly PlacementSlot[];
  /** All of them hold for every slot, since each slot has rooms of every class of the group. */
  readonly regionRules: readonly RegionRule[];
}

/** Why a slot moves, in the order in which a plan has them. */
export const MoveReason = {
  /** An operator tied it to the other shard. */
  pin: "pin",
  /** Its shard is above the bound. */
  relieve: "relieve",
  /** Its shard is in a region that a rule excludes. */
  region: "region",
  /** Its shard is draining or retired. */
  drain: "drain",
  /** Another shard has much less, such as a new one. */
  balance: "balance",
} as const;
export type MoveReason = (typeof MoveReason)[keyof typeof MoveReason];

/** One live move of a slot (R10), not yet begun. */
export interface SlotMove {
  readonly slot: number;
  readonly from: number;
  readonly to: number;
  readonly reason: MoveReason;
}

/** Where every slot shall be, and the way there. */
export interface PlacementPlan {
  readonly kind: "planned";
  /** Shard of each slot once all moves are done, by slot. */
  readonly owners: ReadonlyMap<number, number>;
  /** What helps most comes first; no slot is in it twice. */
  readonly moves: readonly SlotMove[];
  /** Comparisons of slots and shards it took: the bound on work, checked by a test. */
  readonly comparisonCount: number;
}

/** Which wish can not be granted. */
export const RefusalCode = {
  noActiveShard: "NO_ACTIVE_SHARD",
  rulesContradict: "RULES_CONTRADICT",
  regionWithoutShard: "REGION_WITHOUT_SHARD",
  ownerUnknown: "OWNER_UNKNOWN",
  pinToUnknownShard: "PIN_TO_UNKNOWN_SHARD",
  pinToLeavingShard: "PIN_TO_LEAVING_SHARD",
  pinOutsideRegion: "PIN_OUTSIDE_REGION",
} as const;
export type RefusalCode = (typeof RefusalCode)[keyof typeof RefusalCode];

/** An answer instead of a plan: nothing is moved until the fix is made. */
export interface PlacementRefusal {
  readonly kind: "refused";
  readonly code: RefusalCode;
  /** What is wrong, as a sentence with names. */
  readonly detail: string;
  /** What to do, as a sentence. */
  readonly fix: string;
  /** Ids of the shards and slots it is about, ascending; empty when it is about none. */
  readonly shards: readonly number[];
  readonly slots: readonly number[];
}
