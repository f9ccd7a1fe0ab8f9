/** Metrics of operations: how many, how old, and which stand still though nobody paused them. */
import { expect, test } from "vitest";
import { collectOperations } from "../../../controlplane/metrics/collect-control.ts";
import {
  newOperation,
  type OperationWork,
  type StoredOperation,
} from "../../../controlplane/operations/operation-record.ts";
import { OperationState, RebalanceWork } from "../../../proto/gen/tidegate/control/v1/operation.ts";
import { MetricRegistry } from "../../../telemetry/metrics/registry.ts";

const nowMs = 1_000_000_000;
const work: OperationWork = {
  $case: "rebalance",
  value: RebalanceWork.decode(new Uint8Array(0)),
};

/** An operation that began so long ago, and last went on so long ago. */
function operation(state: OperationState, ageS: number, stallS: number): StoredOperation {
  const made = newOperation("1", work, "anna", nowMs - ageS * 1000);
  const updateTime = new Date(nowMs - stallS * 1000);
  return { id: "1", operation: { ...made, state, updateTime }, revision: 1 };
}

async function read(operations: readonly StoredOperation[]): Promise<Map<string, unknown>> {
  const registry = new MetricRegistry({});
  registry.add((sink) => collectOperations(sink, operations, nowMs));
  const families = await registry.read();
  return new Map(
    families.flatMap(({ name, samples }) =>
      samples
        .filter(({ labels }) => labels.kind === "rebalance")
        .map(({ value }): [string, unknown] => [name, value]),
    ),
  );
}

test("operations: the oldest, and the one that has stood still for longest", async () => {
  const { RUNNING, ABORTING, SUCCEEDED } = OperationState;
  const all = [
    operation(RUNNING, 300, 20),
    operation(ABORTING, 200, 90),
    operation(SUCCEEDED, 9000, 8000),
  ];
  expect(Object.fromEntries(await read(all))).toEqual({
    tidegate_operations: 2,
    tidegate_operation_oldest_seconds: 300,
    tidegate_operation_stalled_seconds: 90,
  });
});

test("operations: one that somebody paused does not count as standing still", async () => {
  const told = await read([operation(OperationState.PAUSED, 7200, 3600)]);
  expect(told.get("tidegate_operations")).toBe(1);
  expect(told.get("tidegate_operation_stalled_seconds")).toBe(0);
});
