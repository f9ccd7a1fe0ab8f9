/** bus/nats/own-rooms.ts and raw-headers.ts, on a real server: publishing alone hears its times. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, type Msg } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AppendAck } from "../../../bus/bus.ts";
import { encodeEnvelope } from "../../../bus/envelope.ts";
import { openNatsBus } from "../../../bus/nats/nats-bus.ts";
import { oneHeader } from "../../../bus/nats/raw-headers.ts";
import { roomAddress } from "../../../bus/subjects.ts";
import { type NatsCluster, startNats } from "../../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../../deploy/nats/find-server.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tidegate-own-rooms-"));
let nats: NatsCluster;

beforeAll(async () => {
  nats = await startNats(findNatsServer(process.env.NATS_SERVER ?? "", console.error), folder, 1);
});
afterAll(async () => {
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("NatsBus.append: rooms without a member cost no read, and acks have true times", async () => {
  const bus = await openNatsBus({ servers: nats.urls, name: "own" });
  const tap = await connect({ servers: nats.urls });
  const reads: string[] = [];
  for (const subject of ["$JS.API.DIRECT.GET.>", "$JS.API.STREAM.MSG.GET.>"]) {
    tap.subscribe(subject, {
      callback: (_error, message) => {
        reads.push(message.subject);
      },
    });
  }
  await tap.flush();
  const rooms = Array.from({ length: 20 }, (_, i) => roomAddress("default", `chat:own-${i}`));
  const append = (i: number) => {
    const room = rooms[i % rooms.length] ?? roomAddress("default", "chat:none");
    const id = { producer: "0123456789abcdef", seq: Math.floor(i / rooms.length) + 1 };
    const nowUs = Date.now() * 1000;
    const fields = { firstSentUs: nowUs, user: "", producer: id.producer, producerSeq: id.seq };
    const envelope = encodeEnvelope(fields, Buffer.from(`payload ${i}`));
    const { promise, resolve, reject } = Promise.withResolvers<AppendAck>();
    bus.append(room, id, nowUs, envelope, (error, ack) => (ack ? resolve(ack) : reject(error)));
    return promise;
  };
  const acks = await Promise.all(Array.from({ length: 400 }, (_, i) => append(i)));
  await tap.flush();
  // It showed as one Direct Get for each of them: 1 400 a second on three servers.
  expect(reads.length).toBeLessThan(20);
  for (const [i, room] of rooms.entries()) {
    const { messages } = await bus.readAfter(room, null, 100);
    const own = acks.filter((_, j) => j % rooms.length === i);
    expect(own.map(({ seq, timeUs }) => [seq, timeUs])).toEqual(
      messages.map(({ seq, timeUs }) => [seq, timeUs]),
    );
  }
  await tap.close();
  await bus.close();
});

test("oneHeader: arrives as the client library's own headers do", async () => {
  const connection = await connect({ servers: nats.urls });
  const received = Promise.withResolvers<Msg>();
  connection.subscribe("raw", { callback: (_error, message) => received.resolve(message) });
  connection.publish("raw", "payload", { headers: oneHeader("Nats-Msg-Id", "a.b-_.7") });
  const message = await received.promise;
  expect([message.headers?.get("Nats-Msg-Id"), message.string()]).toEqual(["a.b-_.7", "payload"]);
  await connection.close();
});
