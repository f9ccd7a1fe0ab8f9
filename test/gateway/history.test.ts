/**
 * History pages within the reach of a class: what is beyond it is neither shown nor promised.
 */
import { expect, test } from "vitest";
import type { History } from "../../proto/gen/tidegate/client/v1/history.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";
import type { RawClient } from "./raw-client.ts";
import { testGateway } from "./start-gateway.ts";

const base = defaultRoomClass("tenants/default/roomClasses/short", RoomMode.DURABLE);

async function publishNumbered(client: RawClient, room: string, count: number) {
  const ids = Array.from({ length: count }, (_, i) =>
    client.publish({ room, seq: i + 1, payload: `m${i + 1}` }),
  );
  return Promise.all(ids.map((id) => client.ack(id)));
}

async function ask(client: RawClient, cursor: History["cursor"], limit: number) {
  const requestId = client.nextId();
  const target = { $case: "room" as const, value: "short:r" };
  client.send({ $case: "history", value: { requestId, target, cursor, limit } });
  const page = await client.next("historyPage", (each) => each.requestId === requestId);
  const texts = page.messages.map((message) => message.envelope?.payload.toString() ?? "");
  return { texts, hasMore: page.hasMore, recovered: page.recovered, messages: page.messages };
}

function texts(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `m${from + i}`);
}

test("has_more: false at the last message within the class's count, though more are stored", async () => {
  const gateway = await testGateway();
  await gateway.putClass("short", { ...base, historyCountMax: 10 });
  const client = await gateway.client();
  await publishNumbered(client, "short:r", 30);
  const all = await ask(client, undefined, 10);
  expect([all.hasMore, all.texts]).toEqual([false, texts(21, 30)]);
  const newest = await ask(client, undefined, 9);
  expect([newest.hasMore, newest.texts]).toEqual([true, texts(22, 30)]);
  const [first] = newest.messages;
  const older = await ask(client, first?.position && { $case: "before", value: first.position }, 9);
  expect([older.hasMore, older.texts]).toEqual([false, texts(21, 21)]);
});

// It answered with an empty page that had more, so that a client could neither go on nor stop.
test.each([
  ["of the future", { epoch: 1, seq: 9_999_999n, timeUs: 5n }],
  ["of another epoch", { epoch: 9, seq: 1n, timeUs: 5n }],
  ["older than the class keeps", null],
])(
  "history after a position %s: the oldest within reach, recovered false",
  async (_name, given) => {
    const gateway = await testGateway();
    await gateway.putClass("short", { ...base, historyCountMax: 10 });
    const client = await gateway.client();
    const acks = await publishNumbered(client, "short:r", 300);
    const value = given ?? acks[4]?.position;
    const page = await ask(client, value && { $case: "after", value }, 4);
    expect([page.recovered, page.hasMore, page.texts]).toEqual([false, true, texts(291, 294)]);
    const last = page.messages.at(-1)?.position;
    const next = await ask(client, last && { $case: "after", value: last }, 10);
    expect([next.recovered, next.hasMore, next.texts]).toEqual([true, false, texts(295, 300)]);
  },
);

test("history after a position in a class that keeps all that is stored: from the first", async () => {
  const gateway = await testGateway();
  await gateway.putClass("short", { ...base, historyCountMax: 100_000 });
  const client = await gateway.client();
  await publishNumbered(client, "short:r", 20);
  const page = await ask(client, { $case: "after", value: { epoch: 1, seq: 0n, timeUs: 0n } }, 500);
  expect([page.recovered, page.hasMore, page.texts]).toEqual([false, false, texts(1, 20)]);
});

test("age: what is older than the class keeps is out of reach, for pages and positions", async () => {
  let shiftUs = 0;
  const clock = { nowUs: () => Date.now() * 1000 + shiftUs };
  const gateway = await testGateway({ parts: { clock } });
  await gateway.putClass("short", { ...base, historyAgeMaxS: 3600 });
  const client = await gateway.client();
  const acks = await publishNumbered(client, "short:r", 20);
  const position = acks[4]?.position;
  const after = position && { $case: "after" as const, value: position };
  const fresh = await ask(client, after, 50);
  expect([fresh.recovered, fresh.texts]).toEqual([true, texts(6, 20)]);
  shiftUs = 3_601_000_000;
  const late = await ask(client, after, 50);
  expect([late.recovered, late.hasMore, late.texts]).toEqual([false, false, []]);
  const newest = await ask(client, undefined, 50);
  expect([newest.hasMore, newest.texts]).toEqual([false, []]);
});
