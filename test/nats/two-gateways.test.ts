/**
 * Two all-in-ones on one NATS: the same rooms; a member that loses its gateway goes on at the
 * other.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tidegate-two-"));
let nats: NatsCluster;

beforeAll(async () => {
  nats = await startNats(findNatsServer(process.env.NATS_SERVER ?? "", console.error), folder, 3);
}, 120_000);

afterAll(async () => {
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function startOne(): Promise<Server> {
  const server = await startServer({
    env: { NATS_URL: nats.urls.join(","), REPLICA_COUNT: "3" },
  });
  onTestFinished(() => server.close());
  return server;
}

test("two gateways: members hear each other, in one order, durable and ephemeral", async () => {
  const servers = [await startOne(), await startOne()];
  const clients = await Promise.all(servers.map(({ port }) => RawClient.open(port)));
  const rooms = await Promise.all(clients.map((client) => client.join("chat:both")));
  const live = await Promise.all(clients.map((client) => client.join("live:both")));
  const acks = [];
  for (let seq = 1; seq <= 100; seq += 1) {
    for (const [i, client] of clients.entries()) {
      acks.push(client.publish({ room: "chat:both", seq, payload: `${i}:${seq}` }));
      client.publish({ requestId: 0, room: "live:both", payload: `${i}:${seq}` });
    }
  }
  const [first, second] = await Promise.all(
    clients.map((client, i) => client.texts(rooms[i]?.roomAlias ?? 0, 200)),
  );
  expect(second).toEqual(first);
  for (const i of [0, 1]) {
    const own = first?.filter((text) => text.startsWith(`${i}:`));
    expect(own).toEqual(Array.from({ length: 100 }, (_, k) => `${i}:${k + 1}`));
  }
  for (const [i, client] of clients.entries()) {
    const texts = await client.texts(live[i]?.roomAlias ?? 0, 200);
    const other = texts.filter((text) => text.startsWith(`${1 - i}:`));
    expect(other).toEqual(Array.from({ length: 100 }, (_, k) => `${1 - i}:${k + 1}`));
  }
  for (const client of clients) client.socket.terminate();
}, 60_000);

test("kill -9 of a gateway: its member resumes at the other, nothing missed or doubled", async () => {
  const [doomed, other] = [await startOne(), await startOne()];
  const member = await RawClient.open(doomed.port);
  const publisher = await RawClient.open(other.port);
  const joined = await member.join("chat:failover");
  const send = async (from: number, to: number) => {
    const ids = [];
    for (let seq = from; seq <= to; seq += 1) {
      ids.push(publisher.publish({ room: "chat:failover", seq, payload: String(seq) }));
    }
    await Promise.all(ids.map((id) => publisher.ack(id)));
  };
  await send(1, 200);
  await member.texts(joined.roomAlias, 50);
  await doomed.kill();
  await member.closed;
  const before = member.messages(joined.roomAlias);
  await send(201, 400);
  const again = await RawClient.open(other.port);
  const resumed = await again.join("chat:failover", { after: before.at(-1)?.position });
  expect(resumed.recovered).toBe(true);
  const rest = await again.texts(resumed.roomAlias, 400 - before.length);
  const heard = before.map((message) => message.envelope?.payload.toString());
  expect([...heard, ...rest]).toEqual(Array.from({ length: 400 }, (_, i) => String(i + 1)));
  for (const client of [again, publisher]) client.socket.terminate();
}, 60_000);

test("kill -9 of a NATS node: publishes go on, every acknowledged one reaches all once", async () => {
  const servers = [await startOne(), await startOne()];
  const [member, publisher] = await Promise.all(servers.map(({ port }) => RawClient.open(port)));
  if (member === undefined || publisher === undefined) throw new Error("no clients");
  const joined = await member.join("chat:node");
  for (let seq = 1; seq <= 100; seq += 1) {
    if (seq === 30) await nats.nodes[0]?.signal("SIGKILL");
    if (seq === 60) await nats.nodes[0]?.start();
    await publisher.store({ room: "chat:node", seq, payload: String(seq) });
  }
  const texts = await member.texts(joined.roomAlias, 100);
  expect(texts).toEqual(Array.from({ length: 100 }, (_, i) => String(i + 1)));
  for (const client of [member, publisher]) client.socket.terminate();
}, 90_000);
