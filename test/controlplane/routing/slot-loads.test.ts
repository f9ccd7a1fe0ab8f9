/** Loads of slots as gateways report them: sums of the last minute. */
import { expect, test } from "vitest";
import { LOAD_SLOT_COUNT, ReportedLoads } from "../../../controlplane/routing/slot-loads.ts";

function report(...rows: [slot: number, messages: number, kibibytes: number][]) {
  return {
    spanMs: 10_000,
    slots: rows.map(([slot]) => slot),
    messageCounts: rows.map(([, messages]) => messages),
    kibibyteCounts: rows.map(([, , kibibytes]) => kibibytes),
  };
}

test("sums: of all gateways' reports, by slot, over the time there was", () => {
  const loads = new ReportedLoads(0);
  loads.add(report([7, 10, 1], [9, 5, 2]), 1000);
  loads.add(report([7, 20, 3]), 12_000);
  expect(loads.sums(20_000)).toEqual({
    ...{ spanMs: 20_000, slots: [7, 9], messageCounts: [30, 5], kibibyteCounts: [4, 2] },
  });
});

test("sums: what is older than a minute is forgotten, also when nothing comes any more", () => {
  const loads = new ReportedLoads(0);
  for (let at = 0; at < 200_000; at += 5000) loads.add(report([1, 1, 0]), at);
  const { spanMs, messageCounts } = loads.sums(199_999);
  expect(spanMs).toBe(60_000);
  expect(messageCounts[0]).toBeGreaterThanOrEqual(11);
  expect(messageCounts[0]).toBeLessThanOrEqual(14);
  expect(loads.sums(400_000).slots).toEqual([]);
});

test("add: slots that there are not, and lists of different lengths, do no harm", () => {
  const loads = new ReportedLoads(0);
  loads.add(report([LOAD_SLOT_COUNT, 1, 1], [LOAD_SLOT_COUNT - 1, 2, 2]), 0);
  loads.add({ spanMs: 1, slots: [3, 4], messageCounts: [1], kibibyteCounts: [] }, 0);
  expect(loads.sums(1)).toMatchObject({ slots: [3, LOAD_SLOT_COUNT - 1], messageCounts: [1, 2] });
});
