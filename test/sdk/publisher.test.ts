/** R1 to R4 at the client: names, budgets, order and retries, by a scripted gateway. */
import { describe, expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";
import { ackOf, joined, POLICY, SERVER_TIME_US } from "./fake-gateway.ts";
import { joinRoom, makeClient, openScene, startGateway } from "./scene.ts";

/** Settled promises as short words: a seq, or an error's code. */
async function outcomes(publishes: readonly Promise<{ position: string | null }>[]) {
  const settled = await Promise.allSettled(publishes);
  return settled.map((each) =>
    each.status === "fulfilled" ? each.value.position : (each.reason as { code: string }).code,
  );
}

describe("publish", () => {
  test("counts 1, 2, 3 per room, by name until joined and by alias then", async () => {
    const scene = await openScene();
    const { client, connection } = scene;
    const first = client.publish("chat:a", "one");
    const publish = await connection.ack(11);
    expect(publish).toMatchObject({
      target: { $case: "room", value: "chat:a" },
      producerSeq: 1n,
      payload: Buffer.from("one"),
    });
    expect(await first).toEqual({ position: "1.11.11000", isDuplicate: false, traceId: "" });
    const room = await joinRoom(scene, "chat:a", 7);
    const publishes = [room.publish("two"), client.publish("chat:b", "other")];
    const joined = await connection.ack(12, true);
    expect(joined).toMatchObject({ target: { $case: "roomAlias", value: 7 }, producerSeq: 2n });
    expect((await connection.ack(13)).producerSeq).toBe(1n);
    expect(await publishes[0]).toEqual({ position: "1.12.12000", isDuplicate: true, traceId: "" });
    await publishes[1];
  });

  test("first_sent_us is server time by the monotonic clock, and the same in every retry", async () => {
    const clock = new FakeClock();
    const { client, connection, gateway } = await openScene({}, clock);
    clock.advance(1500);
    const published = client.publish("chat:a", "x");
    const first = await connection.take("publish");
    expect(first.firstSentUs).toBe(SERVER_TIME_US + 1_500_000n);
    clock.advance(2000);
    connection.error(first.requestId, "UNAVAILABLE", { retryable: true, retryAfterMs: 300 });
    while (client.status.state === "open" && connection.unreadCount === 0) {
      clock.advance(50);
      await new Promise(setImmediate);
    }
    const second = await connection.take("publish");
    connection.cut();
    while (client.status.state === "open") await new Promise(setImmediate);
    clock.advance(0);
    const next = await gateway.accept();
    await next.welcome({ serverTimeUs: SERVER_TIME_US + 4_000_000n });
    await next.answerMode();
    const third = await next.ack(1);
    for (const retry of [second, third]) {
      expect(retry.firstSentUs).toBe(first.firstSentUs);
      expect(retry.producerSeq).toBe(1n);
    }
    expect((await published).position).toBe("1.1.1000");
  });

  test("after a break everything unanswered is sent again, one by one, before anything new", async () => {
    const { client, connection, gateway } = await openScene();
    const publishes = ["a", "b", "c"].map((word) => client.publish("chat:a", word));
    for (let i = 0; i < 3; i += 1) await connection.take("publish");
    connection.cut();
    const next = await gateway.accept();
    publishes.push(client.publish("chat:a", "d"));
    await next.welcome();
    await next.answerMode();
    for (let seq = 1; seq <= 4; seq += 1) {
      const publish = await next.take("publish");
      expect(publish.producerSeq).toBe(BigInt(seq));
      expect(next.unreadCount).toBe(0);
      next.send(ackOf(publish.requestId, seq));
    }
    expect(await outcomes(publishes)).toEqual(["1.1.1000", "1.2.2000", "1.3.3000", "1.4.4000"]);
  });

  test("after a break publishes wait until their room is joined again: it may want members", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const published = room.publish("x");
    await scene.connection.take("publish");
    scene.connection.cut();
    const next = await scene.gateway.accept();
    await next.welcome();
    const { requestId } = await next.take("join");
    const pinged = scene.client.ping();
    const { id } = await next.take("ping"); // no publish came before it
    next.send({ $case: "pong", value: { id, serverTimeUs: SERVER_TIME_US } });
    await pinged;
    next.send(joined(requestId, "chat:a", 5, { recovered: true }));
    expect((await next.ack(3)).target).toEqual({ $case: "roomAlias", value: 5 });
    expect((await published).position).toBe("1.3.3000");
  });

  test("a final error rejects that publish with its code; the others go on", async () => {
    const { client, connection } = await openScene();
    const publishes = ["a", "b"].map((word) => client.publish("chat:a", word));
    connection.error((await connection.take("publish")).requestId, "PERMISSION_DENIED");
    await connection.ack(2);
    expect(await outcomes(publishes)).toEqual(["PERMISSION_DENIED", "1.2.2000"]);
  });

  test("one refused for now ends with that error when a later one is acknowledged first", async () => {
    const { client, connection } = await openScene();
    const publishes = ["a", "b", "c"].map((word) => client.publish("chat:a", word));
    const ids: number[] = [];
    for (let i = 0; i < 3; i += 1) ids.push((await connection.take("publish")).requestId);
    const [first = 0, second = 0, third = 0] = ids;
    connection.error(first, "STORE_FULL", { retryable: true });
    connection.send(ackOf(second, 2));
    connection.send(ackOf(third, 3));
    expect(await outcomes(publishes)).toEqual(["STORE_FULL", "1.2.2000", "1.3.3000"]);
    const next = client.publish("chat:a", "d");
    expect((await connection.ack(4)).producerSeq).toBe(4n); // the first is never sent again
    await next;
  });

  test("a final error after a try without an answer is OUTCOME_UNKNOWN, because of it", async () => {
    const { client, connection, gateway } = await openScene();
    const published = client.publish("chat:a", "x");
    const checked = expect(published).rejects.toMatchObject({
      code: "OUTCOME_UNKNOWN",
      cause: { code: "PERMISSION_DENIED" },
    });
    await connection.take("publish");
    connection.cut();
    const next = await gateway.accept();
    await next.welcome();
    await next.answerMode();
    next.error((await next.take("publish")).requestId, "PERMISSION_DENIED");
    await checked;
  });

  test("answers to nobody, and second answers, change nothing", async () => {
    const { client, connection } = await openScene();
    connection.send(ackOf(999, 5));
    const first = client.publish("chat:a", "x");
    const { requestId } = await connection.ack(6);
    connection.send(ackOf(requestId, 7));
    connection.error(requestId, "STORE_FULL", { retryable: true });
    expect((await first).position).toBe("1.6.6000");
    const second = client.publish("chat:a", "y");
    expect((await connection.ack(8)).producerSeq).toBe(2n);
    expect((await second).position).toBe("1.8.8000");
  });

  test("no more than the window are unanswered, whatever the room", async () => {
    const { client, connection } = await openScene({ publishWindowMax: 3 });
    const publishes = Array.from({ length: 6 }, (_, i) => client.publish(`chat:${i % 2}`, "x"));
    const taken = [await connection.take("publish")];
    for (let i = 0; i < 2; i += 1) taken.push(await connection.take("publish"));
    const pinged = client.ping();
    const { id } = await connection.take("ping"); // next after the three publishes
    connection.send({ $case: "pong", value: { id, serverTimeUs: SERVER_TIME_US } });
    await pinged;
    for (const { requestId } of taken) connection.send(ackOf(requestId, requestId));
    for (let i = 0; i < 3; i += 1) await connection.ack(50 + i);
    await Promise.all(publishes);
  });

  test("the gateway's own limit narrows the window", async () => {
    const gateway = await startGateway();
    const client = makeClient(gateway.url);
    const opened = client.open();
    const connection = await gateway.accept();
    const limits = {
      frameBytesMax: 65_536,
      roomCountMax: 1,
      publishInFlightMax: 1,
      historyPageMax: 1,
      tenantConnectionCountMax: 0n,
      userConnectionCountMax: 0n,
      ipConnectionCountMax: 0n,
      tenantRoomCountMax: 0n,
      framesPerSecondMax: 0,
      bytesPerSecondMax: 0,
      userPublishesPerSecondMax: 0,
      tenantStoredBytesMax: 0n,
      tenantConnectsPerSecondMax: 0,
    };
    await connection.welcome({ limits });
    await opened;
    const publishes = [client.publish("chat:a", "a"), client.publish("chat:a", "b")];
    const first = await connection.take("publish");
    expect(connection.unreadCount).toBe(0);
    connection.send(ackOf(first.requestId, 1));
    await connection.ack(2);
    await Promise.all(publishes);
  });

  test("QUEUE_FULL: beyond what may wait, at once", async () => {
    const limits = { publishWindowMax: 1, publishQueueCountMax: 2, publishQueueBytesMax: 1024 };
    const { client, connection } = await openScene(limits);
    const publishes = ["a", "b", "c"].map((word) => client.publish("chat:a", word));
    await expect(client.publish("chat:a", "d")).rejects.toMatchObject({
      code: "QUEUE_FULL",
      retryable: true,
    });
    for (let seq = 1; seq <= 3; seq += 1) await connection.ack(seq);
    await Promise.all(publishes);
    const large = [client.publish("chat:a", "x"), client.publish("chat:a", "y".repeat(1000))];
    await expect(client.publish("chat:a", "z".repeat(1000))).rejects.toMatchObject({
      code: "QUEUE_FULL",
    });
    for (let seq = 4; seq <= 5; seq += 1) await connection.ack(seq);
    await Promise.all(large);
  });

  test("PAYLOAD_TOO_LARGE: what fits no frame is not sent, since that would end the connection", async () => {
    const { client, connection } = await openScene();
    await expect(client.publish("chat:a", "x".repeat(65_536))).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    const fits = client.publish("chat:a", "x".repeat(65_000));
    await connection.ack(1);
    await fits;
  });

  test("PAYLOAD_INVALID: what the codec refuses is not sent", async () => {
    const { client } = await openScene();
    const codec = {
      encode(): Uint8Array {
        throw new TypeError("no");
      },
      decode: () => "",
    };
    await expect(client.publish("chat:a", "x", { codec })).rejects.toMatchObject({
      code: "PAYLOAD_INVALID",
      cause: expect.any(TypeError),
    });
  });
});

