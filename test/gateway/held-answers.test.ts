/**
 * Answers that are held back for a full socket keep their place: what follows them in a room never
 * comes before them.
 *
 * It showed as a Message of an unknown alias before the Joined that names it: a socket that has
 * drained below its limit, but not to half of it, took messages while Joined was still held.
 */
import { expect, test } from "vitest";
import type { RawClient } from "./raw-client.ts";
import { type TestGateway, testGateway } from "./start-gateway.ts";

const mebibyte = 1024 * 1024;
const limit = 16 * mebibyte;
/** Bytes of a page: 16 messages of 30 kB. */
const pageBytes = 16 * 30_000;

/** Asks for pages until the client's socket is full and answers are held back. */
async function fillSocket(client: RawClient, asker: RawClient): Promise<void> {
  const target = { $case: "room" as const, value: "chat:pages" };
  client.socket.pause();
  // Kernel buffers take some MiB more, and the last page is held: it must fit the limit again.
  for (let bytes = 0; bytes < limit + 10 * mebibyte; bytes += pageBytes) {
    const requestId = client.nextId();
    const value = { requestId, target, cursor: undefined, limit: 16 };
    client.send({ $case: "history", value });
    await asker.settle();
    await asker.settle();
  }
}

async function prepare(): Promise<{ gateway: TestGateway; member: RawClient; other: RawClient }> {
  const gateway = await testGateway({ options: { backpressureBytesMax: limit } });
  const [member, other] = [await gateway.client(), await gateway.client()];
  for (let seq = 1; seq <= 16; seq += 1) {
    const payload = "x".repeat(30_000);
    await other.ack(other.publish({ room: "chat:pages", seq, payload }));
  }
  await other.ack(other.publish({ room: "chat:held", seq: 1, payload: "m1" }));
  return { gateway, member, other };
}

/** Lets the client read about `bytes`, in pages. */
async function readSome(client: RawClient, bytes: number): Promise<void> {
  const wanted = client.frames.length + Math.ceil(bytes / pageBytes);
  client.socket.resume();
  await client.nextCount(wanted, () => true);
  client.socket.pause();
}

test.each([
  { room: "live:held", history: 0 },
  { room: "chat:held", history: 0 },
  { room: "chat:held", history: 1 },
])("join of $room with history $history while answers are held: Joined first", async (given) => {
  const { gateway, member, other } = await prepare();
  await fillSocket(member, other);
  const requestId = member.sendJoin([{ ...given, after: undefined }]);
  for (let i = 0; i < 20; i += 1) await other.settle();
  for (let seq = 2; seq <= 9; seq += 1) {
    await readSome(member, 2 * mebibyte);
    await other.ack(other.publish({ room: given.room, seq, payload: `m${seq}` }));
  }
  member.socket.resume();
  const joined = await member.next("joined", (each) => each.requestId === requestId);
  await other.ack(other.publish({ room: given.room, seq: 10, payload: "m10" }));
  const isLast = (text: string | undefined) => text === "m10";
  await member.next("message", (each) => isLast(each.envelope?.payload.toString()));
  const kinds = member.frames.flatMap((frame) =>
    frame.$case === "joined" || (frame.$case === "message" && frame.value.roomAlias > 0)
      ? [frame.$case]
      : [],
  );
  expect(kinds[0]).toBe("joined");
  expect(joined.roomAlias).toBeGreaterThan(0);
  if (given.room.startsWith("chat:")) {
    const messages = member.messages(joined.roomAlias);
    const texts = messages.map((message) => message.envelope?.payload.toString());
    const first = 10 - texts.length + 1;
    expect(texts).toEqual(Array.from({ length: texts.length }, (_, i) => `m${first + i}`));
    if (given.history === 0) expect(messages[0]?.prevSeq).toBe(joined.head?.seq);
  }
  expect(gateway.logged).toEqual([]);
});

/** A member of a busy live room that stops reading until its socket is full. */
async function stall(gateway: TestGateway): Promise<{ member: RawClient; other: RawClient }> {
  const [member, other] = [await gateway.client(), await gateway.client()];
  for (let seq = 1; seq <= 10; seq += 1) {
    const payload = "x".repeat(30_000);
    await other.ack(other.publish({ room: "chat:pages", seq, payload }));
  }
  await member.join("live:flood");
  member.socket.pause();
  for (let i = 0; gateway.gateway.stats().laggedCount === 0; i += 1) {
    await other.ack(other.publish({ room: "live:flood", payload: "x".repeat(30_000) }));
    if (i > 5000) throw new Error("the stalled socket never dropped out");
  }
  return { member, other };
}

test("history asked for while the socket is full: one page larger than the limit comes", async () => {
  const gateway = await testGateway();
  const { member, other } = await stall(gateway);
  const requestId = member.nextId();
  const target = { $case: "room" as const, value: "chat:pages" };
  member.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 10 } });
  for (let i = 0; i < 20; i += 1) await other.settle();
  member.socket.resume();
  // It was closed as a slow consumer, and would have been each time it came back and asked again.
  const page = await member.next("historyPage", (each) => each.requestId === requestId);
  expect(page.messages.length).toBe(10);
  await member.settle();
  expect(gateway.logged).toEqual([]);
});

test("a frame that does not decode on a full socket: 4501 once it has drained, nothing handled after", async () => {
  const gateway = await testGateway();
  const { member, other } = await stall(gateway);
  member.socket.send(Buffer.from([0x80]));
  for (let i = 0; i < 50; i += 1) member.publish({ room: "live:late", payload: "late" });
  const { roomAlias: alias } = await other.join("live:late");
  for (let i = 0; i < 20; i += 1) await other.settle();
  member.socket.resume();
  expect(await member.closed).toEqual({ code: 4501, reason: "FRAME_INVALID" });
  await other.settle();
  expect(other.messages(alias)).toEqual([]);
  expect(gateway.gateway.stats()).toMatchObject({ connectionCount: 1, memberCount: 1 });
  expect(gateway.logged).toEqual([]);
});
