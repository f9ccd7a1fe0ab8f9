/**
 * MessagingService over real gRPC on the embedded bus.
 */
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeEnvelope } from "../../bus/envelope.ts";
import { roomAddress } from "../../bus/subjects.ts";
import { Envelope } from "../../proto/gen/tidegate/client/v1/message.ts";
import type {
  ListHistoryRequest,
  MessagingServiceClient,
  PublishRequest,
} from "../../proto/gen/tidegate/control/v1/messaging_service.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { call, openControlPlane, refusal, roomClass } from "./start-control-plane.ts";

let plane: Awaited<ReturnType<typeof openControlPlane>>;
let client: MessagingServiceClient;
let roomCount = 0;

beforeAll(async () => {
  plane = await openControlPlane();
  client = plane.messaging;
});
afterAll(() => plane.close());

/** Each test has a room of its own. */
function newRoom(roomClassName = "chat"): string {
  roomCount += 1;
  return `${roomClassName}:room ${roomCount}`;
}

function publish(room: string, text: string, more: Partial<PublishRequest> = {}) {
  const payload = Buffer.from(text);
  const request = { parent: "tenants/default", room, payload, user: "", requestId: "", ...more };
  return call(client, client.publish, request);
}

function list(room: string, more: Partial<ListHistoryRequest> = {}) {
  const request = { parent: "tenants/default", room, pageSize: 0, pageToken: "", ...more };
  return call(client, client.listHistory, request);
}

async function texts(room: string, more: Partial<ListHistoryRequest> = {}): Promise<string[]> {
  const { messages } = await list(room, more);
  return messages.map(({ payload }) => payload.toString());
}

