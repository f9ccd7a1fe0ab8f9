/**
 * A gateway that drains, seen by clients that know every frame: readiness, refusals, GoAway, force.
 */
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { DrainOrder, DrainReport } from "../../proto/gen/tidegate/bus/v1/drain.ts";
import { GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import { ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { healthOf, startGateway, startPair } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;

beforeEach(async () => {
  nats = await startTestNats(1); // of its own: others' gateways, killed, stay known for a while
}, 120_000);

afterEach(() => nats?.stop());

async function openClients(port: number, count: number): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.open(port)));
  onTestFinished(() => {
    for (const client of clients) client.socket.terminate();
  });
  return clients;
}

test("SIGTERM: not ready while it still accepts, then everybody is sent to the other", async () => {
  const pace = { DRAIN_ANNOUNCE_MS: "2000", DRAIN_RATE_MAX: "50" };
  const [a, b] = await startPair(nats.urls, pace);
  const clients = await openClients(a.port, 60);
  process.kill(a.pid, "SIGTERM");
  while ((await fetch(`${a.http}/readyz`)).status === 200);
  expect((await healthOf(a)).status).toBe("draining");
  const isTold = ({ $case }: { readonly $case: string }) => $case === "goAway";
  expect(clients.filter(({ frames }) => frames.some(isTold))).toEqual([]); // readiness fell first
  expect((await fetch(`${a.http}/livez`)).status).toBe(200);
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
  expect(late.frames).toMatchObject([
    { $case: "redirect", value: { target: b.url } },
    { $case: "error", value: { code: "SERVER_STOPPING" } },
  ]);
  for (const client of clients) client.socket.close(1000);
  expect(await a.ended).toBe(0);
}, 60_000);

test("SIGTERM: without an address of others, everybody is sent back to where it came from", async () => {
  const none = { ADVERTISE_URL: "" };
  const [a] = await Promise.all([startGateway(nats.urls, none), startGateway(nats.urls, none)]);
  const clients = await openClients(a.port, 10);
  process.kill(a.pid, "SIGTERM");
  const told = await Promise.all(clients.map((client) => client.next("goAway")));
  expect(told.map(({ target }) => target)).toEqual(clients.map(() => ""));
  for (const client of clients) client.socket.close(1000);
  expect(await a.ended).toBe(0);
}, 60_000);

test("SIGTERM: with nobody else there, everybody is closed at once", async () => {
  const a = await startGateway(nats.urls, { DRAIN_ANNOUNCE_MS: "20000" });
  const [client] = await openClients(a.port, 1);
  process.kill(a.pid, "SIGTERM");
  expect(await client?.closed).toEqual({ code: 4003, reason: "SERVER_STOPPING" });
  expect(client?.frames.some(({ $case }) => $case === "goAway")).toBe(false);
  expect(await a.ended).toBe(0);
}, 60_000);

test("deadline: what the ceiling left over is closed by force, with 4003", async () => {
  const pace = { DRAIN_RATE_MAX: "2", DRAIN_DEADLINE_MS: "3000" };
  const [a] = await startPair(nats.urls, pace);
  const clients = await openClients(a.port, 30);
  process.kill(a.pid, "SIGTERM");
  const ends = await Promise.all(clients.map(({ closed }) => closed));
  expect(ends).toEqual(clients.map(() => ({ code: 4003, reason: "SERVER_STOPPING" })));
  const toldCount = clients.filter(({ frames }) => frames.some(({ $case }) => $case === "goAway"));
  expect(toldCount.length).toBeGreaterThan(0);
  expect(toldCount.length).toBeLessThanOrEqual(6); // 2 a second for 3 s
  expect(await a.ended).toBe(0);
}, 60_000);

test("a second signal ends a drain at once", async () => {
  const pace = { DRAIN_RATE_MAX: "1" };
  const [a] = await startPair(nats.urls, pace);
  const clients = await openClients(a.port, 5);
  process.kill(a.pid, "SIGTERM");
  await Promise.race(clients.map((client) => client.next("goAway")));
  process.kill(a.pid, "SIGTERM");
  expect(await a.ended).toBe(1);
}, 60_000);

/** Gives orders as a control plane does. */
async function openOrders() {
  const bus = await openNatsBus({ servers: nats.urls, name: "orders" });
  onTestFinished(() => bus.close());
  return async (id: string, order: DrainOrder["order"]): Promise<DrainReport> =>
    DrainReport.decode(await bus.ask(id, "drain", DrainOrder.encode({ order }).finish(), 5000));
}

