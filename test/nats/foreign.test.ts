/**
 * A foreigner with access to our subjects, and streams and buckets removed under us: what comes is
 * dropped, counted and told once; members stay and go on.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { encodeEnvelope } from "../../bus/envelope.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

interface Scene {
  readonly nats: TestNats;
  readonly server: Server;
  readonly foreigner: NatsConnection;
  readonly member: RawClient;
}

async function setScene(): Promise<Scene> {
  const nats = await startTestNats(1);
  const env = { NATS_URL: nats.urls.join(","), SHARD_COUNT: "1", GATEWAY_ID: "g" };
  const server = await startServer({ env });
  const foreigner = await connect({ servers: nats.urls });
  const member = await RawClient.open(server.port);
  onTestFinished(async () => {
    member.socket.terminate();
    await foreigner.close();
    await server.kill();
    await server.close();
    await nats.stop();
  });
  return { nats, server, foreigner, member };
}

async function troublesOf(server: Server): Promise<Record<string, number>> {
  const health = await (await fetch(`${server.http}/health`)).json();
  return (health as { bus: { troubles: Record<string, number> } }).bus.troubles;
}

/** Reads /health until a kind of trouble was counted this often. */
async function troubleCount(server: Server, kind: string, count: number): Promise<number> {
  for (;;) {
    const found = (await troublesOf(server))[kind] ?? 0;
    if (found >= count) return found;
  }
}

function withHeaders(pairs: Record<string, string>) {
  const made = headers();
  for (const [name, value] of Object.entries(pairs)) made.append(name, value);
  return { headers: made };
}

test("junk on every subject of ours is dropped and counted, told once, and hurts nobody", async () => {
  const { server, foreigner, member } = await setScene();
  const durable = await member.join("chat:target");
  const live = await member.join("live:target");
  const { slot, token } = roomAddress("default", "chat:target");
  const liveRoom = roomAddress("default", "live:target");
  const out = `tg.out.0-${slot}.1.${token}`;
  const junk = ["", "junk", "\u0000\u0001\u0002", "x".repeat(5000)];
  const forged = { "Nats-Sequence": "77", "Nats-Last-Sequence": "0" };
  const time = { "Nats-Time-Stamp": "2026-11-22T11:30:00Z" };
  for (let i = 0; i < 20; i += 1) {
    for (const bytes of junk) {
      foreigner.publish(out, bytes); // no headers: no durable message
      foreigner.publish(out, bytes, withHeaders({ "Nats-Sequence": "77" }));
      foreigner.publish(out, bytes, withHeaders({ ...forged, "Nats-Stream": "OTHER", ...time }));
      foreigner.publish(out, bytes, withHeaders({ ...forged, "Nats-Stream": "TG_0" }));
      foreigner.publish(`tg.out.0-${liveRoom.slot}.1.${liveRoom.token}`, bytes);
      foreigner.publish(`tg.in.0-${slot}.1.${token}`, bytes); // stored, and void
      foreigner.publish("tg.seal.0.anchor", bytes);
      foreigner.publish("tg.seal.0.somewhere", bytes);
      foreigner.publish("tg.ctl.g", bytes);
      foreigner.publish("tg.ctl.origin.1", bytes);
      foreigner.publish(`$KV.control.slot.0-${slot}`, bytes);
      foreigner.publish("$KV.leases.gateway.other", bytes);
      foreigner.publish("$KV.control.class.default.chat", bytes);
      foreigner.publish("$KV.control.class.nonsense", bytes);
    }
  }
  await foreigner.flush();
  expect(await troubleCount(server, "foreign_message", 20 * 4 * 6)).toBeGreaterThan(0);
  expect(await troubleCount(server, "broken_record", 1)).toBeGreaterThan(0);

  // The room goes on: what a foreigner forged with a true envelope has the server's own sequence.
  const fields = { firstSentUs: Date.now() * 1000, user: "f", producer: "", producerSeq: 0 };
  const envelope = encodeEnvelope(fields, Buffer.from("forged"));
  await foreigner.request(`tg.in.0-${slot}.1.${token}`, envelope, {
    timeout: 5000,
    ...withHeaders({ "Nats-Sequence": "999999", "Nats-Last-Sequence": "999998" }),
  });
  const ack = await member.store({ room: "chat:target", seq: 1, payload: "honest" });
  expect(await member.texts(durable.roomAlias, 2)).toEqual(["forged", "honest"]);
  const [forgedMessage, honest] = member.messages(durable.roomAlias);
  expect(Number(honest?.position?.seq)).toBe(Number(forgedMessage?.position?.seq) + 1);
  expect(ack.position?.seq).toBe(honest?.position?.seq);
  member.publish({ requestId: 0, room: "live:target", payload: "alive" });
  expect(await member.texts(live.roomAlias, 1)).toEqual(["alive"]);
  const requestId = member.nextId();
  const target = { $case: "roomAlias" as const, value: durable.roomAlias };
  member.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 100 } });
  const page = await member.next("historyPage");
  expect(page.messages.map((each) => `${each.envelope?.payload}`)).toEqual(["forged", "honest"]);
  const told = server.stderr().split("\n");
  for (const kind of ["foreign_message", "broken_record"]) {
    expect(told.filter((line) => line.includes(`"kind":"${kind}"`))).toHaveLength(1);
  }
}, 60_000);

test("a stream removed under us: refused and counted, members stay, a start makes it anew", async () => {
  const { nats, server, foreigner, member } = await setScene();
  const { roomAlias } = await member.join("chat:removed");
  await member.store({ room: "chat:removed", seq: 1, payload: "lost" });
  const manager = await jetstreamManager(foreigner);
  await manager.streams.delete("TG_0");
  const refused = await member.error(
    member.publish({ room: "chat:removed", seq: 2, payload: "later" }),
  );
  expect(refused).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  expect(refused.message).toContain("stream TG_0 was removed");
  expect(await troubleCount(server, "shard_missing", 1)).toBeGreaterThan(0);
  expect(await manager.streams.info("TG_0").catch((error: Error) => error.message)).toContain(
    "stream not found",
  );
  await member.settle(); // still there

  const other = await startServer({ env: { NATS_URL: nats.urls.join(",") } });
  onTestFinished(() => other.close());
  expect(other.stderr()).toContain("it is made, empty");
  await member.store({ room: "chat:removed", seq: 2, payload: "later" });
  const texts = await member.texts(roomAlias, 2);
  expect(texts).toEqual(["lost", "later"]);
}, 120_000);

test("the bucket of the configuration removed under us: what was known goes on", async () => {
  const { server, foreigner, member } = await setScene();
  const { roomAlias } = await member.join("chat:buckets");
  await member.store({ room: "chat:buckets", seq: 1, payload: "before" });
  const manager = await jetstreamManager(foreigner);
  await manager.streams.delete("KV_control");
  await member.store({ room: "chat:buckets", seq: 2, payload: "after" });
  expect(await member.texts(roomAlias, 2)).toEqual(["before", "after"]);
  const another = await RawClient.open(server.port);
  await another.join("chat:buckets-too");
  another.socket.terminate();
}, 60_000);
