/**
 * Operations as people and programs read them: short names, plain numbers.
 *
 * Pure. What `-o json` prints is the object, what a table shows is made from it.
 */
import {
  type Operation,
  OperationState,
  SlotMoveReason,
  SlotMoveState,
} from "../proto/gen/tidegate/control/v1/operation.ts";
import { detailTable } from "./fleet-text.ts";
import { formatSpan } from "./human-units.ts";
import { formatTable } from "./table.ts";

/** An operation as printed. */
export type OperationText = ReturnType<typeof operationText>;

/** Cells of the progress bar. */
const barCells = 20;

/** An operation in words; what there is not is null. */
export function operationText(operation: Operation) {
  return {
    id: operation.name.slice("operations/".length),
    state: word(OperationState, operation.state),
    work: workText(operation),
    doneCount: operation.doneCount,
    stepCount: operation.stepCount,
    activeCount: operation.activeCount,
    detail: operation.detail,
    failure: operation.failure ?? null,
    creator: operation.creator,
    createTime: timeText(operation.createTime),
    updateTime: timeText(operation.updateTime),
    endTime: timeText(operation.endTime),
    etag: operation.etag,
    moves: operation.moves.map((move) => ({
      slot: shortPlace(move.slot),
      from: shortPlace(move.fromShard),
      to: shortPlace(move.toShard),
      reason: word(SlotMoveReason, move.reason),
      state: word(SlotMoveState, move.state),
      attemptCount: move.attemptCount,
      retryTime: timeText(move.retryTime),
      trouble: move.trouble,
    })),
  };
}

/** Operations, one a line. @param nowMs for their age. */
export function operationTable(operations: readonly OperationText[], nowMs: number): string {
  const head = ["ID", "STATE", "WORK", "DONE", "AGE", "DETAIL"];
  const rows = operations.map((each) => [
    ...[each.id, each.state, each.work, doneText(each)],
    ...[ageText(each.createTime, nowMs), each.detail],
  ]);
  return formatTable([head, ...rows]);
}

/** One operation with all that is known of it; its moves as a table below. */
export function operationDetails(operation: OperationText): string {
  const { moves, failure, ...rest } = operation;
  const details = detailTable(failure === null ? rest : { ...rest, failure });
  if (moves.length === 0) return details;
  return `${details}\n${moveTable(operation)}`;
}

/** The moves of an operation, one a line. */
export function moveTable({ moves }: OperationText): string {
  const head = ["SLOT", "FROM", "TO", "REASON", "STATE", "TRIES", "TROUBLE"];
  const rows = moves.map((move) => [
    ...[move.slot, move.from, move.to, move.reason, move.state],
    ...[String(move.attemptCount), move.trouble || "-"],
  ]);
  return formatTable([head, ...rows]);
}

/** How far it is, on one line: a bar, counts, and what it does now. */
export function progressLine(operation: OperationText): string {
  const { stepCount, doneCount, state, detail } = operation;
  const share = stepCount === 0 ? Number(state === "succeeded") : doneCount / stepCount;
  const filled = Math.round(share * barCells);
  const bar = `[${"#".repeat(filled)}${".".repeat(barCells - filled)}]`;
  return `${bar} ${doneText(operation)} ${state}: ${detail}`;
}

/** What a dry run says: what would be done, and that it was not. */
export function dryRunText(operation: OperationText): string {
  const { moves, work } = operation;
  const head = `${work}: ${moves.length} moves (dry run, nothing was begun)\n`;
  return moves.length === 0 ? head : head + moveTable(operation);
}

function workText({ work }: Operation): string {
  switch (work?.$case) {
    case "moveSlot":
      return `move slot ${shortPlace(work.value.slot)} to shard ${shortPlace(work.value.shard)}`;
    case "drainShard":
      return `drain shard ${shortPlace(work.value.shard)}`;
    case "rebalance":
      return `rebalance group ${shortPlace(work.value.group)}`;
    case "drainGateway":
      return `drain gateway ${shortPlace(work.value.gateway)}`;
    default:
      return "-";
  }
}

function doneText({ doneCount, stepCount }: OperationText): string {
  return stepCount === 0 ? "-" : `${doneCount}/${stepCount}`;
}

function ageText(createTime: string | null, nowMs: number): string {
  return createTime === null ? "-" : formatSpan(Math.max(0, nowMs - Date.parse(createTime)));
}

/** "groups/0/slots/5" is 5; of another group "1-5". Shards have numbers over all groups. */
function shortPlace(name: string): string {
  const [, group, collection, number] = name.split("/");
  if (collection === "slots" && group !== "0") return `${group}-${number}`;
  return name.slice(name.lastIndexOf("/") + 1);
}

function word(words: Readonly<Record<string, number>>, value: number): string {
  const found = Object.entries(words).find(([, number]) => number === value);
  return found === undefined ? String(value) : found[0].toLowerCase();
}

function timeText(time: Date | undefined): string | null {
  return time?.toISOString() ?? null;
}
