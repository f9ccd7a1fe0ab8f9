/** The stream of a room: order, gaps, overflow, loops and codecs, by a scripted gateway. */
import { describe, expect, test } from "vitest";
import { json, text } from "../../sdk/typescript/codec.ts";
import type { RoomEvent } from "../../sdk/typescript/event.ts";
import {
  ephemeralOf,
  joined,
  messageOf,
  POLICY,
  positionOf,
  SERVER_TIME_US,
  WELCOME,
} from "./fake-gateway.ts";
import { joinRoom, openScene, take, wordOf } from "./scene.ts";

const ephemeralPolicy = { ...POLICY, durable: false };
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => String(from + at));

describe("messages", () => {
  test("have payload, user, position, time, and know whether they are our own", async () => {
    const scene = await openScene();
    const { connection } = scene;
    const room = await joinRoom(scene, "chat:a", 1);
    const own = messageOf(1, 1);
    if (own.$case !== "message" || own.value.envelope === undefined) throw new Error("no envelope");
    own.value.envelope.producer = WELCOME.producer;
    connection.sendAll([own, messageOf(1, 2)]);
    const events: RoomEvent<string>[] = [];
    for await (const event of room) if (events.push(event) === 2) break;
    expect(events[0]).toEqual({
      type: "message",
      room: "chat:a",
      payload: "1",
      user: "bob",
      position: "1.1.1000",
      isOwn: true,
      sentAt: new Date(Number(SERVER_TIME_US / 1000n)),
    });
    expect(events[1]).toMatchObject({ payload: "2", isOwn: false });
    expect(room.position).toBe("1.2.2000");
  });

  test("of one frame burst arrive in order, each once, old ones dropped", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    scene.connection.sendAll([1, 2, 2, 1, 3, 3, 4].map((seq) => messageOf(1, seq)));
    expect(await take(room, 4)).toEqual(["1", "2", "3", "4"]);
  });

  test("a broken chain: leaves and joins again after the last one, and delivers in order", async () => {
    const scene = await openScene();
    const { connection } = scene;
    const room = await joinRoom(scene, "chat:a", 1);
    connection.sendAll([messageOf(1, 1), messageOf(1, 4), messageOf(1, 5)]);
    const { requestId, roomAlias } = await connection.take("leave");
    expect(roomAlias).toBe(1);
    connection.sendAll([
      messageOf(1, 6),
      { $case: "left", value: { requestId, roomAlias, code: "" } },
    ]);
    expect((await connection.join(1, { recovered: true })).after).toEqual(positionOf(1));
    connection.sendAll([2, 3, 4, 5, 6].map((seq) => messageOf(1, seq)));
    expect(await take(room, 6)).toEqual(numbers(1, 6));
  });

  test("a chain that is broken in the replay too is trusted: what is between is void", async () => {
    const scene = await openScene();
    const { connection } = scene;
    const room = await joinRoom(scene, "chat:a", 1);
    connection.sendAll([messageOf(1, 1), messageOf(1, 4)]);
    const { requestId } = await connection.take("leave");
    connection.send({ $case: "left", value: { requestId, roomAlias: 1, code: "" } });
    await connection.join(1, { recovered: true });
    connection.sendAll([messageOf(1, 4), messageOf(1, 5)]);
    expect(await take(room, 3)).toEqual(["1", "4", "5"]);
  });

  test("a break before the wanted history came costs no message that came meanwhile", async () => {
    const scene = await openScene();
    const rest = { head: positionOf(9) };
    const room = await joinRoom(scene, "chat:a", 1, { history: 1 }, rest);
    scene.connection.cut();
    const next = await scene.gateway.accept();
    await next.welcome();
    await next.join(1, { head: positionOf(12) });
    next.send(messageOf(1, 12)); // the newest one; 10 and 11 are live ones that were missed
    const { requestId } = await next.take("leave");
    next.send({ $case: "left", value: { requestId, roomAlias: 1, code: "" } });
    expect((await next.join(1, { recovered: true })).after).toEqual(positionOf(9));
    next.sendAll([10, 11, 12].map((seq) => messageOf(1, seq)));
    expect(await take(room, 3)).toEqual(numbers(10, 12));
  });

  test("a codec that refuses one spoils that event only", async () => {
    const scene = await openScene();
    const joining = scene.client.join("chat:a", { codec: json<number>() });
    await scene.connection.join(1);
    const room = await joining;
    const bad = messageOf(1, 2);
    if (bad.$case !== "message" || bad.value.envelope === undefined) throw new Error("no envelope");
    bad.value.envelope.payload = Buffer.from("{");
    scene.connection.sendAll([messageOf(1, 1), bad, messageOf(1, 3)]);
    const events: RoomEvent<number>[] = [];
    for await (const event of room) if (events.push(event) === 3) break;
    expect(events).toMatchObject([
      { type: "message", payload: 1 },
      {
        type: "invalid",
        error: { code: "PAYLOAD_INVALID", cause: expect.any(SyntaxError) },
        bytes: Uint8Array.of(0x7b),
        position: "1.2.2000",
      },
      { type: "message", payload: 3 },
    ]);
  });
});

