/**
 * What a gateway's report makes of the operation that drains it.
 *
 * Pure.
 */
import type { DrainReport } from "../../proto/gen/tidegate/bus/v1/drain.ts";
import { ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { type Operation, OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import { endOperation } from "../operations/operation-record.ts";

/** The operation after a report of a gateway that drains, or has drained. */
export function decideProgress(
  operation: Operation,
  report: DrainReport,
  nowMs: number,
): Operation {
  const { firstCount, connectionCount, toldCount, forcedCount, leftMs, state, stuck } = report;
  const stepCount = Math.max(firstCount, connectionCount, operation.stepCount);
  const goneCount = Math.max(0, stepCount - connectionCount);
  const counted = { ...operation, stepCount, doneCount: goneCount, activeCount: 0 };
  if (state === ServingState.STOPPED) {
    const forced = forcedCount === 0 ? "" : `, ${forcedCount} of them closed by force`;
    const detail = `its ${stepCount} clients are gone${forced}; it takes none until it is undrained`;
    return endOperation(counted, OperationState.SUCCEEDED, detail, nowMs);
  }
  const leftS = Math.ceil(leftMs / 1000);
  const told = `${toldCount} of ${stepCount} clients were told to go, ${connectionCount} are there`;
  const wait = stuck ? "; no other gateway takes clients now" : "";
  const detail =
    state === ServingState.ANNOUNCING
      ? "it is not ready any more, and still accepts until load balancers have seen it"
      : `${told}; the rest is closed in ${leftS} s${wait}`;
  const activeCount = Math.max(0, Math.min(connectionCount, toldCount - goneCount));
  return { ...counted, activeCount, detail };
}
