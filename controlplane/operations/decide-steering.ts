/**
 * Pause, resume and abort: which states an operation may go to.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { type Operation, OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import { hasEnded } from "./operation-record.ts";

/** What a caller may ask for. */
export const Steering = { pause: "pause", resume: "resume", abort: "abort" } as const;
export type Steering = (typeof Steering)[keyof typeof Steering];

const wanted = {
  [Steering.pause]: OperationState.PAUSED,
  [Steering.resume]: OperationState.RUNNING,
  [Steering.abort]: OperationState.ABORTING,
} as const;

/**
 * The operation as it is asked to be; itself when it is so already.
 *
 * @throws {CodedError} `OPERATION_ENDED`.
 */
export function decideSteering(operation: Operation, steering: Steering, nowMs: number): Operation {
  const state = wanted[steering];
  if (operation.state === state) return operation;
  if (hasEnded(operation)) {
    const ended = operation.endTime?.toISOString() ?? "before";
    const detail = `${operation.name} has ended (${ended}): ${operation.detail}`;
    throw new CodedError("OPERATION_ENDED", detail);
  }
  if (operation.state === OperationState.ABORTING) {
    throw new CodedError("OPERATION_ENDED", `${operation.name} is being aborted`);
  }
  return { ...operation, state, updateTime: new Date(nowMs) };
}
