/**
 * One connection after another: refusals, close codes, silence and garbage, by a scripted gateway.
 */
import { describe, expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";
import { messageOf, SERVER_TIME_US } from "./fake-gateway.ts";
import { joinRoom, makeClient, openScene, startGateway, statusOf, take } from "./scene.ts";

describe("connect", () => {
  test("says Hello with token, build, protocol range and 16 random bytes", async () => {
    const gateway = await startGateway();
    const build = { name: "shop", version: "1.2.3" };
    const opened = makeClient(gateway.url, { token: "secret", build }).open();
    const hello = await (await gateway.accept()).welcome();
    await opened;
    expect(hello).toMatchObject({
      protocolMin: 1,
      protocolMax: 1,
      token: "secret",
      build: { ...build, platform: "test" },
    });
    expect(hello.producerKey).toHaveLength(16);
    const other = makeClient(gateway.url).open();
    const otherHello = await (await gateway.accept()).welcome();
    await other;
    expect(Buffer.from(otherHello.producerKey)).not.toEqual(Buffer.from(hello.producerKey));
  });

  test("rejects with the gateway's code when refused for good, and tries no more", async () => {
    const gateway = await startGateway();
    const client = makeClient(gateway.url);
    const opened = client.open();
    const connection = await gateway.accept();
    await connection.take("hello");
    connection.error(0, "TOKEN_INVALID");
    connection.close(4504);
    await expect(opened).rejects.toMatchObject({ code: "TOKEN_INVALID", retryable: false });
    expect(client.status).toMatchObject({ state: "closed", error: { code: "TOKEN_INVALID" } });
    expect(gateway.connectionCount).toBe(1);
    await expect(client.join("chat:a")).rejects.toMatchObject({ code: "TOKEN_INVALID" });
    await expect(client.publish("chat:a", "x")).rejects.toMatchObject({ code: "TOKEN_INVALID" });
  });

  test("rejects with ORIGIN_REFUSED when the upgrade is answered with 403", async () => {
    const gateway = await startGateway({ status: 403, text: "[ORIGIN_REFUSED] not yours" });
    await expect(makeClient(gateway.url).open()).rejects.toMatchObject({
      code: "ORIGIN_REFUSED",
      retryable: false,
    });
  });

  test("tries again after a close before Welcome, no sooner than asked", async () => {
    const clock = new FakeClock();
    const gateway = await startGateway();
    const client = makeClient(gateway.url, {}, clock);
    const waiting = statusOf(client, "reconnecting");
    const opened = client.open();
    const connection = await gateway.accept();
    await connection.take("hello");
    connection.error(0, "TOO_MANY_CONNECTIONS", { retryable: true, retryAfterMs: 1500 });
    connection.close(1013);
    expect(await waiting).toMatchObject({
      attempt: 2,
      delayMs: 1500,
      error: { code: "TOO_MANY_CONNECTIONS" },
    });
    clock.advance(1499);
    expect(client.status.state).toBe("reconnecting");
    clock.advance(1);
    await (await gateway.accept()).welcome();
    await opened;
    expect(client.status.state).toBe("open");
  });

  test("rejects with CONNECT_FAILED and its cause when nobody answers in time", async () => {
    const gateway = await startGateway();
    await gateway.stop(); // its port is free now: connections are refused
    const clock = new FakeClock();
    const client = makeClient(gateway.url, { connectTimeoutMs: 5000 }, clock);
    const waiting = statusOf(client, "reconnecting");
    const opened = client.open();
    await waiting;
    clock.advance(5000);
    await expect(opened).rejects.toMatchObject({
      code: "CONNECT_FAILED",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("gives up a try without Welcome after its handshake time, then tries again", async () => {
    const clock = new FakeClock();
    const gateway = await startGateway();
    const client = makeClient(gateway.url, { handshakeTimeoutMs: 1000 }, clock);
    const opened = client.open();
    await (await gateway.accept()).take("hello");
    clock.advance(1000);
    expect(client.status).toEqual({ state: "connecting", attempt: 2 });
    await (await gateway.accept()).welcome();
    await opened;
  });

  test("asks its token function anew for every connection", async () => {
    let count = 0;
    const token = async () => {
      count += 1;
      return `token-${count}`;
    };
    const gateway = await startGateway();
    const opened = makeClient(gateway.url, { token }).open();
    const first = await gateway.accept();
    expect((await first.welcome()).token).toBe("token-1");
    await opened;
    first.cut();
    expect((await (await gateway.accept()).welcome()).token).toBe("token-2");
  });

  test("rejects with CLOSED when its signal aborts", async () => {
    const gateway = await startGateway();
    const abort = new AbortController();
    const client = makeClient(gateway.url, { signal: abort.signal });
    const opened = client.open();
    const connection = await gateway.accept();
    await connection.take("hello");
    abort.abort();
    await expect(opened).rejects.toMatchObject({ code: "CLOSED" });
    const late = makeClient(gateway.url, { signal: abort.signal });
    await expect(late.open()).rejects.toMatchObject({ code: "CLOSED" });
    expect(gateway.connectionCount).toBe(1);
  });
});

describe("reconnect", () => {
  test("keeps the producer key, and joins again after the last message", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    scene.connection.sendAll([messageOf(1, 1), messageOf(1, 2)]);
    expect(await take(room, 2)).toEqual(["1", "2"]);
    scene.connection.cut();
    const second = await scene.gateway.accept();
    const hello = await second.welcome();
    const asked = await second.join(9, { recovered: true });
    expect(asked.after).toMatchObject({ epoch: 1, seq: 2n, timeUs: 2000n });
    second.send(messageOf(9, 3));
    expect(await take(room, 1)).toEqual(["3"]);
    second.cut();
    expect((await (await scene.gateway.accept()).welcome()).producerKey).toEqual(hello.producerKey);
  });

  test("joins all rooms in one frame", async () => {
    const scene = await openScene();
    await joinRoom(scene, "chat:a", 1);
    await joinRoom(scene, "chat:b", 2);
    scene.client.dropConnection();
    const second = await scene.gateway.accept();
    await second.welcome();
    const { rooms } = await second.take("join");
    expect(rooms.map((room) => room.room)).toEqual(["chat:a", "chat:b"]);
  });

  test.each([4500, 4501, 1008, 1009])("does not follow close code %i", async (closeCode) => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const closed = statusOf(scene.client, "closed");
    scene.connection.send(messageOf(1, 1));
    scene.connection.close(closeCode);
    const { error } = await closed;
    expect(error?.retryable).toBe(false);
    await expect(take(room, 2)).rejects.toBe(error); // after what had come
    expect(room.position).not.toBeNull();
    expect(scene.gateway.connectionCount).toBe(1);
  });

  test("a frame that does not decode, or is text, ends the connection and no more", async () => {
    const scene = await openScene();
    const first = statusOf(scene.client, "reconnecting");
    scene.connection.socket.send(Uint8Array.of(0x0a, 0xff, 0x01));
    expect((await first).error.code).toBe("INTERNAL");
    const second = await scene.gateway.accept();
    await second.welcome();
    const again = statusOf(scene.client, "reconnecting");
    second.socket.send("hello?");
    expect((await again).error.message).toMatch(/text/);
    await (await scene.gateway.accept()).welcome();
  });

  test("unknown frame kinds and fields are ignored", async () => {
    const { client, connection } = await openScene();
    connection.socket.send(Uint8Array.of(0xa2, 0x06, 3, 1, 2, 3)); // field 100
    connection.socket.send(new Uint8Array(0));
    const pinged = client.ping();
    const { id } = await connection.take("ping");
    connection.send({ $case: "pong", value: { id, serverTimeUs: 1n } });
    expect(await pinged).toBeGreaterThanOrEqual(0);
    expect(client.status.state).toBe("open");
  });
});

describe("health", () => {
  test("pings after a third of the idle time, and ends a silent connection after all of it", async () => {
    const clock = new FakeClock();
    const scene = await openScene({}, clock);
    const waiting = statusOf(scene.client, "reconnecting");
    clock.advance(10_000);
    expect(await scene.connection.take("ping")).toEqual({ id: 0 });
    clock.advance(19_999);
    expect(scene.client.status.state).toBe("open");
    clock.advance(1);
    expect((await waiting).error.code).toBe("IDLE_TIMEOUT");
    clock.advance(1);
    await (await scene.gateway.accept()).welcome();
  });

  test("a process that stood still reads what has come before it judges the silence", async () => {
    const clock = new FakeClock();
    const scene = await openScene({}, clock);
    const room = await joinRoom(scene, "chat:a", 1);
    clock.suspend(60_000);
    expect(scene.client.status.state).toBe("open"); // not yet judged: one turn to read
    scene.connection.send(messageOf(1, 1));
    expect(await take(room, 1)).toEqual(["1"]);
    clock.advance(1);
    expect(scene.client.status.state).toBe("open");
    await scene.connection.take("ping"); // for the server time, which is old
    const pinged = scene.client.ping();
    const { id } = await scene.connection.take("ping");
    scene.connection.send({ $case: "pong", value: { id, serverTimeUs: SERVER_TIME_US } });
    await pinged;
    clock.suspend(60_000);
    clock.advance(1); // nothing has come, but nothing was asked either
    expect(await scene.connection.take("ping")).toEqual({ id: 0 });
    clock.advance(19_998);
    expect(scene.client.status.state).toBe("open");
    clock.advance(2);
    expect(scene.client.status.state).toBe("reconnecting");
  });

  test("an application that pings often does not hide that nothing is answered", async () => {
    const clock = new FakeClock();
    const scene = await openScene({}, clock);
    const pings: Promise<number>[] = [];
    for (let i = 0; i < 21; i += 1) {
      if (scene.client.status.state === "open") pings.push(scene.client.ping());
      clock.advance(1000);
    }
    const settled = await Promise.allSettled(pings);
    expect(settled.every((each) => each.status === "rejected")).toBe(true);
    expect(scene.client.status).not.toMatchObject({ state: "open" });
  });

  test("a busy connection pings too, when its server time is old", async () => {
    const clock = new FakeClock();
    const scene = await openScene({}, clock);
    const room = await joinRoom(scene, "chat:a", 1);
    for (let seq = 1; seq <= 8; seq += 1) {
      scene.connection.send(messageOf(1, seq));
      await take(room, 1);
      clock.advance(5000);
    }
    expect(await scene.connection.take("ping")).toEqual({ id: 0 });
  });

  test("ping: rejects when the connection breaks before the answer", async () => {
    const { client, connection } = await openScene();
    const pinged = client.ping();
    await connection.take("ping");
    connection.cut();
    await expect(pinged).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    await expect(client.ping()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
