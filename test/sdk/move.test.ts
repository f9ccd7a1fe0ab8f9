/** What a client does with a GoAway, by two scripted gateways: where it goes, and what it keeps. */
import { once } from "node:events";
import { expect, test } from "vitest";
import { type GoAway, GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import { type Clock, systemClock } from "../../sdk/typescript/clock.ts";
import { moveUrl } from "../../sdk/typescript/dialler.ts";
import { SETTLE_LOOK_MS } from "../../sdk/typescript/session.ts";
import { type FakeConnection, messageOf, positionOf } from "./fake-gateway.ts";
import { joinRoom, makeClient, startGateway, statusOf, take } from "./scene.ts";

/** Tells a client to go, at once unless `rest` says otherwise. */
function sendGoAway(connection: FakeConnection, target: string, rest: Partial<GoAway> = {}): void {
  const value = { reason: GoAwayReason.DRAIN, delayMs: 0, target, deadlineMs: 10_000, ...rest };
  connection.send({ $case: "goAway", value });
}

/** A client in a room of `first`, whose Welcome lets it go to `second`. */
async function openPair(clock: Clock = systemClock) {
  const [first, second] = await Promise.all([startGateway(), startGateway()]);
  const client = makeClient(first.url, {}, clock);
  const opened = client.open();
  const connection = await first.accept();
  await connection.welcome({ targets: [second.url], sessionToken: Buffer.from("seat") });
  await opened;
  const room = await joinRoom({ client, connection }, "chat:a", 1);
  return { first, second, client, connection, room };
}

test("GoAway: the old connection serves until the new one has its Welcome; then it resumes", async () => {
  const { second, connection, room } = await openPair();
  connection.send(messageOf(1, 1, 0));
  expect(await take(room, 1)).toEqual(["1"]);
  sendGoAway(connection, second.url);
  const next = await second.accept();
  connection.send(messageOf(1, 2)); // the new one is open, and has not answered
  expect(await take(room, 1)).toEqual(["2"]);
  const closed = once(connection.socket, "close");
  const hello = await next.welcome();
  expect(Buffer.from(hello.sessionToken).toString()).toBe("seat");
  expect((await closed)[0]).toBe(4100);
  const join = await next.join(7, { recovered: true });
  expect(join).toMatchObject({ room: "chat:a", after: positionOf(2) });
  next.send(messageOf(7, 3));
  expect(await take(room, 1)).toEqual(["3"]);
});

test("GoAway: an address that Welcome did not name is not followed", async () => {
  const { first, connection } = await openPair();
  const stranger = await startGateway();
  sendGoAway(connection, stranger.url);
  await (await first.accept()).welcome(); // it comes back to where it began
  expect(stranger.connectionCount).toBe(0);
});

test("moveUrl: never from TLS to none, never to what is not listed", () => {
  const targets = ["wss://b/ws", "ws://c/ws"];
  expect(moveUrl("wss://b/ws", targets, "wss://a/ws")).toBe("wss://b/ws");
  expect(moveUrl("wss://b/ws", targets, "ws://a/ws")).toBe("wss://b/ws");
  expect(moveUrl("ws://c/ws", targets, "ws://a/ws")).toBe("ws://c/ws");
  expect(moveUrl("ws://c/ws", targets, "wss://a/ws")).toBe("wss://a/ws");
  expect(moveUrl("wss://d/ws", targets, "wss://a/ws")).toBe("wss://a/ws");
  expect(moveUrl("", targets, "wss://a/ws")).toBe("wss://a/ws");
});

test("GoAway: what is unanswered is answered first; what comes meanwhile goes out once, anew", async () => {
  let lookCount = 0;
  const { promise: looked, resolve } = Promise.withResolvers<void>();
  const clock: Clock = {
    ...systemClock,
    setTimer(delayMs, callback) {
      if (delayMs === SETTLE_LOOK_MS && ++lookCount === 3) resolve();
      return systemClock.setTimer(delayMs, callback);
    },
  };
  const { second, client, connection } = await openPair(clock);
  const before = client.publish("chat:a", "before");
  const sent = await connection.take("publish");
  sendGoAway(connection, second.url);
  const next = await second.accept();
  await looked;
  const during = client.publish("chat:a", "during");
  expect([next.unreadCount, connection.unreadCount]).toEqual([0, 0]); // no Hello, no publish
  connection.ackOf(sent.requestId, 1);
  expect((await before).position).toBe("1.1.1000");
  await next.welcome();
  await next.join(7, { recovered: true });
  const moved = await next.ack(2);
  expect(Buffer.from(moved.payload).toString()).toBe("during");
  expect([(await during).isDuplicate, connection.unreadCount]).toEqual([false, 0]);
});

test("GoAway: an answer that does not come holds the move up for half a second only", async () => {
  const { second, client, connection } = await openPair();
  const published = client.publish("chat:a", "x");
  await connection.take("publish");
  sendGoAway(connection, second.url);
  const next = await second.accept();
  await next.welcome();
  await next.join(7, { recovered: true });
  const again = await next.ack(1); // R1: the same name
  expect([again.producerSeq, (await published).position]).toEqual([1n, "1.1.1000"]);
});

test("GoAway: taken over by its own next connection, the client goes on", async () => {
  const { second, client, connection, room } = await openPair();
  sendGoAway(connection, second.url);
  const next = await second.accept();
  const hello = next.take("hello");
  const told = statusOf(client, "reconnecting");
  await hello;
  connection.error(0, "TAKEN_OVER");
  connection.close(4500);
  expect((await told).delayMs).toBe(0);
  const open = statusOf(client, "open");
  next.sendWelcome();
  await open;
  await next.join(7, { recovered: true });
  next.send(messageOf(7, 1, 0));
  expect(await take(room, 1)).toEqual(["1"]);
});

test("GoAway: a target that refuses is left for the first address; the old one serves on", async () => {
  const { first, second, connection, room } = await openPair();
  sendGoAway(connection, second.url);
  const refusing = await second.accept();
  await refusing.take("hello");
  refusing.close(1013);
  const back = await first.accept();
  await back.take("hello");
  connection.send(messageOf(1, 1, 0));
  expect(await take(room, 1)).toEqual(["1"]);
  back.sendWelcome();
  await back.join(2, { recovered: true });
});

test("GoAway: a token that the target does not take ends the move, not the connection", async () => {
  const { second, client, connection } = await openPair();
  sendGoAway(connection, second.url);
  const refusing = await second.accept();
  await refusing.take("hello");
  refusing.error(0, "TOKEN_INVALID");
  refusing.close(4504);
  const published = client.publish("chat:a", "x"); // held until the move has ended
  await connection.ack(1);
  expect((await published).position).toBe("1.1.1000");
  expect(client.status.state).toBe("open");
});

test("GoAway: broken before its slot, the client comes back as after any break", async () => {
  const { first, second, connection, room } = await openPair();
  sendGoAway(connection, second.url, { delayMs: 60_000 });
  connection.send(messageOf(1, 1, 0));
  expect(await take(room, 1)).toEqual(["1"]); // and so the GoAway has come too
  connection.cut();
  await (await first.accept()).welcome();
  expect(second.connectionCount).toBe(0);
});

test("close: ends a move that is under way", async () => {
  const { second, client, connection } = await openPair();
  sendGoAway(connection, second.url);
  const next = await second.accept();
  await next.take("hello");
  const closed = once(next.socket, "close");
  await client.close();
  await closed;
});
