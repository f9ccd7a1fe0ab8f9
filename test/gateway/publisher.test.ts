/** What clients that flood can make a gateway remember of publishes that it refused. */
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { PUBLISH_LIMITS } from "../../bus/void.ts";
import { newConnection } from "../../gateway/connection.ts";
import { MessageMeter } from "../../gateway/metrics/message-meter.ts";
import { LANE_COUNT_MAX, Publisher } from "../../gateway/publisher.ts";
import type { Sender } from "../../gateway/sender.ts";
import type { MessageTraces } from "../../gateway/tracing/message-traces.ts";
import { CodedError } from "../../proto/coded-error.ts";

test("Publisher.refuse: ever new rooms are remembered up to a bound, then told OUTCOME_UNKNOWN", () => {
  const codes = new Map<string, number>();
  const sendError = (_connection: unknown, _id: number, { code }: CodedError) =>
    void codes.set(code, (codes.get(code) ?? 0) + 1);
  const bus = { publishLimits: PUBLISH_LIMITS } as Bus;
  const sender = { sendError } as unknown as Sender;
  const traces = { recordRefusal() {} } as unknown as MessageTraces;
  const meter = new MessageMeter();
  const publisher = new Publisher(bus, { nowUs: () => 1 }, sender, traces, { error() {} }, meter);
  onTestFinished(() => publisher.close());
  const connection = newConnection(1);
  const full = new CodedError("IN_FLIGHT_LIMIT", "full");
  const address = roomAddress("default", "chat:a");
  for (let i = 0; i < LANE_COUNT_MAX + 5; i += 1) {
    publisher.refuse(connection, 1, { ...address, token: `room-${i}` }, 1, 1, full);
  }
  publisher.refuse(connection, 1, { ...address, token: "room-0" }, 2, 1, full); // known: remembered
  expect(Object.fromEntries(codes)).toEqual({
    ...{ IN_FLIGHT_LIMIT: LANE_COUNT_MAX + 1, OUTCOME_UNKNOWN: 5 },
  });
  expect([publisher.laneCount, connection.inFlightCount]).toEqual([LANE_COUNT_MAX, 0]);
});
