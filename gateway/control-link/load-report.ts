/**
 * What a gateway reports of its slots' load.
 *
 * Pure.
 */
import type { LoadReport } from "../../proto/gen/tidegate/control/v1/routing_service.ts";
import type { SlotTraffic } from "../traffic.ts";

/** The counts of a time, as the control plane takes them. */
export function loadReport(traffic: readonly SlotTraffic[], spanMs: number): LoadReport {
  return {
    spanMs: Math.min(Math.max(0, Math.round(spanMs)), 0xffff_ffff),
    slots: traffic.map(({ slot }) => slot),
    messageCounts: traffic.map(({ messageCount }) => messageCount),
    kibibyteCounts: traffic.map(({ byteCount }) =>
      Math.min(Math.round(byteCount / 1024), 0xffff_ffff),
    ),
  };
}
