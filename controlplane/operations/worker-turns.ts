/**
 * Calls the workers of operations that move no slots, each turn by itself: one that waits for its
 * gateway keeps no move and no other operation waiting.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Operation } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { Log } from "../log.ts";
import type { WorkedOperation } from "./leader-records.ts";
import { hasEnded } from "./operation-record.ts";
import type { OperationWorker, OperationWorkers } from "./worker.ts";

/** After a turn that failed, ms. */
const RETRY_MS = 1000;
/** No worker is called again sooner, ms. */
const AGAIN_MS_MIN = 50;

/** What it works with. */
export interface WorkerTurnsParts {
  mayAct(): void;
  /** Told what a turn made of an operation. Must not throw. */
  onTurn(id: string, operation: Operation): void;
  readonly log: Log;
}

interface Scheduled {
  /** State that it was called with: another one is told at once. */
  state: number;
  isRunning: boolean;
  timer: NodeJS.Timeout | null;
}

export class WorkerTurns {
  readonly #workers: OperationWorkers;
  readonly #parts: WorkerTurnsParts;
  readonly #scheduled = new Map<string, Scheduled>();
  readonly #latest = new Map<string, Operation>();
  #isStopped = false;

  constructor(workers: OperationWorkers, parts: WorkerTurnsParts) {
    this.#workers = workers;
    this.#parts = parts;
  }

  /** Whether a worker, and not decide-step.ts, says what is next. */
  isWorkers(operation: Operation): boolean {
    return this.#workerOf(operation) !== undefined;
  }

  /**
   * Calls the workers of operations that are new, or whose state was changed.
   *
   * @param worked all that the leader works on: no worker is called for others any more.
   */
  follow(worked: readonly WorkedOperation[]): void {
    const open = worked.filter(({ operation }) => !hasEnded(operation));
    const ids = new Set(open.map(({ id }) => id));
    for (const id of [...this.#scheduled.keys()]) if (!ids.has(id)) this.#forget(id);
    for (const each of open) this.#look(each);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { timer } of this.#scheduled.values()) {
      if (timer !== null) clearTimeout(timer);
    }
  }

  #forget(id: string): void {
    const timer = this.#scheduled.get(id)?.timer ?? null;
    if (timer !== null) clearTimeout(timer);
    this.#scheduled.delete(id);
    this.#latest.delete(id);
  }

  #look({ id, operation }: WorkedOperation): void {
    if (!this.isWorkers(operation)) return;
    this.#latest.set(id, operation);
    const scheduled = this.#scheduled.get(id);
    if (scheduled !== undefined && scheduled.state === operation.state) return;
    if (scheduled?.isRunning === true) return; // it sees the state with its next turn
    this.#call(id);
  }

  #call(id: string): void {
    const operation = this.#latest.get(id);
    const worker = operation === undefined ? undefined : this.#workerOf(operation);
    if (operation === undefined || worker === undefined || this.#isStopped) return;
    const before = this.#scheduled.get(id);
    if (before?.timer) clearTimeout(before.timer);
    const scheduled: Scheduled = { state: operation.state, isRunning: true, timer: null };
    this.#scheduled.set(id, scheduled);
    void this.#turn(id, worker, operation).then((againMs) => this.#again(id, scheduled, againMs));
  }

  /** @returns when to call again, ms. */
  async #turn(id: string, worker: OperationWorker, operation: Operation): Promise<number> {
    try {
      this.#parts.mayAct();
      const tools = { mayAct: () => this.#parts.mayAct(), nowMs: Date.now() };
      const turn = await worker.turn(operation, tools);
      const latest = this.#latest.get(id);
      if (latest === undefined) return RETRY_MS; // it is another's, or has ended, meanwhile
      const isSteered = latest.state !== operation.state && turn.operation.endTime === undefined;
      // A caller has paused or aborted it meanwhile: that state stays.
      const next = isSteered ? { ...turn.operation, state: latest.state } : turn.operation;
      this.#latest.set(id, next);
      if (!this.#isStopped) this.#parts.onTurn(id, next);
      return isSteered ? AGAIN_MS_MIN : Math.max(AGAIN_MS_MIN, turn.againMs);
    } catch (reason) {
      const error = CodedError.from(reason);
      if (error.code !== "UNAVAILABLE") {
        this.#parts.log.error({ err: error, operation: operation.name }, "a worker's turn failed");
      }
      return RETRY_MS;
    }
  }

  #again(id: string, scheduled: Scheduled, againMs: number): void {
    const latest = this.#latest.get(id);
    const isOver = this.#isStopped || this.#scheduled.get(id) !== scheduled;
    if (latest === undefined || isOver) return;
    scheduled.isRunning = false;
    if (hasEnded(latest)) {
      this.#forget(id);
      return;
    }
    scheduled.timer = setTimeout(() => this.#call(id), againMs).unref();
  }

  #workerOf({ work }: Operation): OperationWorker | undefined {
    return work === undefined ? undefined : this.#workers[work.$case];
  }
}
