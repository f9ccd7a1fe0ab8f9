/** What a gateway's report makes of its operation. */
import { expect, test } from "vitest";
import { decideProgress } from "../../../controlplane/drain/decide-drain.ts";
import { newOperation } from "../../../controlplane/operations/operation-record.ts";
import { DrainReport } from "../../../proto/gen/tidegate/bus/v1/drain.ts";
import { ServingState } from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { OperationState } from "../../../proto/gen/tidegate/control/v1/operation.ts";

const value = {
  ...{ gateway: "gateways/a", incarnation: "x" },
  ...{ connectionsPerSecondMax: 0, announceMs: 0, deadlineMs: 30_000 },
};
const operation = newOperation("o", { $case: "drainGateway", value }, "ann", 1000);
const reportOf = (rest: Partial<DrainReport>): DrainReport => ({
  ...DrainReport.decode(new Uint8Array(0)),
  ...{ state: ServingState.DRAINING, drain: "o", firstCount: 100, connectionCount: 60 },
  ...rest,
});

test("decideProgress: clients are the steps", () => {
  const report = reportOf({ toldCount: 55, leftMs: 12_300 });
  expect(decideProgress(operation, report, 2000)).toMatchObject({
    ...{ state: OperationState.RUNNING, stepCount: 100, doneCount: 40, activeCount: 15 },
    detail: "55 of 100 clients were told to go, 60 are there; the rest is closed in 13 s",
  });
});

test("decideProgress: announcing, and stuck, are said", () => {
  const announcing = reportOf({ state: ServingState.ANNOUNCING });
  expect(decideProgress(operation, announcing, 2000).detail).toMatch(/still accepts/);
  const stuck = reportOf({ stuck: true });
  expect(decideProgress(operation, stuck, 2000).detail).toMatch(/no other gateway takes clients/);
});

test("decideProgress: drained, it has succeeded, and force is told", () => {
  const drained = { state: ServingState.STOPPED, connectionCount: 0, forcedCount: 3 };
  expect(decideProgress(operation, reportOf(drained), 2000)).toMatchObject({
    ...{ state: OperationState.SUCCEEDED, stepCount: 100, doneCount: 100 },
    detail: expect.stringContaining("3 of them closed by force"),
    endTime: new Date(2000),
  });
});