describe("budgets", () => {
  test("OUTCOME_UNKNOWN 20 s after the first writing, when no answer came", async () => {
    const clock = new FakeClock();
    const { client, connection } = await openScene({}, clock);
    const published = outcomes([client.publish("chat:a", "x")]);
    await connection.take("publish");
    clock.advance(19_900);
    connection.send({
      $case: "pong",
      value: { id: 0, serverTimeUs: SERVER_TIME_US + 19_900_000n },
    });
    let isDone = false;
    void published.then(() => {
      isDone = true;
    });
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    clock.advance(600);
    expect(await published).toEqual(["OUTCOME_UNKNOWN"]);
  });

  test("a retry that would be too late is not written: OUTCOME_UNKNOWN", async () => {
    const clock = new FakeClock();
    const { client, connection, gateway } = await openScene({}, clock);
    const published = outcomes([client.publish("chat:a", "x")]);
    await connection.take("publish");
    connection.cut();
    while (client.status.state === "open") await new Promise(setImmediate);
    clock.advance(1);
    const next = await gateway.accept();
    // The machine slept: its monotonic clock stood still, server time did not.
    await next.welcome({ serverTimeUs: SERVER_TIME_US + 3_600_000_000n });
    await next.answerMode();
    expect(await published).toEqual(["OUTCOME_UNKNOWN"]);
    const fresh = client.publish("chat:a", "y");
    expect((await next.ack(2)).firstSentUs).toBeGreaterThan(SERVER_TIME_US + 3_599_000_000n);
    await fresh;
  });

  test("a process that stood still reads the answers that have come before it gives up", async () => {
    const clock = new FakeClock();
    const { client, connection } = await openScene({}, clock);
    const published = client.publish("chat:a", "x");
    const { requestId } = await connection.take("publish");
    clock.suspend(40_000);
    connection.send(ackOf(requestId, 1));
    expect((await published).position).toBe("1.1.1000");
  });

  test("a process that stood still gives up when no answer has come", async () => {
    const clock = new FakeClock();
    const { client, connection } = await openScene({}, clock);
    const published = outcomes([client.publish("chat:a", "x")]);
    await connection.take("publish");
    clock.suspend(21_000);
    clock.advance(2);
    expect(await published).toEqual(["OUTCOME_UNKNOWN"]);
  });

  test("UNAVAILABLE, retryable: what was never written within publishWaitMaxMs", async () => {
    const clock = new FakeClock();
    const { client, connection } = await openScene({ publishWaitMaxMs: 3000 }, clock);
    connection.cut();
    while (client.status.state === "open") await new Promise(setImmediate);
    const published = client.publish("chat:a", "x");
    const checked = expect(published).rejects.toMatchObject({
      code: "UNAVAILABLE",
      retryable: true,
    });
    for (let i = 0; i < 14; i += 1) clock.advance(250);
    await checked;
  });
});

