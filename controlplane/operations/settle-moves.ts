/**
 * How the moves of an operation stand, by where their slots are now.
 *
 * Pure. Slots decide, and not what was noted: so a leader that takes over, and one that was told of
 * no answer, go on from what is, whoever finished or undid a move (R10).
 */
import {
  type Operation,
  type SlotMove,
  SlotMoveState,
} from "../../proto/gen/tidegate/control/v1/operation.ts";
import { parseShardName, parseSlotName, shardName } from "../fleet-names.ts";
import { countMoves } from "./operation-record.ts";
import { isOpenTo, type Snapshot } from "./snapshot.ts";

/**
 * Brings the moves up to date. Of a plan, what became pointless is dropped: a slot that is
 * elsewhere by now, a target that takes no slots any more; the next plan sees what is still to be
 * moved.
 *
 * @param moving slots that this process is moving now.
 */
export function settleMoves(
  operation: Operation,
  snapshot: Snapshot,
  moving: ReadonlySet<number>,
): Operation {
  const isPlanned = operation.work?.$case !== "moveSlot";
  const moves = operation.moves.flatMap((move): SlotMove[] => {
    const settled = settle(move, snapshot, moving, isPlanned);
    return settled === null ? [] : [settled];
  });
  return countMoves({ ...operation, moves });
}

/** The move as it stands; null when it is to be dropped. */
function settle(
  move: SlotMove,
  snapshot: Snapshot,
  moving: ReadonlySet<number>,
  isPlanned: boolean,
): SlotMove | null {
  if (move.state === SlotMoveState.MOVED) return move;
  const { group, slot } = parseSlotName(move.slot, "slot");
  const present = snapshot.slots.get(slot);
  if (present === undefined) return isPlanned ? null : move;
  if (moving.has(slot) || !present.isOpen) return { ...move, state: SlotMoveState.MOVING };
  const [from, to] = [move.fromShard, move.toShard].map((name) => parseShardName(name, "").shard);
  if (present.owner === to) {
    return { ...move, state: SlotMoveState.MOVED, retryTime: undefined, trouble: "" };
  }
  const pending = { ...move, state: SlotMoveState.PENDING };
  if (!isPlanned) return { ...pending, fromShard: shardName(group, present.owner) };
  const pin = snapshot.pins.get(slot);
  const isPointless =
    present.owner !== from ||
    to === undefined ||
    !isOpenTo(snapshot, group, to) ||
    (pin !== undefined && pin !== to);
  return isPointless ? null : pending;
}
