/** What a gateway sheds under overload, where it shows, and what it never sheds. */
import { expect, test } from "vitest";
import type { OverloadReading } from "../../../gateway/overload/decide-overload.ts";
import { metricsText } from "../../telemetry/metrics-text.ts";
import { attempt, authenticateByName, until } from "../seats/quota-tools.ts";
import { testGateway } from "../start-gateway.ts";

const calm: OverloadReading = { loopDelayMs: 1, memoryShare: 0.1, busLagMs: 1 };

test("overload: connects first, then anonymous ephemeral publishes, never durable acks", async () => {
  let reading = calm;
  const lines: object[] = [];
  const note = (facts: object, text: string) => lines.push({ ...facts, text });
  const log = { debug() {}, info: note, warn: note, error: note };
  const parts = { authenticate: authenticateByName, readOverload: () => reading, log };
  const { gateway, port } = await testGateway({ parts });
  const level = () => gateway.stats().overload.level;
  const [anonymous, ann] = [await attempt(port), await attempt(port, { token: "ann" })];
  reading = { ...calm, memoryShare: 0.9 };
  await until(() => level() === 1);
  const shed = await attempt(port, { token: "bob" });
  expect(shed).toMatchObject({ code: 1013, error: { code: "OVERLOADED", retryable: true } });
  expect(shed.error?.retryAfterMs).toBeGreaterThanOrEqual(4000);
  anonymous.client.publish({ requestId: 1, room: "live:a", payload: "still" });
  await anonymous.client.ack(1);
  reading = { ...calm, memoryShare: 0.99 };
  await until(() => level() === 2);
  anonymous.client.publish({ requestId: 2, room: "live:a", payload: "x" });
  expect(await anonymous.client.error(2)).toMatchObject({ code: "OVERLOADED", retryable: true });
  ann.client.publish({ requestId: 1, room: "live:a", payload: "x" });
  for (const { client } of [ann, anonymous]) {
    client.publish({ requestId: 3, room: "chat:a", seq: 1, payload: "durable" });
    await client.ack(3);
  }
  await ann.client.ack(1);
  const { overload } = gateway.stats();
  expect(overload).toMatchObject({ sheds: "anonymous", cause: "memoryShare", shedConnectCount: 1 });
  expect(overload.shedPublishCount).toBe(1);
  const text = await metricsText([gateway.collect]);
  expect(text).toContain('tidegate_overload_level{gateway="test"} 2\n');
  expect(text).toContain('tidegate_shed_total{gateway="test",what="publishes"} 1\n');
  expect(lines).toMatchObject([
    { from: "none", to: "connects", cause: "memoryShare", memoryShare: 0.9 },
    { from: "connects", to: "anonymous" },
  ]);
  reading = calm;
  await until(() => level() === 0);
  expect((await attempt(port, { token: "bob" })).isAdmitted).toBe(true);
  expect(lines).toHaveLength(4);
}, 30_000);

test("admission: who comes beyond the pace waits in order, and too many are told when to come", async () => {
  const { gateway, port } = await testGateway({ parts: { authenticate: authenticateByName } });
  const all = await Promise.all(Array.from({ length: 120 }, () => attempt(port, { token: "ann" })));
  expect(all.every(({ isAdmitted }) => isAdmitted)).toBe(true);
  const { admission } = gateway.stats();
  expect(admission.waitedCount).toBeGreaterThan(0);
  expect(admission).toMatchObject({ waitingCount: 0, refusedCount: 0 });
}, 30_000);

test("admission: off, nobody waits", async () => {
  const { gateway, port } = await testGateway({ options: { admission: "off" } });
  await Promise.all(Array.from({ length: 60 }, () => attempt(port)));
  expect(gateway.stats().admission.waitedCount).toBe(0);
}, 30_000);