describe("Publish", () => {
  test("Publish: stores in a durable room, in order, and tells the positions", async () => {
    const room = newRoom();
    const first = await publish(room, "one", { user: "sensor-7" });
    const second = await publish(room, "two");
    expect(first.duplicate).toBe(false);
    const { messages, nextPageToken } = await list(room);
    expect(messages.map(({ position }) => position)).toEqual([first.position, second.position]);
    expect(messages.map(({ user }) => user)).toEqual(["sensor-7", "backend"]);
    expect(messages.map(({ payload }) => payload.toString())).toEqual(["one", "two"]);
    expect(Math.abs((messages[0]?.time?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(nextPageToken).toBe("");
  });

  test("Publish: the same request_id is stored once, also at once; others are not mixed", async () => {
    const room = newRoom();
    const acks = await Promise.all(
      Array.from({ length: 10 }, () => publish(room, "once", { requestId: "r-1" })),
    );
    expect(new Set(acks.map(({ position }) => position)).size).toBe(1);
    expect(acks.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    await publish(room, "twice", { requestId: "r-2" });
    await publish(room, "a", { requestId: "" });
    await publish(room, "a", { requestId: "" });
    expect(await texts(room)).toEqual(["once", "twice", "a", "a"]);
    const other = await publish(newRoom(), "elsewhere", { requestId: "r-1" });
    expect(other.duplicate).toBe(false);
  });

  test("Publish: writes first_sent_us first, and the producer that names it", async () => {
    const room = newRoom();
    await publish(room, "x", { requestId: "r", user: "u" });
    const read = await plane.bus.readBefore(roomAddress("default", room), null, 10);
    const envelope = Envelope.decode(read.messages[0]?.envelope ?? new Uint8Array(0));
    expect(read.messages[0]?.envelope[0]).toBe(0x09);
    expect(envelope).toMatchObject({ user: "u", producerSeq: 1n });
    expect(envelope.producer).toHaveLength(16);
    expect(Math.abs(Number(envelope.firstSentUs) / 1000 - Date.now())).toBeLessThan(60_000);
  });

  test("Publish: an ephemeral room passes it to listeners and stores nothing", async () => {
    const room = newRoom("live");
    const heard: string[] = [];
    const stop = plane.bus.subscribeRoom(roomAddress("default", room), {
      onEphemeral: (_, bytes) => heard.push(Envelope.decode(bytes).payload.toString()),
      onDurable: () => heard.push("durable"),
      onLoss: () => heard.push("loss"),
      onHistoryChanged: () => {},
    });
    const ack = await publish(room, "now");
    stop();
    expect(ack).toEqual({ position: "", duplicate: false });
    expect(heard).toEqual(["now"]);
    const refused = await refusal(list(room));
    expect(refused).toMatchObject({ grpc: status.FAILED_PRECONDITION, code: "NOT_DURABLE" });
  });

  test("Publish: takes 0 and 61440 bytes, refuses 61441", async () => {
    const room = newRoom();
    await publish(room, "");
    await publish(room, "x".repeat(61_440));
    const refused = await refusal(publish(room, "x".repeat(61_441)));
    expect(refused).toMatchObject({
      grpc: status.INVALID_ARGUMENT,
      code: "PAYLOAD_TOO_LARGE",
      fields: ["payload"],
    });
    expect((await texts(room)).map((text) => text.length)).toEqual([0, 61_440]);
  });

  test.each([
    [{ parent: "tenants/" }, "REQUEST_INVALID", "parent"],
    [{ parent: "default" }, "REQUEST_INVALID", "parent"],
    [{ room: "" }, "ROOM_NAME_INVALID", "room"],
    [{ room: "chat:" }, "ROOM_NAME_INVALID", "room"],
    [{ room: "chat:a\u0000b" }, "ROOM_NAME_INVALID", "room"],
    [{ room: `chat:${"x".repeat(196)}` }, "ROOM_NAME_INVALID", "room"],
    [{ user: "x".repeat(129) }, "REQUEST_INVALID", "user"],
    [{ user: "a\nb" }, "REQUEST_INVALID", "user"],
    [{ requestId: "x".repeat(65) }, "REQUEST_INVALID", "request_id"],
  ])("Publish: refuses %j with %s at %s, and stores nothing", async (bad, code, field) => {
    const room = newRoom();
    const refused = await refusal(publish(room, "x", bad));
    expect(refused).toMatchObject({ grpc: status.INVALID_ARGUMENT, code, fields: [field] });
    expect(await texts(room)).toEqual([]);
  });

  test("Publish: an unknown class is ROOM_CLASS_UNKNOWN, until it is made", async () => {
    const room = newRoom("fresh");
    const refused = await refusal(publish(room, "x"));
    expect(refused).toMatchObject({ grpc: status.NOT_FOUND, code: "ROOM_CLASS_UNKNOWN" });
    await makeClass("fresh", {});
    await publish(room, "x");
    expect(await texts(room)).toEqual(["x"]);
  });

  test("Publish: tenants do not see each other", async () => {
    const room = newRoom();
    await publish(room, "mine");
    await publish(room, "yours", { parent: "tenants/other" });
    expect(await texts(room)).toEqual(["mine"]);
    expect(await texts(room, { parent: "tenants/other" })).toEqual(["yours"]);
  });
});

describe("ListHistory", () => {
  test("ListHistory: pages go from newest to oldest, whole and without doubles", async () => {
    const room = newRoom();
    const sent = Array.from({ length: 25 }, (_, at) => `m${at}`);
    for (const text of sent) await publish(room, text);
    const pages: string[][] = [];
    let pageToken = "";
    do {
      const page = await list(room, { pageSize: 10, pageToken });
      pages.push(page.messages.map(({ payload }) => payload.toString()));
      pageToken = page.nextPageToken;
      await publish(room, "later"); // does not shift the pages
    } while (pageToken !== "");
    expect(pages).toEqual([sent.slice(15), sent.slice(5, 15), sent.slice(0, 5)]);
  });

  test("ListHistory: a page that ends with the oldest has no next one", async () => {
    const room = newRoom();
    for (const text of ["a", "b", "c"]) await publish(room, text);
    expect((await list(room, { pageSize: 3 })).nextPageToken).toBe("");
    expect((await list(newRoom())).messages).toEqual([]);
  });

  test("ListHistory: reaches as far as the class's count, which may change live", async () => {
    await makeClass("short", { historyCountMax: 3 });
    const room = newRoom("short");
    for (let at = 0; at < 8; at += 1) await publish(room, `m${at}`);
    expect(await texts(room)).toEqual(["m5", "m6", "m7"]);
    const page = await list(room, { pageSize: 2 });
    expect(page.messages.map(({ payload }) => payload.toString())).toEqual(["m6", "m7"]);
    expect(await texts(room, { pageToken: page.nextPageToken })).toEqual(["m5"]);
    await changeClass("short", { historyCountMax: 5 });
    expect(await texts(room)).toEqual(["m3", "m4", "m5", "m6", "m7"]);
  });

  test("ListHistory: skips void messages, and still fills the page", async () => {
    const room = newRoom();
    const address = roomAddress("default", room);
    await publish(room, "a");
    const nowUs = Date.now() * 1000;
    // Stored 60 s after its first try, and 10 s after: the limit is 25 s.
    for (const [text, agoUs] of [
      ["void", 60_000_000],
      ["late", 10_000_000],
    ] as const) {
      const firstSentUs = nowUs - agoUs;
      const fields = { firstSentUs, user: "", producer: "0123456789abcdef", producerSeq: agoUs };
      const envelope = encodeEnvelope(fields, Buffer.from(text));
      await new Promise<void>((resolve) => {
        const id = { producer: fields.producer, seq: agoUs };
        plane.bus.append(address, id, nowUs, envelope, () => resolve());
      });
    }
    await publish(room, "b");
    const stored = await plane.bus.readBefore(address, null, 10);
    expect(stored.messages).toHaveLength(4);
    expect(await texts(room, { pageSize: 3 })).toEqual(["a", "late", "b"]);
    expect((await list(room, { pageSize: 3 })).nextPageToken).toBe("");
  });

  test("ListHistory: a page stays below what gRPC clients take, and the rest follows", async () => {
    const room = newRoom();
    const big = "x".repeat(61_000);
    await Promise.all(Array.from({ length: 60 }, () => publish(room, big)));
    let count = 0;
    let pageCount = 0;
    let pageToken = "";
    do {
      const page = await list(room, { pageSize: 500, pageToken });
      count += page.messages.length;
      pageCount += 1;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(count).toBe(60);
    expect(pageCount).toBe(2);
  });

  test("ListHistory: refuses tokens of another room, and those that are none", async () => {
    const room = newRoom();
    for (const text of ["a", "b"]) await publish(room, text);
    const { nextPageToken } = await list(room, { pageSize: 1 });
    expect(nextPageToken).not.toBe("");
    for (const bad of [
      list(newRoom(), { pageToken: nextPageToken }),
      list(room, { pageToken: "x" }),
    ]) {
      const refused = await refusal(bad);
      expect(refused).toMatchObject({ grpc: status.INVALID_ARGUMENT, fields: ["page_token"] });
    }
  });
});

async function makeClass(id: string, fields: { historyCountMax?: number }): Promise<void> {
  await call(plane.classes, plane.classes.createRoomClass, {
    parent: "tenants/default",
    roomClassId: id,
    roomClass: roomClass({ mode: RoomMode.DURABLE, ...fields }),
    validateOnly: false,
    requestId: "",
  });
}

async function changeClass(id: string, fields: { historyCountMax: number }): Promise<void> {
  const name = `tenants/default/roomClasses/${id}`;
  await call(plane.classes, plane.classes.updateRoomClass, {
    roomClass: roomClass({ name, ...fields }),
    updateMask: undefined,
    allowMissing: false,
    validateOnly: false,
    requestId: "",
  });
}
