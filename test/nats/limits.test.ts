/**
 * A shard that can take no more: publishes are refused, to be tried again, and counted; members
 * stay, history is read, markers still fit; and it goes on when there is room again.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import type { CodedError } from "../../proto/coded-error.ts";
import { newProducer, newRoom, nowUs } from "../bus/contract-tools.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats, type TestNats, testNatsServer } from "./start-nats.ts";

const mebibyte = 1024 ** 2;
const shardBytesMax = 16 * mebibyte;
const small = { shardCount: 1, shardBytesMax };

async function startOne(lines = "max_payload: 2MB\n"): Promise<TestNats> {
  const nats = await startTestNats(1, lines);
  onTestFinished(() => nats.stop());
  return nats;
}

async function openBus(nats: TestNats, name: string, more = {}) {
  const bus = await openNatsBus({ servers: nats.urls, name, ...small, ...more });
  onTestFinished(() => bus.close());
  return bus;
}
type Bus = Awaited<ReturnType<typeof openBus>>;

/** Appends until one is refused; returns how many were stored, and the refusal. */
async function fill(bus: Bus, byteCount: number): Promise<{ count: number; error: CodedError }> {
  const room = newRoom();
  const producer = newProducer();
  for (let seq = 1; ; seq += 1) {
    const error = await new Promise<CodedError | null>((resolve) => {
      bus.append(room, { producer, seq }, nowUs(), Buffer.alloc(byteCount, seq), resolve);
    });
    if (error !== null) return { count: seq - 1, error };
  }
}

/**
 * Publishes until an answer is of this kind: the next message after an ack, the same after an
 * error.
 *
 * @returns how many are stored.
 */
async function publishUntil(
  member: RawClient,
  firstSeq: number,
  payload: string,
  last: "publishAck" | "error",
): Promise<number> {
  for (let seq = firstSeq; ; ) {
    const requestId = member.publish({ room: "chat:full", seq, payload });
    const count = member.frames.length + 1;
    await member.nextCount(count, (frame) => isAnswerTo(frame, requestId));
    const answer = member.frames.find((frame) => isAnswerTo(frame, requestId));
    if (answer?.$case === "publishAck") seq += 1;
    if (answer?.$case === last) return seq - 1;
  }
}

function isAnswerTo({ $case, value }: RawClient["frames"][number], requestId: number): boolean {
  return ($case === "publishAck" || $case === "error") && value.requestId === requestId;
}

async function troublesOf(server: Server): Promise<Record<string, number>> {
  const health = await (await fetch(`${server.http}/health`)).json();
  return (health as { bus: { troubles: Record<string, number> } }).bus.troubles;
}

test("a shard at 95 %: STORE_FULL, members stay, a marker fits, more bytes help at once", async () => {
  const nats = await startOne();
  const bus = await openBus(nats, "filler");
  const server = await startServer({ env: { NATS_URL: nats.urls.join(",") } });
  onTestFinished(() => server.close());
  const member = await RawClient.open(server.port);
  onTestFinished(() => member.socket.terminate());
  const { roomAlias } = await member.join("chat:full");

  const { count, error } = await fill(bus, 100_000);
  expect(error.code).toBe("STORE_FULL");
  expect(error.info.retry).toBe("same");
  expect(count * 100_000).toBeGreaterThan(shardBytesMax * 0.9);
  expect(count * 100_000).toBeLessThan(shardBytesMax);
  // Another gateway, which has not filled it, looks soon.
  const before = await publishUntil(member, 1, "before", "error");
  const { value } = member.frames.find(({ $case }) => $case === "error") ?? {};
  expect(value).toMatchObject({ code: "STORE_FULL", retryable: true, retryAfterMs: 1000 });
  expect((await troublesOf(server)).shard_full).toBeGreaterThan(0);
  // Markers have the rest: a slot can still be moved, and its room read.
  await bus.advanceEpoch(7, 0);
  expect(await member.texts(roomAlias, before)).toHaveLength(before);
  const requestId = member.nextId();
  const target = { $case: "roomAlias" as const, value: roomAlias };
  member.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 10 } });
  expect((await member.next("historyPage")).messages).toHaveLength(Math.min(10, before));

  const shardSettings = JSON.stringify({ revision: 2, default: { shardBytesMax: 64 * mebibyte } });
  await openBus(nats, "operator", { shardSettings });
  await publishUntil(member, before + 1, "after", "publishAck");
  expect((await member.texts(roomAlias, before + 1)).at(-1)).toBe("after");
}, 120_000);

test("an account at its limit: STORE_FULL, counted, and it goes on when there is room", async () => {
  const limits = "jetstream: { max_mem: 8MB, max_file: 32MB }";
  const users = "users: [{ user: a, password: b }]";
  const nats = await startOne(`accounts { A { ${limits}, ${users} } }\n`);
  const bus = await openBus(nats, "limited", { user: "a", password: "b" });
  const connection = await connect({ servers: nats.urls, user: "a", pass: "b" });
  onTestFinished(() => connection.close());
  const call = async (subject: string, body: object) => {
    const answer = await connection.request(subject, JSON.stringify(body), { timeout: 5000 });
    expect(answer.json()).not.toHaveProperty("error");
  };
  const other = { name: "OTHER", subjects: ["other"], storage: "file" };
  await call("$JS.API.STREAM.CREATE.OTHER", other);
  for (let i = 0; i < 24; i += 1) await connection.request("other", Buffer.alloc(900_000));
  const { count, error } = await fill(bus, 100_000);
  expect(error.code).toBe("STORE_FULL");
  expect(count).toBeGreaterThan(0);
  expect(bus.status().troubles).toMatchObject({ store_refused: 1 });
  await call("$JS.API.STREAM.DELETE.OTHER", {});
  await untilStored(bus);
}, 120_000);

test("a disk that takes nothing: UNAVAILABLE at once after the first, and again after a restart", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-disk-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // Files of the store can not grow beyond 2 MiB: the server's writes fail as on a full disk.
  const limited = path.join(folder, "limited");
  const lift = path.join(folder, "lift");
  const limit = `[ -e ${lift} ] || ulimit -f 4096`;
  writeFileSync(limited, `#!/bin/sh\n${limit}\nexec ${testNatsServer()} "$@"\n`, { mode: 0o755 });
  const nats = await startTestNats(1, "max_payload: 2MB\n", limited);
  onTestFinished(() => nats.stop());
  const bus = await openBus(nats, "disk");
  const { count, error } = await fill(bus, 100_000);
  expect(count).toBeGreaterThan(5);
  expect(error.code).toBe("UNCONFIRMED");
  let refusal = error;
  while (refusal.code === "UNCONFIRMED") refusal = (await fill(bus, 100)).error;
  expect(refusal.code).toBe("UNAVAILABLE");
  expect(refusal.detail).toContain("stores nothing: is its disk full?");
  expect(bus.status().troubles?.store_refused).toBeGreaterThan(0);
  writeFileSync(lift, "");
  for (const node of nats.nodes) {
    await node.stop();
    await node.start();
  }
  await untilStored(bus);
}, 120_000);

/** Publishes until one is stored. */
async function untilStored(bus: Bus): Promise<void> {
  const room = newRoom();
  const producer = newProducer();
  for (let isStored = false; !isStored; ) {
    isStored = await new Promise<boolean>((resolve) => {
      const done = (_: unknown, ack: unknown) => setImmediate(resolve, ack !== null);
      bus.append(room, { producer, seq: 1 }, nowUs(), Buffer.from("again"), done);
    });
  }
}
