/** R2: a machine whose clock differs from the servers' is not ready. */
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { ClockCheck, clockAheadMs, middleOf } from "../../../bus/nats/clock-check.ts";
import { openNatsBus } from "../../../bus/nats/nats-bus.ts";
import { Troubles } from "../../../bus/nats/troubles.ts";
import { startTestNats } from "../../nats/start-nats.ts";

test.each([
  { askedMs: 100, answeredMs: 110, serverMs: 105, aheadMs: 0 },
  { askedMs: 100, answeredMs: 110, serverMs: 111, aheadMs: -1 },
  { askedMs: 100, answeredMs: 3000, serverMs: 2900, aheadMs: 0 },
  { askedMs: 5000, answeredMs: 5010, serverMs: 3000, aheadMs: 2000 },
])("clockAheadMs: $askedMs..$answeredMs against $serverMs is $aheadMs", (row) => {
  expect(clockAheadMs(row.askedMs, row.answeredMs, row.serverMs)).toBe(row.aheadMs);
});

test("middleOf: one wrong server of three, or of two, changes nothing", () => {
  expect(middleOf([])).toBe(0);
  expect(middleOf([0, 5000, 10])).toBe(10);
  expect(middleOf([0, 5000])).toBe(0);
});

test("ClockCheck: a clock that is off is a fault with what to do; a good one is none", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const bus = await openNatsBus({ servers: nats.urls, name: "clock" });
  onTestFinished(() => bus.close());
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  const told: object[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (facts: object) => void told.push(facts) };
  const faultAt = async (offsetMs: number) => {
    const troubles = new Troubles(log);
    const check = new ClockCheck(
      connection,
      () => [0, 1, 2, 3],
      troubles,
      () => Date.now() + offsetMs,
    );
    onTestFinished(() => check.close());
    for (let shard = 0; shard < 4; shard += 1) await check.check();
    return check.fault?.detail ?? null;
  };
  expect(await faultAt(0)).toBeNull();
  expect(told).toEqual([]);
  expect(await faultAt(3000)).toMatch(
    /^this machine's clock is 3\.\d s ahead of the NATS servers'/,
  );
  expect(await faultAt(-3000)).toMatch(/clock is [23]\.\d s behind/);
  expect(told).toMatchObject([{ kind: "clock_differs" }, { kind: "clock_differs" }]);
});
