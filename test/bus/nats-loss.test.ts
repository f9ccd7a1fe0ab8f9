/**
 * R7 and R8 on NATS: messages that RePublish lost are found.
 *
 * RePublish is switched off on the streams, so that what is stored and acknowledged is never
 * republished: what a leader's death does to some messages, to all of them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { inSubject } from "../../bus/nats/wire.ts";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { appendMany, newRoom, Recorder, readAll, textsOf } from "./contract-tools.ts";

let nats: NatsCluster;

/** A server for one test, ended after the buses that were opened on it. */
async function startOne(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-nats-loss-"));
  nats = await startNats(findNatsServer(process.env.NATS_SERVER ?? "", console.error), folder, 1);
  onTestFinished(async () => {
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  });
}

async function openBus(name: string): Promise<Bus> {
  const bus = await openNatsBus({ servers: nats.urls, name, sweepMs: 200 });
  onTestFinished(() => bus.close());
  return bus;
}

/** Stops RePublish on every shard. */
async function stopRepublish(): Promise<void> {
  const connection = await connect({ servers: nats.urls });
  const manager = await jetstreamManager(connection);
  for await (const info of manager.streams.list()) {
    if (!info.config.name.startsWith("TG_")) continue;
    await manager.streams.update(info.config.name, { republish: undefined });
    const after = await manager.streams.info(info.config.name);
    expect(after.config.republish).toBeUndefined();
  }
  await connection.close();
}

test("tail marker: a message that was never republished comes soon after", async () => {
  await startOne();
  const [publisher, member] = [await openBus("loss-a"), await openBus("loss-b")];
  await stopRepublish();
  const room = newRoom("quiet");
  const recorder = new Recorder();
  member.subscribeRoom(room, recorder);
  await appendMany(publisher, room, 3);
  // A look soon after the join may find an earlier one first.
  for (let count = 1; !textsOf(recorder.messages).includes("2"); count += 1) {
    await recorder.durableCount(count);
  }
  // What is between is filled by the receiver's chain; the bus proves the newest.
  const stored = await readAll(member, room);
  expect(textsOf(stored)).toEqual(["0", "1", "2"]);
  expect(textsOf(recorder.messages.slice(-1))).toEqual(["2"]);
  expect(recorder.messages.at(-1)?.prevSeq).toBe((stored.at(-1)?.seq ?? 0) - 1);
});

test("sweep: the backstop finds what no marker tells", async () => {
  await startOne();
  const member = await openBus("loss-c");
  await stopRepublish();
  const rooms = Array.from({ length: 30 }, () => newRoom("swept"));
  const recorders = rooms.map(() => new Recorder());
  for (const [i, room] of rooms.entries()) member.subscribeRoom(room, recorders[i] as Recorder);
  const connection = await connect({ servers: nats.urls });
  const probe = new Recorder();
  const probed = newRoom("probe");
  member.subscribeRoom(probed, probe);
  for (let turn = 1; turn <= 3; turn += 1) {
    // Found by a turn of its own each, so the later ones ask for what has changed alone.
    await connection.request(inSubject(probed, 1), `turn ${turn}`);
    await probe.durableCount(turn);
  }
  for (const [i, room] of rooms.entries()) {
    if (i % 3 === 0) await connection.request(inSubject(room, 1), `m${i}`);
  }
  await connection.close();
  for (const [i, recorder] of recorders.entries()) {
    if (i % 3 !== 0) continue;
    await recorder.durableCount(1);
    expect(textsOf(recorder.messages)).toEqual([`m${i}`]);
  }
  const others = recorders.filter((_, i) => i % 3 !== 0);
  expect(others.every(({ messages }) => messages.length === 0)).toBe(true);
}, 60_000);