describe("gaps and policy", () => {
  test("recovered false: a gap in its place, then what follows", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1, { history: 2 });
    scene.connection.sendAll([messageOf(1, 1), messageOf(1, 2)]);
    await take(room, 1);
    scene.connection.cut();
    const next = await scene.gateway.accept();
    await next.welcome();
    const asked = await next.join(1, { recovered: false, loss: 1, head: positionOf(90) });
    expect(asked).toMatchObject({ after: positionOf(2), history: 2 });
    next.sendAll([messageOf(1, 89), messageOf(1, 90)]);
    expect(await take(room, 4)).toEqual(["2", "gap RETENTION 0", "89", "90"]);
  });

  test("a second loss before any message adds no second gap", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1, { history: 2 });
    scene.connection.send(messageOf(1, 1));
    await take(room, 1);
    let connection = scene.connection;
    for (let i = 0; i < 2; i += 1) {
      connection.cut();
      connection = await scene.gateway.accept();
      await connection.welcome();
      await connection.join(1, { recovered: false, loss: 2, head: positionOf(3) });
    }
    connection.send(messageOf(1, 3));
    expect(await take(room, 2)).toEqual(["gap POSITION_UNKNOWN 0", "3"]);
  });

  test("a gateway's Gap comes in its place, and the chain starts anew", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const value = { roomAlias: 1, reason: 3 as const, missedCount: 40n, after: positionOf(1) };
    scene.connection.sendAll([messageOf(1, 1), { $case: "gap", value }, messageOf(1, 42)]);
    expect(await take(room, 3)).toEqual(["1", "gap SLOW_MEMBER 40", "42"]);
  });

  test("an ephemeral room: a break is a gap, and so is a jump in its count", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "live:a", 1, {}, { policy: ephemeralPolicy });
    scene.connection.sendAll([5, 6, 9].map((count) => ephemeralOf(1, count)));
    expect(await take(room, 4)).toEqual(["5", "6", "gap EPHEMERAL 2", "9"]);
    scene.connection.cut();
    const next = await scene.gateway.accept();
    await next.welcome();
    expect((await next.join(1, { policy: ephemeralPolicy })).after).toBeUndefined();
    next.send(ephemeralOf(1, 100));
    expect(await take(room, 2)).toEqual(["gap EPHEMERAL 0", "100"]);
  });

  test("a change of policy is an event in its place, and the same policy again is none", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const policy = { ...POLICY, mayPublish: false, degraded: true };
    const gap = { roomAlias: 1, reason: 5 as const, missedCount: 0n, after: undefined };
    scene.connection.sendAll([
      messageOf(1, 1),
      { $case: "roomPolicyChanged", value: { roomAlias: 1, policy: POLICY } },
      { $case: "roomPolicyChanged", value: { roomAlias: 1, policy } },
      { $case: "gap", value: gap },
      messageOf(1, 2),
    ]);
    expect(await take(room, 4)).toEqual(["1", "policy", "gap BUS 0", "2"]);
    expect(room.policy).toMatchObject({ isDurable: true, mayPublish: false, isDegraded: true });
  });
});

