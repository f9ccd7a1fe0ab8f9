/**
 * A rolling restart of four gateways under SDK clients: nothing is missed, doubled or out of order,
 * and the clients of each come away at a pace.
 */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Client } from "../../sdk/typescript/client.ts";
import { text } from "../../sdk/typescript/codec.ts";
import { connect } from "../../sdk/typescript/connect.ts";
import { type Server, startServer } from "../start-server.ts";
import { startGateway, waitForTargets } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const GATEWAY_COUNT = 4;
const CLIENT_COUNT = 240;
const ROOM_COUNT = 8;
/** Reconnects a second. */
const CEILING = 100;

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 120_000);

afterAll(() => nats?.stop());

/** A member: what it was told, in order, and how often it opened a connection. */
async function openMember(url: string, room: string) {
  const client = await connect(url, { codec: text });
  const words: string[] = [];
  const waiting: { count: number; resolve(): void }[] = [];
  const member = { openCount: 1, gapCount: 0 };
  client.onStatus(({ state }) => {
    if (state === "open") member.openCount += 1;
  });
  const joined = await client.join(room);
  void (async () => {
    for await (const event of joined) {
      if (event.type === "gap") member.gapCount += 1;
      if (event.type === "message") words.push(event.payload);
      for (const each of waiting) if (words.length >= each.count) each.resolve();
    }
  })();
  const has = (count: number) =>
    new Promise<void>((resolve) => {
      if (words.length >= count) resolve();
      else waiting.push({ count, resolve });
    });
  return { client, words, member, has };
}

/** Publishes numbers into a room, one by one, until stopped; returns what was acknowledged. */
function publishOn(client: Client<string>, room: string): () => Promise<string[]> {
  const sent: string[] = [];
  let isStopped = false;
  const done = (async () => {
    for (let n = 1; !isStopped; n += 1) {
      await client.publish(room, `${n}`);
      sent.push(`${n}`);
    }
  })();
  return async () => {
    isStopped = true;
    await done;
    return sent;
  };
}

/** Ends a gateway by SIGTERM and starts it again under its name and on its port. */
async function restart(server: Server, env: Readonly<Record<string, string>>): Promise<Server> {
  process.kill(server.pid, "SIGTERM");
  expect(await server.ended).toBe(0);
  const again = await startServer({ port: server.port, env });
  onTestFinished(async () => {
    await again.kill();
    await again.close();
  });
  return again;
}

test("rolling restart: nothing durable is lost, doubled or reordered, at most at the ceiling", async () => {
  const envOf = (i: number) => ({ GATEWAY_ID: `gw-${i}`, DRAIN_RATE_MAX: `${CEILING}` });
  const numbers = Array.from({ length: GATEWAY_COUNT }, (_, i) => i);
  const servers = await Promise.all(numbers.map((i) => startGateway(nats.urls, envOf(i))));
  await waitForTargets(servers);
  const urlOf = (i: number) => servers[i % GATEWAY_COUNT]?.url ?? "";
  const roomOf = (i: number) => `chat:rolling-${i % ROOM_COUNT}`;
  const members = await Promise.all(
    Array.from({ length: CLIENT_COUNT }, (_, i) =>
      openMember(urlOf(i), roomOf(Math.floor(i / GATEWAY_COUNT))),
    ),
  );
  onTestFinished(() => Promise.all(members.map(({ client }) => client.close())).then(() => {}));
  const stops = Array.from({ length: ROOM_COUNT }, (_, i) => {
    const publisher = members.find((_, at) => roomOf(Math.floor(at / GATEWAY_COUNT)) === roomOf(i));
    if (publisher === undefined) throw new Error("a room without a member");
    return publishOn(publisher.client, roomOf(i));
  });
  for (const [i, server] of servers.entries()) {
    const env = {
      ...envOf(i),
      ...{ NATS_URL: nats.urls.join(","), ADVERTISE_URL: server.url },
      ...{ DRAIN_ANNOUNCE_MS: "0", DRAIN_DEADLINE_MS: "30000" },
    };
    const before = members.map(({ member }) => member.openCount);
    const beganMs = performance.now();
    servers[i] = await restart(server, env);
    const moved = members.filter(({ member }, at) => member.openCount > (before[at] ?? 0)).length;
    expect(moved).toBeGreaterThanOrEqual(CLIENT_COUNT / GATEWAY_COUNT / 2);
    // A lower bound, which no slow machine can break.
    expect(performance.now() - beganMs).toBeGreaterThan(((moved - CEILING) * 1000) / CEILING);
    await waitForTargets(servers);
  }
  const sent = await Promise.all(stops.map((stop) => stop()));
  for (const [i, { words, member, has }] of members.entries()) {
    const wanted = sent[Math.floor(i / GATEWAY_COUNT) % ROOM_COUNT] ?? [];
    await has(wanted.length);
    expect(words).toEqual(wanted);
    expect(member.gapCount).toBe(0);
  }
}, 180_000);