describe("ephemeral rooms", () => {
  const policy = { ...POLICY, durable: false };

  test("an ack has no position", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "live:a", 1, {}, { policy });
    const published = room.publish("x");
    const { requestId } = await scene.connection.take("publish");
    const value = { requestId, position: undefined, duplicate: false, traceId: "ab" };
    scene.connection.send({ $case: "publishAck", value });
    expect(await published).toEqual({ position: null, isDuplicate: false, traceId: "ab" });
  });

  test("without ack: request id 0, done once written, and errors go to onError", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "live:a", 1, {}, { policy });
    const heard = new Promise((resolve) => scene.client.onError(resolve));
    expect((await room.publish("x", { ack: false })).position).toBeNull();
    expect((await scene.connection.take("publish")).requestId).toBe(0);
    scene.connection.send({
      $case: "error",
      value: {
        requestId: 0,
        room: "live:a",
        code: "PERMISSION_DENIED",
        message: "no",
        ...{ retryable: false, retryAfterMs: 0, limit: "", limitValue: 0n, traceId: "" },
      },
    });
    expect(await heard).toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("without ack: refused in a durable room, and while disconnected", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    await expect(room.publish("x", { ack: false })).rejects.toMatchObject({
      code: "REQUEST_INVALID",
    });
    scene.connection.cut();
    while (scene.client.status.state === "open") await new Promise(setImmediate);
    await expect(scene.client.publish("live:a", "x", { ack: false })).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  test("a break ends what is unanswered as OUTCOME_UNKNOWN: a second try could double it", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "live:a", 1, {}, { policy });
    const published = outcomes([room.publish("x")]);
    await scene.connection.take("publish");
    scene.connection.cut();
    expect(await published).toEqual(["OUTCOME_UNKNOWN"]);
  });
});

