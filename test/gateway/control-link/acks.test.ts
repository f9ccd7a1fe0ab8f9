/** Acknowledgements are gathered; one with a refusal goes at once. */
import { expect, test, vi } from "vitest";
import { Acks } from "../../../gateway/control-link/acks.ts";
import type { RoutingAck } from "../../../proto/gen/tidegate/control/v1/routing_service.ts";

const ack = (version: bigint, reasons: string[] = []): RoutingAck => ({
  version,
  rejected: reasons.map((reason) => ({ key: "class.a.x", revision: version, reason })),
});

test("several are one, the newest; a refusal goes at once, and none after the end", () => {
  vi.useFakeTimers();
  try {
    const sent: bigint[] = [];
    const acks = new Acks(({ version }) => sent.push(version));
    acks.add(ack(1n));
    acks.add(ack(2n));
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(sent).toEqual([2n]);
    acks.add(ack(3n));
    acks.add(ack(4n, ["bad"]));
    expect(sent).toEqual([2n, 4n]);
    vi.advanceTimersByTime(1000);
    acks.add(ack(5n));
    acks.close();
    vi.advanceTimersByTime(1000);
    expect(sent).toEqual([2n, 4n]);
  } finally {
    vi.useRealTimers();
  }
});