test("an order drains a gateway, an undo puts it back to serving, with what has not gone", async () => {
  const env = { GATEWAY_ID: "undone" };
  const [a] = await startPair(nats.urls, env);
  const clients = await openClients(a.port, 40);
  const order = await openOrders();
  const start = { drain: "d1", announceMs: 0, deadlineMs: 60_000, connectionsPerSecondMax: 5 };
  const begun = await order("undone", { $case: "start", value: start });
  expect(begun).toMatchObject({ drain: "d1", firstCount: 40, connectionCount: 40, stuck: false });
  await Promise.race(clients.map((client) => client.next("goAway")));
  expect((await fetch(`${a.http}/readyz`)).status).toBe(503);
  const undone = await order("undone", { $case: "undo", value: { drain: "" } });
  expect(undone).toMatchObject({ state: ServingState.SERVING, drain: "" });
  expect((await fetch(`${a.http}/readyz`)).status).toBe(200);
  await openClients(a.port, 1); // new ones are taken again
  expect((await healthOf(a)).connections).toBe(41); // these clients do not follow a GoAway
  const again = await order("undone", { $case: "start", value: { ...start, drain: "d2" } });
  expect(again).toMatchObject({ drain: "d2", firstCount: 41 });
}, 60_000);

test("an order's drain ends with the process serving nobody, and can be undone then", async () => {
  const env = { GATEWAY_ID: "emptied" };
  const [a] = await startPair(nats.urls, env);
  const clients = await openClients(a.port, 20);
  const order = await openOrders();
  const start = { drain: "d1", announceMs: 0, deadlineMs: 60_000, connectionsPerSecondMax: 0 };
  await order("emptied", { $case: "start", value: start });
  for (const client of clients) {
    await client.next("goAway");
    client.socket.close(1000);
  }
  const look = () => order("emptied", { $case: "look", value: {} });
  let report = await look();
  while (report.state !== ServingState.STOPPED) report = await look();
  expect(report).toMatchObject({ firstCount: 20, toldCount: 20, forcedCount: 0, leftMs: 0 });
  const late = new RawClient(a.port);
  await late.opened();
  late.hello();
  expect((await late.closed).code).toBe(4003);
  await order("emptied", { $case: "undo", value: { drain: "" } });
  await openClients(a.port, 1);
}, 60_000);

test("two that begin to drain at the same moment share the ceiling from their first client on", async () => {
  await startGateway(nats.urls);
  const ids = ["twin-a", "twin-b"];
  const twins = await Promise.all(ids.map((id) => startGateway(nats.urls, { GATEWAY_ID: id })));
  for (const { port } of twins) await openClients(port, 30);
  const order = await openOrders();
  const start = { announceMs: 0, deadlineMs: 60_000, connectionsPerSecondMax: 20 };
  const firstSlotOf = async (id: string) => {
    await order(id, { $case: "start", value: { ...start, drain: id } });
    for (;;) {
      const { toldCount } = await order(id, { $case: "look", value: {} });
      if (toldCount > 0) return toldCount;
    }
  };
  // Three quarters of 20 a second, for both together.
  expect(await Promise.all(ids.map(firstSlotOf))).toEqual([7, 7]);
}, 60_000);

test("an order of some only moves so many, and the gateway goes on serving", async () => {
  const env = { GATEWAY_ID: "full" };
  const [a, b] = await startPair(nats.urls, env);
  const clients = await openClients(a.port, 20);
  const order = await openOrders();
  const shed = { count: 3, connectionsPerSecondMax: 0 };
  const report = await order("full", { $case: "shed", value: shed });
  expect(report).toMatchObject({ state: ServingState.SERVING, toldCount: 3 });
  const told = await Promise.all(clients.slice(0, 3).map((client) => client.next("goAway")));
  expect(told[0]).toMatchObject({ reason: GoAwayReason.BALANCE, target: b.url, deadlineMs: 0 });
  expect((await fetch(`${a.http}/readyz`)).status).toBe(200);
}, 60_000);

test("orders: a deadline within the announce time is refused", async () => {
  await startGateway(nats.urls, { GATEWAY_ID: "strict" });
  const order = await openOrders();
  const start = { drain: "d", announceMs: 5000, deadlineMs: 5000, connectionsPerSecondMax: 0 };
  const refused = order("strict", { $case: "start", value: start });
  await expect(refused).rejects.toMatchObject({ code: "REQUEST_INVALID" });
}, 60_000);
