/** Seats of one gateway on the embedded bus: limits, refusals, takeovers, changes on the way. */
import { expect, test } from "vitest";
import { RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import { testGateway } from "../start-gateway.ts";
import {
  attempt,
  authenticateByName,
  putClass,
  putLimit,
  seatCount,
  tokenOf,
  tryJoin,
  until,
} from "./quota-tools.ts";

const byName = { parts: { authenticate: authenticateByName } };

test("connections-per-user: the sixth is refused with limit, value and retry; a close frees one", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "connections-per-user", 5);
  const all = await Promise.all(Array.from({ length: 40 }, () => attempt(port, { token: "ann" })));
  const admitted = all.filter(({ isAdmitted }) => isAdmitted);
  expect(admitted).toHaveLength(5);
  for (const { isAdmitted, code, error } of all) {
    if (isAdmitted) continue;
    expect(code).toBe(4008);
    expect(error).toMatchObject({
      ...{ code: "LIMIT_REACHED", limit: "connections-per-user", limitValue: 5n },
      ...{ retryable: true, retryAfterMs: 5000 },
    });
  }
  expect(admitted[0]?.client.welcome?.limits?.userConnectionCountMax).toBe(5n);
  expect((await attempt(port, { token: "bob" })).isAdmitted).toBe(true);
  await admitted[0]?.client.close();
  await until(async () => (await attempt(port, { token: "ann" })).isAdmitted);
});

test("connections-per-ip: is exact too; anonymous users have no limit of their own", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "connections-per-user", 1);
  await putLimit(bus, "connections-per-ip", 3);
  const all = await Promise.all(Array.from({ length: 12 }, () => attempt(port)));
  expect(all.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(3);
  const refused = all.find(({ isAdmitted }) => !isAdmitted);
  expect(refused?.error).toMatchObject({ limit: "connections-per-ip", limitValue: 3n });
});

test("session token: moves the seats, closes the old connection, and never admits two", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "connections-per-user", 1);
  const first = await attempt(port, { token: "ann" });
  expect((await attempt(port, { token: "ann" })).code).toBe(4008);
  const sessionToken = tokenOf(first.client);
  const second = await attempt(port, { token: "ann", sessionToken, dialCount: 2 });
  expect(second.isAdmitted).toBe(true);
  expect(await first.client.closed).toMatchObject({ code: 4500, reason: "TAKEN_OVER" });
  expect(await seatCount(bus)).toBe(1);
  // The same token again, as after a lost Welcome; and one of an older dial that comes late.
  const third = await attempt(port, { token: "ann", sessionToken, dialCount: 3 });
  expect(third.isAdmitted).toBe(true);
  expect((await second.client.closed).code).toBe(4500);
  expect((await attempt(port, { token: "ann", sessionToken, dialCount: 2 })).code).toBe(4500);
  expect(third.client.socket.readyState).toBe(third.client.socket.OPEN);
  expect(await seatCount(bus)).toBe(1);
});

test("session token: another user's, another tenant's or a forged one is none", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "connections-per-user", 1);
  const ann = await attempt(port, { token: "ann" });
  const sessionToken = tokenOf(ann.client);
  const bob = await attempt(port, { token: "bob", sessionToken });
  expect(bob.isAdmitted).toBe(true);
  const forged = Buffer.from(sessionToken);
  forged[3] = (forged[3] ?? 0) ^ 1;
  expect((await attempt(port, { token: "ann", sessionToken: forged })).code).toBe(4008);
  const long = Buffer.alloc(65);
  expect((await attempt(port, { token: "eve", sessionToken: long })).code).toBe(4501);
  expect(ann.client.socket.readyState).toBe(ann.client.socket.OPEN);
});

test("a connection that breaks keeps its seat for the hold time, a clean close does not", async () => {
  const options = { seatHoldMs: 1500 };
  const { bus, port } = await testGateway({ ...byName, options });
  await putLimit(bus, "connections-per-user", 1);
  const first = await attempt(port, { token: "ann" });
  first.client.socket.terminate();
  await first.client.closed;
  const brokenMs = performance.now();
  expect((await attempt(port, { token: "ann" })).code).toBe(4008);
  const back = await attempt(port, { token: "ann", sessionToken: tokenOf(first.client) });
  expect(back.isAdmitted).toBe(true);
  back.client.socket.terminate();
  await until(async () => (await attempt(port, { token: "ann" })).isAdmitted);
  expect(performance.now() - brokenMs).toBeGreaterThan(1400);
});

test("member_count_max: a full room refuses, Leave makes room, other rooms are others", async () => {
  const { bus, port } = await testGateway(byName);
  await putClass(bus, "game", RoomMode.EPHEMERAL, 3);
  const clients = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => (await attempt(port, { token: `u${i}` })).client),
  );
  const said = await Promise.all(clients.map((client) => tryJoin(client, "game:1")));
  expect(said.filter((error) => error === null)).toHaveLength(3);
  const refused = said.find((error) => error !== null);
  expect(refused).toMatchObject({
    ...{ code: "ROOM_FULL", limit: "room-members", limitValue: 3n, retryable: true },
    ...{ room: "game:1", retryAfterMs: 2000 },
  });
  const inside = clients[said.indexOf(null)];
  const outside = clients[said.findIndex((error) => error !== null)];
  if (inside === undefined || outside === undefined) throw new Error("nobody");
  expect(await tryJoin(outside, "game:2")).toBe(null);
  const joined = await inside.next("joined");
  expect(joined.policy?.memberCountMax).toBe(3);
  inside.send({ $case: "leave", value: { requestId: 99, roomAlias: joined.roomAlias } });
  await until(async () => (await tryJoin(outside, "game:1")) === null);
  expect(await seatCount(bus)).toBe(4);
});