describe("rooms of unknown mode", () => {
  test.each([
    ["NOT_DURABLE"], // a second try could double it
    ["PERMISSION_DENIED"], // nobody knows
  ])("a break before any answer: asks first, and ends as OUTCOME_UNKNOWN on %s", async (code) => {
    const { client, connection, gateway } = await openScene();
    const published = outcomes([client.publish("some:a", "x")]);
    await connection.take("publish");
    connection.cut();
    const next = await gateway.accept();
    await next.welcome();
    const asked = await next.take("history");
    expect(asked).toMatchObject({ target: { $case: "room", value: "some:a" }, limit: 1 });
    expect(next.unreadCount).toBe(0);
    next.error(asked.requestId, code);
    expect(await published).toEqual(["OUTCOME_UNKNOWN"]);
    const fresh = client.publish("some:a", "y");
    expect((await next.ack(4)).producerSeq).toBe(2n);
    await fresh;
  });
});

test("close: what was written is unknown, what was not fails with CLOSED", async () => {
  const { client, connection } = await openScene({ publishWindowMax: 1 });
  const publishes = outcomes([client.publish("chat:a", "a"), client.publish("chat:a", "b")]);
  await connection.take("publish");
  await client.close();
  expect(await publishes).toEqual(["OUTCOME_UNKNOWN", "CLOSED"]);
  expect(await outcomes([client.publish("chat:a", "c")])).toEqual(["CLOSED"]);
});
