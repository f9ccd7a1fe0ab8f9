/** R12 with real processes: killed, frozen and thawed holders, and a KV that loses its leader. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { LEASE_BUCKET, leaseKey } from "../../bus/nats/lease-records.ts";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await startTestNats(1);
  connection = await connect({ servers: nats.urls });
});

afterAll(async () => {
  await connection?.close();
  await nats?.stop();
});

async function startOne(id: string): Promise<Server> {
  const server = await startServer({ env: { NATS_URL: nats.urls.join(","), GATEWAY_ID: id } });
  onTestFinished(() => server.close());
  return server;
}

/** What is stored in every shard, in the order of the server's times. */
async function stored(): Promise<{ subject: string; text: string; atMs: number }[]> {
  const manager = await jetstreamManager(connection);
  const found = [];
  for (const { config, state } of await manager.streams.list().next()) {
    if (!config.name.startsWith("TG_")) continue;
    for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
      const message = await manager.streams.getMessage(config.name, { seq });
      if (message === null || !message.subject.startsWith("tg.in.")) continue;
      const text = Buffer.from(message.data).toString("latin1");
      found.push({ subject: message.subject, text, atMs: message.time.getTime() });
    }
  }
  return found.sort((a, b) => a.atMs - b.atMs);
}

/** When the present lease of an id was written, by the server's clock, ms; 0 when there is none. */
async function leaseWrittenMs(id: string): Promise<number> {
  const manager = await jetstreamManager(connection);
  const subject = `$KV.${LEASE_BUCKET}.${leaseKey(id)}`;
  const query = { last_by_subj: subject };
  const message = await manager.streams.getMessage(`KV_${LEASE_BUCKET}`, query);
  return message === null || message.data.length === 0 ? 0 : message.time.getTime();
}

test("GATEWAY_ID of a process that answers: refused, and the message says who has it", async () => {
  const first = await startOne("twice");
  const second = startServer({ env: { NATS_URL: nats.urls.join(","), GATEWAY_ID: "twice" } });
  await expect(second).rejects.toThrow(/\[GATEWAY_ID_IN_USE\].*pid \d+ on /);
  await expect(second).rejects.toThrow(`pid ${first.pid}`);
  expect((await fetch(`${first.http}/readyz`)).status).toBe(200);
}, 60_000);

test("kill -9 of a holder: its id is taken over at once, not after the lease's 45 s", async () => {
  const first = await startOne("killed");
  const leaseMs = await leaseWrittenMs("killed");
  expect(leaseMs).toBeGreaterThan(0);
  await first.kill();
  const second = await startOne("killed");
  // The old lease was still there: taken over by its revision, before it could have ended.
  expect((await leaseWrittenMs("killed")) - leaseMs).toBeLessThan(30_000);
  expect((await fetch(`${second.http}/readyz`)).status).toBe(200);
}, 60_000);

test("a frozen holder is succeeded; thawed, it publishes nothing, says why, and ends", async () => {
  const frozen = await startOne("frozen");
  const client = await RawClient.open(frozen.port);
  await client.ack(client.publish({ room: "chat:ice", seq: 1, payload: "before-the-frost" }));
  process.kill(frozen.pid, "SIGSTOP");
  const successor = await startOne("frozen");
  for (let seq = 2; seq <= 5; seq += 1) {
    client.publish({ room: "chat:ice", seq, payload: "written-to-a-frozen-gateway" });
  }
  const other = await RawClient.open(successor.port);
  await other.ack(other.publish({ room: "chat:ice", seq: 1, payload: "of-the-successor" }));
  process.kill(frozen.pid, "SIGCONT");
  expect((await client.closed).code).toBe(4003);
  expect(await frozen.stop()).toBe(1);
  expect(frozen.stderr()).toContain("GATEWAY_ID_IN_USE");
  expect(frozen.stderr()).toContain(`pid ${successor.pid}`);
  await other.ack(other.publish({ room: "chat:ice", seq: 2, payload: "after-the-thaw" }));
  const texts = (await stored()).map(({ text }) => text);
  expect(texts.some((text) => text.includes("after-the-thaw"))).toBe(true);
  expect(texts.filter((text) => text.includes("frozen-gateway"))).toEqual([]);
  other.socket.terminate();
}, 90_000);

/** Starts lease-child.ts; `said` waits for a line that starts with a word, from now on. */
function startChild(id: string, ttlMs: number, room: string) {
  const args = [path.join(import.meta.dirname, "lease-child.ts"), nats.urls.join(","), id];
  const child: ChildProcess = spawn(
    process.execPath,
    [...NODE_FLAGS, ...args, String(ttlMs), room],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  if (child.stdout === null) throw new Error("stdout is not piped");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async (word: string): Promise<string> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the child ended before it said ${word}`);
      if (String(value).startsWith(word)) return String(value).slice(word.length + 1);
    }
  };
  return { child, said };
}

test("frozen longer than its lease: a new incarnation, and nothing published before it", async () => {
  const { child, said } = startChild("slept", 3000, "chat:slept");
  const incarnation = await said("held");
  const writes = await followLease("slept");
  child.kill("SIGSTOP");
  await writes((write) => write.value === ""); // it has expired
  child.kill("SIGCONT");
  expect(await said("renewing")).toBe(incarnation);
  const renewed = await said("held");
  expect(renewed).not.toBe(incarnation);
  const leaseMs = (await writes((write) => write.value.includes(renewed))).atMs;
  await said("stored");
  const messages = (await stored()).filter(({ subject }) => subject.endsWith("slept"));
  expect(messages).toHaveLength(1);
  expect(messages[0]?.atMs).toBeGreaterThanOrEqual(leaseMs);
}, 60_000);

/** Follows all writes of a lease; the function gives the first that satisfies `test`. */
async function followLease(id: string) {
  const bucket = await new Kvm(connection).open(LEASE_BUCKET);
  const changes = await bucket.watch({ key: leaseKey(id) });
  onTestFinished(() => changes.stop());
  const writes = changes[Symbol.asyncIterator]();
  return async (test: (write: { value: string; atMs: number }) => boolean) => {
    for (;;) {
      const { value: entry, done } = await writes.next();
      if (done) throw new Error("the watch ended");
      const write = { value: Buffer.from(entry.value).toString(), atMs: entry.created.getTime() };
      if (test(write)) return write;
    }
  };
}
