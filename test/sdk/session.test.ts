/** How long a client waits before it dials again, by a scripted gateway and a clock of its own. */
import { expect, test } from "vitest";
import type { ClientStatus } from "../../sdk/typescript/session-setup.ts";
import { FakeClock } from "./fake-clock.ts";
import { type FakeConnection, POLICY } from "./fake-gateway.ts";
import { joinRoom, makeClient, startGateway, statusOf } from "./scene.ts";

type Reconnecting = Extract<ClientStatus, { state: "reconnecting" }>;

/** An open client with the longest jitter, and how to turn it away. */
async function openClient() {
  const clock = new FakeClock();
  const gateway = await startGateway();
  const client = makeClient(gateway.url, {}, clock, 0.999999);
  const opened = client.open();
  const connection = await gateway.accept();
  await connection.welcome();
  await opened;
  const turnAway = async (from: FakeConnection, retryAfterMs = 0): Promise<Reconnecting> => {
    const waiting = statusOf(client, "reconnecting");
    if (retryAfterMs > 0) from.error(0, "UNAVAILABLE", { retryable: true, retryAfterMs });
    from.close(1013);
    return await waiting;
  };
  /** Turns the client away until it waits for the longest time; returns that status. */
  const exhaust = async (retryAfterMs = 0): Promise<Reconnecting> => {
    let waiting = await turnAway(connection);
    for (let i = 0; i < 8; i += 1) {
      clock.advance(waiting.delayMs);
      waiting = await turnAway(await gateway.accept(), i === 7 ? retryAfterMs : 0);
    }
    return waiting;
  };
  return { clock, gateway, client, connection, exhaust };
}

test("publish: a long wait for the next dial is cut to 2 s, and the publish is stored", async () => {
  const { clock, gateway, client, exhaust } = await openClient();
  expect((await exhaust()).delayMs).toBe(29_999);
  const shorter = statusOf(client, "reconnecting");
  const published = client.publish("chat:a", "x");
  expect((await shorter).delayMs).toBe(1999);
  const second = client.publish("chat:a", "y"); // does not put it off again
  clock.advance(1999);
  const next = await gateway.accept();
  await next.welcome();
  for (const seq of [1, 2]) await next.ack(seq);
  expect([(await published).position, (await second).position]).toEqual(["1.1.1000", "1.2.2000"]);
});

test("publish: unanswered over breaks, tries are at most 2 s apart", async () => {
  const { client, exhaust, connection, clock, gateway } = await openClient();
  const published = client.publish("chat:a", "x").catch((error: { code: string }) => error.code);
  await connection.take("publish");
  expect((await exhaust()).delayMs).toBe(1999);
  clock.advance(1999);
  const next = await gateway.accept();
  await next.welcome();
  await next.answerMode();
  await next.ack(1);
  expect(await published).toMatchObject({ position: "1.1.1000" });
});

test("publish: what the gateway asked for stays the least wait", async () => {
  const { clock, gateway, client, exhaust } = await openClient();
  expect((await exhaust(9000)).delayMs).toBe(29_999);
  clock.advance(1000);
  const shorter = statusOf(client, "reconnecting");
  const published = client.publish("chat:a", "x");
  expect((await shorter).delayMs).toBe(8000);
  clock.advance(8000);
  const next = await gateway.accept();
  await next.welcome();
  await next.ack(1);
  await published;
});

test("publish: into an ephemeral room changes no wait", async () => {
  const { client, connection, exhaust } = await openClient();
  const policy = { ...POLICY, durable: false };
  const room = await joinRoom({ client, connection }, "live:a", 1, {}, { policy });
  const published = room.publish("x");
  const { requestId } = await connection.take("publish");
  const value = { requestId, position: undefined, duplicate: false, traceId: "" };
  connection.send({ $case: "publishAck", value });
  await published;
  const waiting = await exhaust();
  room.publish("y").catch(() => {});
  await new Promise(setImmediate);
  expect(client.status).toBe(waiting);
});
