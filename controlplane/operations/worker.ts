/**
 * Operations that move no slots: each kind has a worker, and the leader calls it.
 */
import type { Operation } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { OperationWork } from "./operation-record.ts";

/** What a worker works with. */
export interface WorkerTools {
  /** Throws when this process may not act any more: call it before each act. */
  mayAct(): void;
  /** Now, milliseconds since 1970, for the record's times. */
  readonly nowMs: number;
}

/** What follows a turn. */
export interface WorkerTurn {
  /** As it is now; one that has ended (endOperation, failOperation) is not worked on any more. */
  readonly operation: Operation;
  /** Call again after this, ms, 50 or more; sooner when a caller pauses or aborts it. */
  readonly againMs: number;
}

/**
 * Works on the operations of a kind, turn by turn. A turn is short (some seconds at most), and may
 * be repeated: another leader goes on from the record alone.
 */
export interface OperationWorker {
  /** Throws `UNAVAILABLE` when nothing can be done now; it is called again after a second. */
  turn(operation: Operation, tools: WorkerTools): Promise<WorkerTurn>;
}

/** Workers by kind. */
export type OperationWorkers = Partial<Record<OperationWork["$case"], OperationWorker>>;
