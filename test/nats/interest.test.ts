/**
 * Interest follows members: of 100 000 rooms that are published to elsewhere, a gateway receives
 * those that have members here, and no other.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { encodeEnvelope } from "../../bus/envelope.ts";
import { encodeMessage } from "../../bus/nats/ephemeral-frame.ts";
import { outSubject } from "../../bus/nats/wire.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startServer } from "../start-server.ts";

const ROOM_COUNT = 100_000;
const JOINED_COUNT = 100;

const folder = mkdtempSync(path.join(tmpdir(), "tidegate-interest-"));
let nats: NatsCluster;

beforeAll(async () => {
  nats = await startNats(findNatsServer(process.env.NATS_SERVER ?? "", console.error), folder, 1);
}, 60_000);

afterAll(async () => {
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What /health tells of the bus. */
async function busHealth(http: string): Promise<Record<string, number>> {
  const health = (await (await fetch(`${http}/health`)).json()) as { bus: Record<string, number> };
  return health.bus;
}

test("interest: 100 rooms with members of 100 000 published to: 100 messages come", async () => {
  const server = await startServer({ env: { NATS_URL: nats.urls.join(",") } });
  onTestFinished(() => server.close());
  const client = await RawClient.open(server.port);
  onTestFinished(() => client.socket.terminate());
  const aliases: number[] = [];
  for (let i = 0; i < JOINED_COUNT; i += 1) {
    const { roomAlias } = await client.join(`live:n${i * (ROOM_COUNT / JOINED_COUNT)}`);
    aliases.push(roomAlias);
  }
  const before = await busHealth(server.http);
  expect(before.subscriptions).toBe(JOINED_COUNT);

  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  const fields = { firstSentUs: 1, user: "", producer: "", producerSeq: 0 };
  for (let i = 0; i < ROOM_COUNT; i += 1) {
    const envelope = encodeEnvelope(fields, Buffer.from(String(i)));
    const subject = outSubject(roomAddress("default", `live:n${i}`), 1);
    connection.publish(subject, encodeMessage(77, 0, 1, envelope));
  }
  await connection.flush();
  for (const [i, alias] of aliases.entries()) {
    expect(await client.texts(alias, 1)).toEqual([String(i * (ROOM_COUNT / JOINED_COUNT))]);
  }
  const after = await busHealth(server.http);
  expect((after.messages_received ?? 0) - (before.messages_received ?? 0)).toBe(JOINED_COUNT);
  expect(after.messages_received_for_no_room).toBe(0);

  // Rooms left by their last member are unsubscribed from when they have lingered.
  client.socket.close();
  await client.closed;
  let left = after;
  while ((left.subscriptions ?? 0) > 0) left = await busHealth(server.http);
}, 60_000);