describe("overflow", () => {
  test("durable: leaves when full, joins again after the last kept once drained, exactly", async () => {
    const scene = await openScene();
    const { connection } = scene;
    const room = await joinRoom(scene, "chat:a", 1, { queueCountMax: 8 });
    connection.sendAll(numbers(1, 20).map((seq) => messageOf(1, Number(seq))));
    const { requestId, roomAlias } = await connection.take("leave");
    connection.send({ $case: "left", value: { requestId, roomAlias, code: "" } });
    const pinged = scene.client.ping();
    const { id } = await connection.take("ping"); // and no Join before the application has drained
    connection.send({ $case: "pong", value: { id, serverTimeUs: 1n } });
    await pinged;
    expect(room.isLive).toBe(false);
    const taking = take(room, 14);
    expect((await connection.join(1, { recovered: true })).after).toEqual(positionOf(8));
    connection.sendAll(numbers(9, 14).map((seq) => messageOf(1, Number(seq))));
    expect(await taking).toEqual(numbers(1, 14));
  });

  test("ephemeral: what passed meanwhile is a gap where it happened", async () => {
    const scene = await openScene();
    const { connection } = scene;
    const options = { queueCountMax: 4 };
    const room = await joinRoom(scene, "live:a", 1, options, { policy: ephemeralPolicy });
    connection.sendAll(numbers(1, 9).map((count) => ephemeralOf(1, Number(count))));
    const { requestId, roomAlias } = await connection.take("leave");
    connection.send({ $case: "left", value: { requestId, roomAlias, code: "" } });
    const taking = take(room, 7);
    await connection.join(1, { policy: ephemeralPolicy });
    connection.send(ephemeralOf(1, 30));
    // The second one is of what passed since the first was read.
    const gaps = ["gap SLOW_MEMBER 0", "gap EPHEMERAL 0"];
    expect(await taking).toEqual([...numbers(1, 4), ...gaps, "30"]);
  });

  test("bytes count too, and one room's overflow does not hold up another", async () => {
    const scene = await openScene();
    const { connection } = scene;
    await joinRoom(scene, "chat:slow", 1, { queueBytesMax: 1024 });
    const other = await joinRoom(scene, "chat:quick", 2);
    const large = messageOf(1, 1);
    if (large.$case !== "message" || large.value.envelope === undefined) throw new Error("none");
    large.value.envelope.payload = Buffer.alloc(900);
    connection.sendAll([large, messageOf(1, 2), messageOf(1, 3), messageOf(2, 1)]);
    expect(await take(other, 1)).toEqual(["1"]);
    expect((await connection.take("leave")).roomAlias).toBe(1);
    connection.send(messageOf(2, 2));
    expect(await take(other, 1)).toEqual(["2"]);
  });

  test("parked over a break: joins the next connection only when drained", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1, { queueCountMax: 4 });
    scene.connection.sendAll(numbers(1, 9).map((seq) => messageOf(1, Number(seq))));
    await scene.connection.take("leave");
    scene.connection.cut();
    const next = await scene.gateway.accept();
    await next.welcome();
    await new Promise(setImmediate);
    expect(next.unreadCount).toBe(0);
    const taking = take(room, 5);
    expect((await next.join(1, { recovered: true })).after).toEqual(positionOf(4));
    next.send(messageOf(1, 5));
    expect(await taking).toEqual(numbers(1, 5));
  });
});

describe("loops", () => {
  test("only one at a time; breaking out leaves the room joined, and the next goes on", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    scene.connection.sendAll([1, 2, 3].map((seq) => messageOf(1, seq)));
    const loop = room[Symbol.asyncIterator]();
    expect(wordOf((await loop.next()).value)).toBe("1");
    expect(() => room[Symbol.asyncIterator]()).toThrow(/\[REQUEST_INVALID\].*loop already/);
    await loop.return?.();
    expect(await take(room, 2)).toEqual(["2", "3"]);
    expect(scene.connection.unreadCount).toBe(0); // no Leave
  });

  test("several next() at once are answered in order; return() ends those that wait", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const loop = room[Symbol.asyncIterator]();
    const results = [loop.next(), loop.next(), loop.next()];
    scene.connection.sendAll([1, 2].map((seq) => messageOf(1, seq)));
    expect(wordOf((await results[0])?.value)).toBe("1");
    expect(wordOf((await results[1])?.value)).toBe("2");
    await loop.return?.();
    expect(await results[2]).toEqual({ done: true, value: undefined });
  });

  test("leave: ends the loop at once, sends Leave, and the name can be joined again", async () => {
    const scene = await openScene();
    const { client, connection } = scene;
    const room = await joinRoom(scene, "chat:a", 1);
    connection.sendAll([1, 2, 3].map((seq) => messageOf(1, seq)));
    const words: string[] = [];
    let left: Promise<void> | undefined;
    for await (const event of room) {
      words.push(wordOf(event));
      left = room.leave();
    }
    expect(words).toEqual(["1"]);
    await expect(client.join("chat:a")).rejects.toMatchObject({ code: "ALREADY_JOINED" });
    const { requestId } = await connection.take("leave");
    connection.send({ $case: "left", value: { requestId, roomAlias: 1, code: "" } });
    await left;
    await joinRoom(scene, "chat:a", 1);
  });

  test("close: ends every loop without an error", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const taking = take(room, 1);
    await scene.client.close();
    expect(await taking).toEqual([]);
  });
});

