/**
 * A slot's record as the topology shows it.
 */
import { SlotState } from "../proto/gen/tidegate/bus/v1/slot_route.ts";
import type { Route } from "./route.ts";
import type { SlotEntry } from "./topology.ts";

/** What operators see of a slot. */
export function toSlotEntry(slot: number, { record, revision }: Route): SlotEntry {
  const { state, epoch, shard, targetShard, deadlineUs, openedUs, sealed } = record;
  const isMoving = state !== SlotState.OPEN;
  return {
    slot,
    state: stateOf(state),
    epoch,
    shard,
    targetShard: isMoving ? targetShard : null,
    deadlineUs: isMoving ? Number(deadlineUs) : null,
    openedUs: Number(openedUs),
    sealed: sealed.map((each) => ({
      epoch: each.epoch,
      shard: each.shard,
      lastSeq: Number(each.lastSeq),
      openedUs: Number(each.openedUs),
      sealedUs: Number(each.sealedUs),
      wentBackwards: each.wentBackwards,
    })),
    revision,
  };
}

/** Records with another state are refused when they are decoded. */
function stateOf(state: SlotState): SlotEntry["state"] {
  if (state === SlotState.SEALING) return "sealing";
  return state === SlotState.REMOVING ? "removing" : "open";
}