test("member_count_max: more than one key holds, is exact, also when it is lowered and raised", async () => {
  const { bus, port } = await testGateway({ ...byName, options: { connectionCountMax: 2000 } });
  await putClass(bus, "hall", RoomMode.EPHEMERAL, 300);
  const clients = await Promise.all(
    Array.from({ length: 320 }, async (_, i) => (await attempt(port, { token: `u${i}` })).client),
  );
  const joinAll = async (some: typeof clients) => {
    const said = await Promise.all(some.map((client) => tryJoin(client, "hall:1")));
    return some.filter((_, i) => said[i] === null);
  };
  const inside = await joinAll(clients);
  expect(inside).toHaveLength(300);
  expect(await seatCount(bus)).toBe(300);
  const outside = clients.filter((client) => !inside.includes(client));
  await putClass(bus, "hall", RoomMode.EPHEMERAL, 280);
  const someInside = inside[0];
  await someInside?.next("roomPolicyChanged");
  for (const client of inside.slice(0, 15)) await client.close();
  await until(async () => (await seatCount(bus)) === 285);
  expect(await joinAll(outside)).toHaveLength(0);
  for (const client of inside.slice(15, 25)) await client.close();
  await until(async () => (await seatCount(bus)) === 275);
  expect(await joinAll(outside)).toHaveLength(5);
  await putClass(bus, "hall", RoomMode.EPHEMERAL, 290);
  await outside.at(-1)?.settle();
  const seen = await until(async () => (await joinAll(outside)).length >= 0).then(() =>
    seatCount(bus),
  );
  expect(seen).toBeLessThanOrEqual(290);
}, 60_000);

test("limits that come while clients are there count them, and go again", async () => {
  const { bus, port } = await testGateway(byName);
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => attempt(port, { token: "ann" })),
  );
  await Promise.all(clients.map(({ client }) => client.join("live:a")));
  await putLimit(bus, "connections-per-user", 4);
  await until(async () => (await seatCount(bus)) === 6);
  expect((await attempt(port, { token: "ann" })).code).toBe(4008);
  // The token of a Welcome from before the limit names the seat all the same.
  const [first] = clients;
  if (first === undefined) throw new Error("nobody");
  const sessionToken = tokenOf(first.client);
  expect((await attempt(port, { token: "ann", sessionToken })).isAdmitted).toBe(true);
  expect((await first.client.closed).code).toBe(4500);
  await putLimit(bus, "connections-per-user", 0);
  await until(async () => (await seatCount(bus)) === 0);
  expect((await attempt(port, { token: "ann" })).isAdmitted).toBe(true);
});

test("connections: the tenant's permits are never over-admitted, and come back", async () => {
  const { bus, port, gateway } = await testGateway(byName);
  await putLimit(bus, "connections", 10);
  const all = await Promise.all(
    Array.from({ length: 30 }, (_, i) => attempt(port, { token: `u${i}` })),
  );
  const admitted = all.filter(({ isAdmitted }) => isAdmitted);
  expect(admitted).toHaveLength(10);
  const refused = all.find(({ isAdmitted }) => !isAdmitted);
  expect(refused?.error).toMatchObject({ limit: "connections", limitValue: 10n });
  expect((await attempt(port, { token: "other/eve" })).isAdmitted).toBe(true);
  await Promise.all(admitted.map(({ client }) => client.close()));
  await until(() => gateway.stats().connectionCount === 1);
  const again = await Promise.all(
    Array.from({ length: 10 }, (_, i) => attempt(port, { token: `v${i}` })),
  );
  expect(again.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(10);
});

test("rooms: as many open at once as the tenant may have", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "rooms", 2);
  const { client } = await attempt(port);
  expect(await tryJoin(client, "live:a")).toBe(null);
  expect(await tryJoin(client, "live:b")).toBe(null);
  const refused = await tryJoin(client, "live:c");
  expect(refused).toMatchObject({ code: "LIMIT_REACHED", limit: "rooms", limitValue: 2n });
  const { client: other } = await attempt(port);
  expect(await tryJoin(other, "live:a")).toBe(null);
  const { roomAlias } = await client.next("joined", ({ room }) => room === "live:b");
  client.send({ $case: "leave", value: { requestId: 9, roomAlias } });
  await until(async () => (await tryJoin(client, "live:c")) === null);
});

test("without a limit nothing is written, and a Welcome has a token all the same", async () => {
  const { bus, port } = await testGateway(byName);
  const { client } = await attempt(port, { token: "ann" });
  await client.join("live:a");
  expect(tokenOf(client)).toHaveLength(33);
  const again = await attempt(port, { token: "ann", sessionToken: tokenOf(client) });
  expect(again.isAdmitted).toBe(true);
  await client.settle(); // both are there: nobody had a seat
  expect(await seatCount(bus)).toBe(0);
});
