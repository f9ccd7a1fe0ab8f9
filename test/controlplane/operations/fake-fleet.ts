/**
 * Shards and slots as plain data, and a leader that carries decisions out on them, step by step.
 *
 * What it does not write is lost when it dies: so a test can end it anywhere.
 */

import { parseShardName, parseSlotName } from "../../../controlplane/fleet-names.ts";
import { decideStep } from "../../../controlplane/operations/decide-step.ts";
import {
  hasEnded,
  newOperation,
  type OperationWork,
} from "../../../controlplane/operations/operation-record.ts";
import { settleMoves } from "../../../controlplane/operations/settle-moves.ts";
import type {
  Snapshot,
  SnapshotShard,
  SnapshotSlot,
} from "../../../controlplane/operations/snapshot.ts";
import type { RegionRule, ShardState } from "../../../controlplane/placement/placement.ts";
import { type Operation, SlotMoveState } from "../../../proto/gen/tidegate/control/v1/operation.ts";

/** A fleet of group 0. */
export class FakeFleet {
  readonly shards = new Map<number, SnapshotShard>();
  readonly slots = new Map<number, SnapshotSlot>();
  readonly pins = new Map<number, number>();
  readonly rules: RegionRule[] = [];
  readonly loads = new Map<number, number>();
  /** Moves that were made, in order. */
  readonly moved: { readonly slot: number; readonly to: number }[] = [];

  /** @param owners shard of each slot. */
  constructor(shardCount: number, owners: readonly number[]) {
    for (let id = 0; id < shardCount; id += 1) {
      this.shards.set(id, { id, group: 0, state: "active", region: "", capacity: 1 });
    }
    for (const [slot, owner] of owners.entries()) {
      this.slots.set(slot, { slot, owner, isOpen: true });
    }
  }

  get snapshot(): Snapshot {
    const { shards, slots, pins, loads } = this;
    return {
      shards: new Map(shards),
      slots: new Map(slots),
      pins: new Map(pins),
      rules: new Map([[0, [...this.rules]]]),
      loads,
    };
  }

  setShard(id: number, change: Partial<SnapshotShard>): void {
    const shard = this.shards.get(id);
    if (shard !== undefined) this.shards.set(id, { ...shard, ...change });
  }

  move(slot: number, to: number): void {
    this.slots.set(slot, { slot, owner: to, isOpen: true });
    this.moved.push({ slot, to });
  }

  ownedBy(shard: number): number {
    return [...this.slots.values()].filter(({ owner }) => owner === shard).length;
  }
}

/** An operation that was just begun. */
export function begun(work: OperationWork): Operation {
  return newOperation("1-1", work, "tester", 0);
}

/** What one step of the fake leader does with a move that may begin. */
export type MoveChance = "moves" | "fails";

/**
 * One step of a leader: decides, and carries out. Of pending moves the first is made, or fails.
 *
 * @returns the operation after it, and whether it was written.
 */
export function step(
  fleet: FakeFleet,
  operation: Operation,
  chance: MoveChance,
  others: readonly Operation[] = [],
): { readonly operation: Operation; readonly isWritten: boolean } {
  if (hasEnded(operation)) return { operation, isWritten: true };
  const settled = settleMoves(operation, fleet.snapshot, new Set());
  const decided = decideStep(settled, { snapshot: fleet.snapshot, others, nowMs: 1 });
  if (decided.kind === "put") return { operation: decided.operation, isWritten: true };
  if (decided.kind === "set-state") fleet.setShard(decided.shard, { state: decided.state });
  if (decided.kind === "move" && chance === "moves") {
    const next = decided.operation.moves.find(({ state }) => state === SlotMoveState.PENDING);
    if (next !== undefined) {
      const { shard } = parseShardName(next.toShard, "");
      fleet.move(parseSlotName(next.slot, "").slot, shard);
    }
  }
  return { operation: decided.operation, isWritten: false };
}

/** Steps to the end. @throws {Error} when it does not come to one. */
export function runToEnd(
  fleet: FakeFleet,
  operation: Operation,
  others: readonly Operation[] = [],
): Operation {
  let present = operation;
  for (let count = 0; count < 5000; count += 1) {
    if (hasEnded(present)) return present;
    present = step(fleet, present, "moves", others).operation;
  }
  throw new Error(`does not end: ${present.detail}`);
}

/** The state of a shard. */
export function stateOf(fleet: FakeFleet, shard: number): ShardState | undefined {
  return fleet.shards.get(shard)?.state;
}
