/**
 * The limits of a connection and of a gateway: Welcome names them, and each is answered as
 * documented at the limit and not before it.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AppendDone, Bus } from "../../bus/bus.ts";
import { upgradeRequest } from "../security/raw-http.ts";
import { RawClient } from "./raw-client.ts";
import { testGateway } from "./start-gateway.ts";

/** A bus whose appends are answered only when the test says so. */
function holdAppends(bus: Bus, held: (() => void)[]): Bus {
  return new Proxy(bus, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      if (key !== "append") return member.bind(target);
      return (...args: Parameters<Bus["append"]>) => {
        const [room, id, firstSentUs, envelope, done] = args;
        const later: AppendDone = (error, ack) => held.push(() => done(error, ack));
        target.append(room, id, firstSentUs, envelope, later);
      };
    },
  });
}

test("Welcome: the limits in force are the options", async () => {
  const options = { frameBytesMax: 2048, roomCountMax: 3, inFlightMax: 5, historyPageMax: 7 };
  const gateway = await testGateway({ options: { ...options, idleTimeoutS: 9 } });
  const { welcome } = await gateway.client();
  expect(welcome?.limits).toEqual({
    ...{ frameBytesMax: 2048, roomCountMax: 3, historyPageMax: 7 },
    publishInFlightMax: 5,
    ...{ tenantConnectionCountMax: 0n, userConnectionCountMax: 0n },
    ...{ ipConnectionCountMax: 0n, tenantRoomCountMax: 0n },
    ...{ framesPerSecondMax: 0, bytesPerSecondMax: 0, userPublishesPerSecondMax: 0 },
    ...{ tenantStoredBytesMax: 0n, tenantConnectsPerSecondMax: 0 },
  });
  expect([welcome?.idleTimeoutMs, welcome?.publishBudgetMs, welcome?.protocol]).toEqual([
    ...[9000, 20_000, 1],
  ]);
  expect(welcome?.connectionId).toMatch(/^test-[0-9a-z]+$/);
});

test("HELLO_TIMEOUT: who does not say Hello in time is closed 4001, others are not", async () => {
  const gateway = await testGateway({ options: { handshakeMs: 100 } });
  const quick = await gateway.client();
  const [silent, alsoSilent] = [await gateway.silentClient(), await gateway.silentClient()];
  alsoSilent.socket.ping(); // a sign of life is no Hello
  expect(await silent.closed).toEqual({ code: 4001, reason: "HELLO_TIMEOUT" });
  expect((await alsoSilent.closed).code).toBe(4001);
  await quick.settle();
  expect(gateway.gateway.stats().connectionCount).toBe(1);
});

