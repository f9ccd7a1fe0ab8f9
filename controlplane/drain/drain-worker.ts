/**
 * The leader's part of a drain: orders it, follows it, and takes it back when it is paused or
 * aborted. The gateway does it by itself; with no leader at all it goes on to its end.
 */
import type { Bus } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import {
  type DrainGatewayWork,
  type Operation,
  OperationState,
} from "../../proto/gen/tidegate/control/v1/operation.ts";
import { parseGatewayName } from "../fleet-names.ts";
import { endOperation, failOperation, hasEnded } from "../operations/operation-record.ts";
import type { OperationWorker, WorkerTools, WorkerTurn } from "../operations/worker.ts";
import { askGateway } from "./ask-gateway.ts";
import { decideProgress } from "./decide-drain.ts";

/** How often a drain is looked at, ms: a gateway moves a slot of clients each second. */
const LOOK_MS = 1000;

export class DrainWorker implements OperationWorker {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async turn(operation: Operation, { mayAct, nowMs }: WorkerTools): Promise<WorkerTurn> {
    if (hasEnded(operation)) return { operation, againMs: LOOK_MS }; // a repeat, come late
    const after = (changed: Operation): WorkerTurn => ({ operation: changed, againMs: LOOK_MS });
    if (operation.work?.$case !== "drainGateway") throw new CodedError("INTERNAL", "another work");
    const work = operation.work.value;
    const id = parseGatewayName(work.gateway, "gateway");
    mayAct();
    try {
      if (await this.#hasEnded(id, work.incarnation)) {
        const detail = "its process has ended, and its clients with it";
        return after(endOperation(operation, OperationState.SUCCEEDED, detail, nowMs));
      }
      if (operation.state === OperationState.RUNNING) {
        const value = startOf(operation, work);
        const report = await askGateway(this.#bus, id, { $case: "start", value });
        return after(decideProgress(operation, report, nowMs));
      }
      await askGateway(this.#bus, id, { $case: "undo", value: { drain: operation.name } });
      const detail = "it serves again, with the clients that had not gone";
      if (operation.state === OperationState.PAUSED) return after({ ...operation, detail });
      return after(endOperation(operation, OperationState.ABORTED, detail, nowMs));
    } catch (error) {
      const coded = CodedError.from(error);
      if (coded.code === "UNAVAILABLE" || coded.code === "NOT_FOUND") throw coded; // look again
      return after(failOperation(operation, coded, nowMs));
    }
  }

  /** Whether the process that was to be drained is there no more; one that was started since is. */
  async #hasEnded(id: string, incarnation: string): Promise<boolean> {
    const entries = await this.#bus.topology.processes();
    return !entries.some((entry) => entry.id === id && entry.incarnation === incarnation);
  }
}

function startOf({ name }: Operation, work: DrainGatewayWork) {
  const { announceMs, deadlineMs, connectionsPerSecondMax } = work;
  return { drain: name, announceMs, deadlineMs, connectionsPerSecondMax };
}
