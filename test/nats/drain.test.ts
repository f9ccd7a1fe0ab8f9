/**
 * A gateway that drains, seen by clients that know every frame: readiness, refusals, GoAway, force.
 */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { healthOf, startGateway, waitForTargets } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 120_000);

afterAll(() => nats?.stop());

async function openClients(port: number, count: number): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.open(port)));
  onTestFinished(() => {
    for (const client of clients) client.socket.terminate();
  });
  return clients;
}

test("SIGTERM: not ready while it still accepts, then everybody is sent to the other", async () => {
  const [a, b] = await Promise.all([
    startGateway(nats.urls, { DRAIN_ANNOUNCE_MS: "2000", DRAIN_RATE_MAX: "50" }),
    startGateway(nats.urls),
  ]);
  await waitForTargets([a, b]);
  const clients = await openClients(a.port, 60);
  process.kill(a.pid, "SIGTERM");
  while ((await fetch(`${a.http}/readyz`)).status === 200);
  expect((await healthOf(a)).status).toBe("draining");
  const newcomer = await RawClient.open(a.port); // it is still taken
  clients.push(newcomer);
  const told = await Promise.all(clients.map((client) => client.next("goAway")));
  for (const { reason, target, delayMs, deadlineMs } of told) {
    expect(reason).toBe(GoAwayReason.DRAIN);
    expect(target).toBe(b.url);
    expect(delayMs).toBeLessThan(1000);
    expect(deadlineMs).toBeGreaterThan(delayMs);
  }
  const late = new RawClient(a.port);
  await late.opened();
  late.hello();
  expect(await late.closed).toEqual({ code: 4003, reason: "SERVER_STOPPING" });
  expect(late.frames).toMatchObject([{ $case: "error", value: { code: "SERVER_STOPPING" } }]);
  for (const client of clients) client.socket.close(1000);
  expect(await a.ended).toBe(0);
}, 60_000);