// Closes were told in a cork, and then no FIN came for 8 s: clients that wait for it, as Python's
// `websockets` does, learned of every refusal and drain that late.
test("a close: the TCP connection ends at once, also for a client that answers nothing", async () => {
  const gateway = await testGateway({ options: { handshakeMs: 100 } });
  const socket = connect({ port: gateway.port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.write(upgradeRequest());
  socket.resume();
  await once(socket, "end");
}, 6000);

test("TOO_MANY_CONNECTIONS: closed 1013 at the limit; a place that is freed is given", async () => {
  const gateway = await testGateway({ options: { connectionCountMax: 2 } });
  const [first] = [await gateway.client(), await gateway.client()];
  for (let i = 0; i < 5; i += 1) {
    const extra = new RawClient(gateway.port);
    expect(await extra.closed).toEqual({ code: 1013, reason: "TOO_MANY_CONNECTIONS" });
    const error = extra.frames[0];
    expect(error?.$case === "error" && error.value.retryAfterMs).toBe(1000);
  }
  expect(gateway.gateway.stats().connectionCount).toBe(2);
  await first.close();
  while (gateway.gateway.stats().connectionCount > 1) await new Promise(setImmediate);
  await (await gateway.client()).settle();
});

test("ROOM_LIMIT: rooms that are being joined count, and a room that was left does not", async () => {
  const gateway = await testGateway({ options: { roomCountMax: 3 } });
  const client = await gateway.client();
  const rooms = ["chat:a", "live:a", "chat:b", "live:b", "chat:c"];
  const requestId = client.sendJoin(rooms.map((room) => ({ room, after: undefined, history: 0 })));
  const refused = (room: string) =>
    client.next("error", (each) => each.requestId === requestId && each.room === room);
  for (const room of rooms.slice(3)) expect((await refused(room)).code).toBe("ROOM_LIMIT");
  const joined = await client.next("joined", (each) => each.room === "chat:b");
  client.send({ $case: "leave", value: { requestId: 77, roomAlias: joined.roomAlias } });
  await client.next("left");
  await client.join("chat:c");
  expect(gateway.gateway.stats().memberCount).toBe(3);
});

describe("IN_FLIGHT_LIMIT", () => {
  test("publishes and History count together, refusals do not, answers give places back", async () => {
    const held: (() => void)[] = [];
    const gateway = await testGateway({
      options: { inFlightMax: 3 },
      wrapBus: (bus) => holdAppends(bus, held),
    });
    const client = await gateway.client();
    const room = "chat:a";
    const first = [1, 2, 3].map((seq) => client.publish({ room, seq, payload: `m${seq}` }));
    const over = client.publish({ room, seq: 4, payload: "m4" });
    const error = await client.error(over);
    expect(error).toMatchObject({ code: "IN_FLIGHT_LIMIT", retryable: true, room });
    expect(error).toMatchObject({ limit: "in-flight", limitValue: 3n });
    const requestId = client.nextId();
    const target = { $case: "room" as const, value: room };
    const history = { requestId, target, cursor: undefined, limit: 5 };
    client.send({ $case: "history", value: history });
    expect((await client.error(requestId)).code).toBe("IN_FLIGHT_LIMIT");
    const other = await gateway.client(); // the limit is each connection's own
    const others = other.publish({ room, seq: 1, payload: "other's" });
    while (held.length < 4) await client.settle();
    for (const release of held.splice(0)) release();
    for (const id of [...first]) await client.ack(id);
    await other.ack(others);
    // All places are free again: as many as before, and not one more.
    const again = [4, 5, 6].map((seq) => client.publish({ room, seq, payload: `m${seq}` }));
    const stillOver = client.publish({ room, seq: 7, payload: "m7" });
    expect((await client.error(stillOver)).code).toBe("IN_FLIGHT_LIMIT");
    while (held.length < 3) await client.settle();
    for (const release of held.splice(0)) release();
    for (const id of again) await client.ack(id);
    const comeAgain = client.publish({ room, seq: 7, payload: "m7" });
    while (held.length < 1) await client.settle();
    for (const release of held.splice(0)) release();
    await client.ack(comeAgain);
    while (gateway.gateway.stats().laneCount > 0) await client.settle();
  });

  test("R3: one refused has to come again before a later one of its room is stored", async () => {
    const held: (() => void)[] = [];
    const gateway = await testGateway({
      options: { inFlightMax: 2 },
      wrapBus: (bus) => holdAppends(bus, held),
    });
    const client = await gateway.client();
    const { roomAlias } = await client.join("chat:a");
    const publish = (seq: number) =>
      client.publish({ alias: roomAlias, seq, payload: `m${seq}`, firstSentUs });
    const firstSentUs = Date.now() * 1000;
    const free = async () => {
      while (held.length === 0) await client.settle();
      for (const release of held.splice(0)) release();
    };
    const taken = [publish(1), publish(2)];
    expect((await client.error(publish(3))).code).toBe("IN_FLIGHT_LIMIT");
    while (held.length < 2) await client.settle();
    await free();
    for (const id of taken) await client.ack(id);
    // There is room now. The fourth was sent before its client heard of the third.
    expect((await client.error(publish(4))).code).toBe("UNAVAILABLE");
    for (const seq of [3, 4]) {
      const id = publish(seq);
      await free();
      await client.ack(id);
    }
    expect(await client.texts(roomAlias, 4)).toEqual(["m1", "m2", "m3", "m4"]);
  });

  test("a client that vanishes with publishes in flight leaves nothing when they are answered", async () => {
    const held: (() => void)[] = [];
    const gateway = await testGateway({ wrapBus: (bus) => holdAppends(bus, held) });
    const [client, asker] = [await gateway.client(), await gateway.client()];
    for (let seq = 1; seq <= 50; seq += 1) client.publish({ room: "chat:a", seq, payload: "x" });
    while (held.length < 50) await asker.settle();
    client.socket.terminate();
    while (gateway.gateway.stats().connectionCount > 1) await asker.settle();
    expect(gateway.gateway.stats().laneCount).toBe(1);
    for (const release of held.splice(0)) release();
    expect(gateway.gateway.stats().laneCount).toBe(0);
    await asker.settle();
    expect(gateway.logged).toEqual([]);
  });
});

test("a fault of ours: closed 4004 INTERNAL, and the log has it", async () => {
  const authenticate = () => Promise.reject(new TypeError("for the test"));
  const gateway = await testGateway({ parts: { authenticate } });
  const client = await gateway.silentClient();
  client.hello();
  expect(await client.closed).toEqual({ code: 4004, reason: "INTERNAL" });
  expect(gateway.logged.length).toBe(1);
  expect(gateway.logged[0]).toContain("TypeError: for the test");
});
