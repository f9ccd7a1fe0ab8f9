/** Which operations a worker is called for, and which no more. */
import { expect, onTestFinished, test, vi } from "vitest";
import {
  endOperation,
  hasEnded,
  newOperation,
} from "../../../controlplane/operations/operation-record.ts";
import type { WorkerTurn } from "../../../controlplane/operations/worker.ts";
import { WorkerTurns } from "../../../controlplane/operations/worker-turns.ts";
import {
  type Operation,
  OperationState,
} from "../../../proto/gen/tidegate/control/v1/operation.ts";

const AGAIN_MS = 50;
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };
const value = {
  gateway: "gateways/a",
  incarnation: "1",
  connectionsPerSecondMax: 0,
  announceMs: 0,
};
const drain = newOperation(
  "drain",
  { $case: "drainGateway", value: { ...value, deadlineMs: 1000 } },
  "operator",
  0,
);

/** Turns whose worker does `turn`; what it was called with, and what was made of it. */
function startTurns(turn: (operation: Operation) => Operation) {
  const called: Operation[] = [];
  const made: Operation[] = [];
  const worker = {
    turn: async (operation: Operation): Promise<WorkerTurn> => {
      called.push(operation);
      return { operation: turn(operation), againMs: AGAIN_MS };
    },
  };
  const turns = new WorkerTurns(
    { drainGateway: worker },
    { mayAct: () => {}, onTurn: (_, operation) => void made.push(operation), log: silentLog },
  );
  onTestFinished(() => turns.stop());
  const follow = (...operations: Operation[]) =>
    turns.follow(operations.map((operation) => ({ id: "drain", operation, revision: 1 })));
  return { called, made, follow };
}

const ended = (operation: Operation) =>
  endOperation(operation, OperationState.SUCCEEDED, "done", 1000);

test("an operation that its worker has ended is not given to it again before it is written", async () => {
  const { called, made, follow } = startTurns(ended);
  follow(drain);
  await vi.waitUntil(() => made.length === 1);
  // As the conductor has it until the record is written: it is woken, and looks at all.
  follow(made[0] ?? drain);
  follow(made[0] ?? drain);
  follow();
  expect(made.every(hasEnded)).toBe(true);
  expect(called.length).toBe(1);
});

test("an operation that is gone is worked on no more; one whose state was changed at once", async () => {
  const { called, made, follow } = startTurns((operation) => operation);
  follow(drain);
  await vi.waitUntil(() => called.length === 3); // on and on
  const aborting = { ...drain, state: OperationState.ABORTING };
  follow(aborting);
  await vi.waitUntil(() => made.at(-1)?.state === OperationState.ABORTING);
  follow();
  const count = called.length;
  // A second one, which would be called as often as the first.
  const other = startTurns((operation) => operation);
  other.follow(drain);
  await vi.waitUntil(() => other.called.length === 4);
  expect(called.length).toBeLessThanOrEqual(count + 1); // a turn may have been under way
});
