/**
 * A NATS that takes nothing while clients publish as fast as they can: the gateway's memory stays
 * flat, publishes are refused with advice to try again, and after the thaw what was acknowledged is
 * stored once and in order.
 */
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import type { History } from "../../proto/gen/tidegate/client/v1/history.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats } from "./start-nats.ts";

const clientCount = 8;
const payloadBytes = 48 * 1024;
/** Bytes that clients send into the freeze: ten times what may wait. */
const floodBytes = 512 * 1024 ** 2;
/** What a gateway may grow by: what may wait in lanes, window and sockets, and garbage of it. */
const growthBytesMax = 300 * 1024 ** 2;

async function rssOf(server: Server): Promise<number> {
  const response = await fetch(`${server.http}/health`);
  const health = (await response.json()) as { memory: { rss_bytes: number } };
  return health.memory.rss_bytes;
}

interface Flood {
  readonly client: RawClient;
  readonly room: string;
  /** By request id: the producer seq published. */
  readonly sent: Map<number, number>;
  seq: number;
}

/** Publishes `count` messages, then waits until the gateway has read them. */
async function publishMany(flood: Flood, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    flood.seq += 1;
    const payload = Buffer.alloc(payloadBytes, 97);
    payload.write(`${flood.seq} `, 0);
    const requestId = flood.client.publish({ room: flood.room, seq: flood.seq, payload });
    flood.sent.set(requestId, flood.seq);
  }
  await flood.client.settle();
}

function answersOf({ client, sent }: Flood) {
  const acked: number[] = [];
  const refused = new Map<number, string>();
  for (const { $case, value } of client.frames) {
    if ($case === "publishAck") acked.push(sent.get(value.requestId) ?? -1);
    if ($case === "error") refused.set(sent.get(value.requestId) ?? -1, value.code);
  }
  return { acked, refused };
}

test("a frozen NATS: memory stays flat, refusals say to try again, nothing doubled or lost", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const [node] = nats.nodes;
  if (node === undefined) throw new Error("one node was started");
  const server = await startServer({
    env: { NATS_URL: nats.urls.join(","), DEDUPE_WINDOW_MS: "6000" }, // budgets of 4 s
  });
  onTestFinished(() => server.close());
  const floods: Flood[] = [];
  for (let i = 0; i < clientCount; i += 1) {
    const client = await RawClient.open(server.port);
    onTestFinished(() => client.socket.terminate());
    const room = `chat:flood-${i}-${randomBytes(4).toString("hex")}`;
    floods.push({ client, room, sent: new Map(), seq: 0 });
  }
  for (const flood of floods) await publishMany(flood, 20); // what a warm gateway takes
  for (const { client, sent } of floods) {
    await client.nextCount(sent.size, () => client.frames.filter(isAnswer).length >= sent.size);
  }
  const before = await rssOf(server);

  await node.signal("SIGSTOP");
  let highest = 0;
  const rounds = Math.ceil(floodBytes / (clientCount * 50 * payloadBytes));
  for (let round = 0; round < rounds; round += 1) {
    for (const flood of floods) await publishMany(flood, 50);
    highest = Math.max(highest, await rssOf(server));
  }
  await node.signal("SIGCONT");

  for (const { client, sent } of floods) {
    await client.nextCount(sent.size, () => client.frames.filter(isAnswer).length >= sent.size);
  }
  expect(highest - before).toBeLessThan(growthBytesMax);
  const refusals = floods.flatMap((flood) => [...answersOf(flood).refused.values()]);
  expect(refusals.length).toBeGreaterThan(1000);
  expect(new Set(refusals.filter((code) => code !== "OUTCOME_UNKNOWN"))).toEqual(
    new Set(["UNAVAILABLE"]),
  );
  for (const flood of floods) await checkStored(flood);
}, 180_000);

function isAnswer({ $case }: { readonly $case: string }): boolean {
  return $case === "publishAck" || $case === "error";
}

/** One page of history; asked for again while the store is not back yet. */
async function readPage(client: RawClient, room: string, cursor: History["cursor"]) {
  for (;;) {
    const requestId = client.nextId();
    const target = { $case: "room" as const, value: room };
    client.send({ $case: "history", value: { requestId, target, cursor, limit: 10 } });
    const page = client.next("historyPage", (each) => each.requestId === requestId);
    const answer = await Promise.race([page, client.error(requestId)]);
    if ("messages" in answer) return answer;
    expect(answer).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  }
}

/** Everything acknowledged is stored once, in the producer's order; refused ones are not. */
async function checkStored(flood: Flood): Promise<void> {
  const { client, room } = flood;
  const { acked, refused } = answersOf(flood);
  const stored: number[] = [];
  let hasMore = true;
  let before: { epoch: number; seq: bigint; timeUs: bigint } | undefined;
  while (hasMore) {
    const cursor = before === undefined ? undefined : { $case: "before" as const, value: before };
    const page = await readPage(client, room, cursor);
    const seqs = page.messages.map(({ envelope }) => Number.parseInt(`${envelope?.payload}`, 10));
    stored.unshift(...seqs);
    before = page.messages[0]?.position;
    hasMore = page.hasMore;
  }
  expect(stored).toEqual([...new Set(stored)]);
  expect(stored.filter((seq) => acked.includes(seq))).toEqual(acked.toSorted((a, b) => a - b));
  expect(stored.filter((seq) => refused.get(seq) === "UNAVAILABLE")).toEqual([]);
}
