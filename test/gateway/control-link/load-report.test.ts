/** What a gateway reports of its slots. */
import { expect, test } from "vitest";
import { loadReport } from "../../../gateway/control-link/load-report.ts";

test("loadReport: slots with their messages and KiB, within what the fields hold", () => {
  const traffic = [
    { slot: 7, messageCount: 3, byteCount: 2600 },
    { slot: 9, messageCount: 1, byteCount: 1e15 },
  ];
  expect(loadReport(traffic, 10_000.4)).toEqual({
    ...{ spanMs: 10_000, slots: [7, 9], messageCounts: [3, 1] },
    kibibyteCounts: [3, 0xffff_ffff],
  });
  expect(loadReport([], 1e12)).toMatchObject({ spanMs: 0xffff_ffff, slots: [] });
});
