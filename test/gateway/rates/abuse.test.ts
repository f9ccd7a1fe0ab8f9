/** Clients that go on above a rate: blocked for a time, everywhere, in bounded memory. */
import { expect, test } from "vitest";
import { REFUSALS_AT_ONCE } from "../../../gateway/rates/abuse.ts";
import { BLOCK_COUNT_MAX, Blocks } from "../../../gateway/rates/blocks.ts";
import { attempt, authenticateByName, putLimit, until } from "../seats/quota-tools.ts";
import { testGateway } from "../start-gateway.ts";

test("BLOCKED: a flood is closed 4009, and its user is refused until the block ends", async () => {
  const parts = { authenticate: authenticateByName };
  const { bus, port, gateway } = await testGateway({ parts, options: { blockMs: 1000 } });
  await putLimit(bus, "frames-per-second", 1);
  const { client } = await attempt(port, { token: "ann" });
  for (let id = 1; id <= REFUSALS_AT_ONCE + 500; id += 1) {
    client.publish({ requestId: id, room: "live:a", payload: "x" });
  }
  expect(await client.closed).toEqual({ code: 4009, reason: "BLOCKED" });
  const refusals = client.frames.filter(({ $case }) => $case === "error");
  expect(refusals.length).toBeGreaterThanOrEqual(REFUSALS_AT_ONCE);
  const again = await attempt(port, { token: "ann" });
  expect(again).toMatchObject({ isAdmitted: false, code: 4009, error: { code: "BLOCKED" } });
  expect(again.error?.retryAfterMs).toBeLessThanOrEqual(1000);
  expect(again.error?.retryAfterMs).toBeGreaterThan(0);
  expect((await attempt(port, { token: "bob" })).isAdmitted).toBe(true);
  expect((await attempt(port)).isAdmitted).toBe(true); // anonymous, from the same address
  expect(gateway.stats().limits).toMatchObject({ blocked: 1 });
  await until(async () => (await attempt(port, { token: "ann" })).isAdmitted);
});

test("BLOCKED: a client with all its requests in flight that then waits is not", async () => {
  const { bus, port } = await testGateway({ parts: { authenticate: authenticateByName } });
  await putLimit(bus, "user-publishes-per-second", 1);
  const { client } = await attempt(port, { token: "ann" });
  for (let seq = 1; seq <= 1024; seq += 1) {
    client.publish({ requestId: seq, room: "chat:a", seq, payload: "x" });
  }
  await client.error(1024);
  await client.settle();
  expect(client.socket.readyState).toBe(client.socket.OPEN);
});

test("BLOCKED: anonymous floods block the address for anonymous clients, on other gateways too", async () => {
  const parts = { authenticate: authenticateByName };
  const first = await testGateway({ parts });
  await putLimit(first.bus, "frames-per-second", 1);
  const { client } = await attempt(first.port);
  for (let id = 1; id <= REFUSALS_AT_ONCE + 500; id += 1)
    client.send({ $case: "ping", value: { id } });
  expect((await client.closed).code).toBe(4009);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const clock = { nowUs: () => Date.now() * 1000 };
  const other = new Blocks(first.bus, clock, log, 60_000);
  other.follow();
  await until(() => other.count === 1);
  other.close();
  expect((await attempt(first.port)).code).toBe(4009);
  expect((await attempt(first.port, { token: "ann" })).isAdmitted).toBe(true);
});

test("blocks: are bounded, the oldest is forgotten, and a bus that is away costs nothing", async () => {
  let nowUs = 1e15;
  const bus = {
    keyValue: () => Promise.reject(new Error("away")),
  } as unknown as ConstructorParameters<typeof Blocks>[0];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const blocks = new Blocks(bus, { nowUs: () => nowUs }, log, 5000);
  for (let i = 0; i < BLOCK_COUNT_MAX + 10; i += 1) blocks.add(`user.acme.${i}`);
  expect(blocks.count).toBe(BLOCK_COUNT_MAX);
  expect([blocks.leftMs("user.acme.9"), blocks.leftMs("user.acme.10")]).toEqual([0, 5000]);
  nowUs += 4_999_000;
  expect(blocks.leftMs("user.acme.11")).toBe(1);
  nowUs += 1000;
  expect(blocks.leftMs("user.acme.11")).toBe(0);
  blocks.close();
});

test("BLOCKED: WebSocket pings count as frames, so that a flood of them ends too", async () => {
  const { bus, port } = await testGateway({ parts: { authenticate: authenticateByName } });
  await putLimit(bus, "frames-per-second", 1);
  const { client } = await attempt(port, { token: "ann" });
  for (let id = 1; id <= REFUSALS_AT_ONCE + 500; id += 1) client.socket.ping();
  expect(await client.closed).toEqual({ code: 4009, reason: "BLOCKED" });
});