describe("memberships", () => {
  test("join: rejects with the gateway's final code, and the name is free again", async () => {
    const scene = await openScene();
    const joining = scene.client.join("chat:a");
    const { requestId } = await scene.connection.take("join");
    scene.connection.error(requestId, "PERMISSION_DENIED");
    await expect(joining).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await joinRoom(scene, "chat:a", 1);
  });

  test("join: a retryable refusal is tried again", async () => {
    const scene = await openScene();
    const joining = scene.client.join("chat:a", { codec: text });
    const { requestId } = await scene.connection.take("join");
    scene.connection.error(requestId, "UNAVAILABLE", { retryable: true, retryAfterMs: 1 });
    await scene.connection.join(1);
    expect((await joining).name).toBe("chat:a");
  });

  test("join: waits over a break", async () => {
    const scene = await openScene();
    const joining = scene.client.join("chat:a", { history: 3 });
    await scene.connection.take("join");
    scene.connection.cut();
    const next = await scene.gateway.accept();
    await next.welcome();
    expect((await next.join(1)).history).toBe(3);
    await joining;
  });

  test.each([
    [{ history: 501 }, "REQUEST_INVALID"],
    [{ history: -1 }, "REQUEST_INVALID"],
    [{ after: "yesterday" }, "REQUEST_INVALID"],
    [{ queueCountMax: 0 }, "OPTION_INVALID"],
  ])("join: refuses %j with %s, and sends nothing", async (options, code) => {
    const scene = await openScene();
    await expect(scene.client.join("chat:a", options)).rejects.toMatchObject({ code });
    expect(scene.connection.unreadCount).toBe(0);
  });

  test("a membership ended for good throws that code after what has come", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const value = { requestId: 0, roomAlias: 1, code: "ROOM_CLASS_UNKNOWN" };
    scene.connection.sendAll([messageOf(1, 1), { $case: "left", value }]);
    const words: string[] = [];
    const looping = (async () => {
      for await (const event of room) words.push(wordOf(event));
    })();
    await expect(looping).rejects.toMatchObject({ code: "ROOM_CLASS_UNKNOWN" });
    expect(words).toEqual(["1"]);
  });

  test("a Joined that nobody asked for goes on from there, but brings nobody back who left", async () => {
    const scene = await openScene();
    const { connection } = scene;
    const room = await joinRoom(scene, "chat:a", 1);
    connection.sendAll([
      messageOf(1, 1),
      joined(0, "chat:a", 1, { recovered: true }),
      messageOf(1, 2),
    ]);
    expect(await take(room, 2)).toEqual(["1", "2"]);
    const left = room.leave();
    const { requestId } = await connection.take("leave");
    connection.sendAll([
      joined(0, "chat:a", 1, { recovered: false }),
      { $case: "left", value: { requestId, roomAlias: 1, code: "" } },
    ]);
    await left;
    expect(await take(room, 1)).toEqual([]);
    await joinRoom(scene, "chat:a", 1);
  });

  test("a membership ended for a while is joined again after the last message", async () => {
    const scene = await openScene();
    const room = await joinRoom(scene, "chat:a", 1);
    const value = { requestId: 0, roomAlias: 1, code: "UNAVAILABLE" };
    scene.connection.sendAll([messageOf(1, 1), { $case: "left", value }]);
    expect((await scene.connection.join(2, { recovered: true })).after).toEqual(positionOf(1));
    scene.connection.send(messageOf(2, 2));
    expect(await take(room, 2)).toEqual(["1", "2"]);
  });
});
