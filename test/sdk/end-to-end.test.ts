/** The SDK against the real all-in-one: what it promises when connections and servers die. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import {
  PublishPermission,
  RoomClass,
  RoomMode,
} from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { RoomClassServiceClient } from "../../proto/gen/tidegate/control/v1/room_class_service.ts";
import {
  type Client,
  type ConnectOptions,
  connect,
  json,
  type Position,
  type PublishResult,
  type Room,
  text,
} from "../../sdk/typescript/index.ts";
import { type Server, startServer } from "../start-server.ts";
import { CutProxy } from "./cut-proxy.ts";
import { wordOf } from "./scene.ts";

let server: Server;
beforeAll(async () => {
  server = await startServer();
  await createClass(server, "log", 100_000);
  await createClass(server, "club", 100, PublishPermission.MEMBERS);
});
afterAll(() => server?.close());

/** A durable class that reaches back further than the built-in one. */
async function createClass(
  { grpc }: Server,
  id: string,
  historyCountMax: number,
  publishPermission: PublishPermission = PublishPermission.CLIENTS,
): Promise<void> {
  const client = new RoomClassServiceClient(grpc, credentials.createInsecure());
  const roomClass: RoomClass = {
    ...RoomClass.decode(new Uint8Array(0)),
    mode: RoomMode.DURABLE,
    historyCountMax,
    publishPermission,
  };
  await new Promise<void>((resolve, reject) => {
    const request = {
      parent: "tenants/default",
      roomClassId: id,
      roomClass,
      requestId: "",
      validateOnly: false,
    };
    client.createRoomClass(request, (error) => (error === null ? resolve() : reject(error)));
  });
  client.close();
}

async function open(
  url = server.url,
  options: Partial<ConnectOptions<string>> = {},
): Promise<Client<string>> {
  const client = await connect(url, { ...options, codec: text });
  onTestFinished(() => client.close());
  return client;
}

/** Takes events until `count` messages have come; gaps count as events in between. */
async function collect(room: Room<string>, count: number): Promise<string[]> {
  const words: string[] = [];
  let left = count;
  for await (const event of room) {
    words.push(wordOf(event));
    if (event.type === "message") left -= 1;
    if (left === 0) break;
  }
  if (left > 0) throw new Error(`${room.name} ended ${left} messages early, after ${words.at(-1)}`);
  return words;
}

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

describe("two tabs", () => {
  test("each with its own key: nothing is swallowed, and each knows its own", async () => {
    const [left, right] = [await open(), await open()];
    const room = await left.join("chat:tabs");
    const collected = (async () => {
      const words: string[] = [];
      const own: string[] = [];
      for await (const event of room) {
        if (event.type !== "message") throw new Error(event.type);
        words.push(event.payload);
        if (event.isOwn) own.push(event.payload);
        if (words.length === 400) break;
      }
      return { words, own };
    })();
    await Promise.all([
      ...names("l", 200).map((word) => room.publish(word)),
      ...names("r", 200).map((word) => right.publish("chat:tabs", word)),
    ]);
    const { words, own } = await collected;
    expect(new Set(words).size).toBe(400);
    expect(words.filter((word) => word.startsWith("l"))).toEqual(names("l", 200));
    expect(words.filter((word) => word.startsWith("r"))).toEqual(names("r", 200));
    expect(own).toEqual(names("l", 200));
  });
});

describe("a page reload", () => {
  test("a new client resumes by the saved position: exactly what came after it", async () => {
    const writer = await open();
    const first = await open();
    const before = await first.join("chat:reload");
    for (const word of names("a", 10)) await writer.publish("chat:reload", word);
    expect(await collect(before, 6)).toEqual(names("a", 6));
    const saved: Position | null = before.position;
    await first.close();
    for (const word of names("b", 5)) await writer.publish("chat:reload", word);
    const second = await open();
    const after = await second.join("chat:reload", { after: saved ?? "" });
    expect(await collect(after, 9)).toEqual(["a6", "a7", "a8", "a9", ...names("b", 5)]);
  });

  test("a position of another history is told as a gap", async () => {
    const client = await open();
    await client.publish("chat:other", "x");
    const room = await client.join("chat:other", { after: "7.99.4102444800000000", history: 1 });
    expect(await collect(room, 1)).toEqual(["gap POSITION_UNKNOWN 0", "x"]);
  });
});

describe("two processes", () => {
  test("one publishes, killed without a word; the other has each acknowledged message", async () => {
    const room = await (await open()).join("chat:processes");
    const script = path.join(import.meta.dirname, "publish-process.ts");
    const flags = [...NODE_FLAGS, script, server.url, "chat:processes"];
    const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
    let acked: string[] = [];
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      said += part;
      acked = said.split("\n").slice(0, -1);
      if (acked.length >= 200) child.kill("SIGKILL");
    });
    await once(child, "close");
    const words = await collect(room, acked.length);
    expect(acked.length).toBeGreaterThanOrEqual(200);
    expect(words).toEqual(names("p", acked.length));
  });
});

describe("cuts in the middle of publishing", () => {
  test("every acknowledged publish is delivered exactly once and in order, over some 40 cuts", async () => {
    const proxy = await CutProxy.start(server.url);
    onTestFinished(() => proxy.stop());
    const [writer, reader] = [await open(proxy.url), await open(proxy.url)];
    const room = await reader.join("chat:cuts");
    const wanted = names("m", 800);
    const collected = collect(room, wanted.length);
    const acks: PublishResult[] = [];
    for (let n = 0; n < wanted.length; n += 20) {
      // Twenty publishes, their acks and their messages are more than this.
      if (!proxy.isArmed) proxy.cutAfter((n * 37) % 1500);
      const batch = wanted.slice(n, n + 20).map((word) => writer.publish("chat:cuts", word));
      acks.push(...(await Promise.all(batch)));
    }
    expect(await collected).toEqual(wanted);
    // A cut may fall between two connections, which counts as none.
    expect(proxy.cutCount).toBeGreaterThan(30);
    expect(new Set(acks.map((ack) => ack.position)).size).toBe(wanted.length);
    expect(acks.some((ack) => ack.isDuplicate)).toBe(true); // stored, and the answer was cut off
    const page = await writer.history("chat:cuts", { limit: 500 });
    expect(page.messages.map(wordOf)).toEqual(wanted.slice(-500));
  }, 60_000);
});

describe("a room that takes publishes from members only", () => {
  test("publishes over breaks wait for the room to be joined again, and none is refused", async () => {
    const client = await open();
    await expect(client.publish("club:a", "x")).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
    });
    const room = await client.join("club:a");
    const wanted = names("c", 60);
    const publishes = wanted.map(async (word, n) => {
      const ack = await room.publish(word);
      if (n % 10 === 0) client.dropConnection();
      return ack.isDuplicate;
    });
    await Promise.all(publishes);
    expect(await collect(room, wanted.length)).toEqual(wanted);
  });
});

describe("kill -9 of the server", () => {
  test("publishing and reading go on after a restart on the same port and data", async () => {
    let mortal = await startServer();
    onTestFinished(() => mortal.close());
    const [writer, reader] = [await open(mortal.url), await open(mortal.url)];
    const room = await reader.join("chat:killed");
    const wanted = names("k", 200);
    const collected = collect(room, wanted.length);
    const acked: string[] = [];
    const publish = async (word: string) => {
      await writer.publish("chat:killed", word);
      acked.push(word);
    };
    for (let round = 0; round < 2; round += 1) {
      const publishing = wanted.slice(round * 100, round * 100 + 100).map(publish);
      await Promise.race(publishing);
      await mortal.kill();
      const { dataDir, port, controlPort } = mortal;
      mortal = await startServer({ dataDir, port, controlPort });
      await Promise.all(publishing);
    }
    expect(acked).toHaveLength(wanted.length);
    expect(await collected).toEqual(wanted);
  }, 60_000);
});

describe("a slow consumer", () => {
  test("stalls while 20 000 messages arrive: a bounded queue, then exactly all of them", async () => {
    const [writer, reader] = [await open(), await open(server.url, { publishWindowMax: 1000 })];
    const room = await reader.join("log:slow");
    const other = await reader.join("chat:beside");
    const count = 20_000;
    const payload = "x".repeat(100);
    let queuedMax = 0;
    const words: string[] = [];
    let endStall = () => {};
    const stall = new Promise<void>((resolve) => {
      endStall = resolve;
    });
    const reading = (async () => {
      for await (const event of room) {
        words.push(event.type === "message" ? event.payload.slice(payload.length) : wordOf(event));
        if (words.length === 100) await stall;
        if (words.length === count) return;
      }
    })();
    for (let n = 0; n < count; n += 2000) {
      const batch = Array.from({ length: 2000 }, (_, at) =>
        writer.publish("log:slow", `${payload}${n + at}`),
      );
      await Promise.all(batch);
      queuedMax = Math.max(queuedMax, room.queuedCount);
      await writer.publish("chat:beside", "still here"); // a stalled room holds up no other
      expect(await collect(other, 1)).toEqual(["still here"]);
    }
    endStall();
    await reading;
    expect(words).toEqual(names("", count));
    expect(queuedMax).toBeGreaterThan(1000);
    expect(queuedMax).toBeLessThanOrEqual(2048);
  }, 60_000);
});

describe("codecs and history", () => {
  test("bytes, text, json and an own codec come back as they went", async () => {
    const client = await connect(server.url);
    onTestFinished(() => client.close());
    const date = {
      encode: (value: Date) => text.encode(value.toISOString()),
      decode: (bytes: Uint8Array) => new Date(text.decode(bytes)),
    };
    const bytes = Uint8Array.of(0, 255, 128);
    const rooms = [
      [await client.join("chat:bytes"), bytes],
      [await client.join("chat:text", { codec: text }), "πλάτων 🌊"],
      [await client.join("chat:json", { codec: json<object>() }), { a: [1, null, "é"] }],
      [await client.join("chat:date", { codec: date }), new Date(0)],
    ] as [Room<unknown>, unknown][];
    for (const [room, value] of rooms) {
      await room.publish(value);
      for await (const event of room) {
        expect(event).toMatchObject({ type: "message", payload: value, isOwn: true });
        break;
      }
    }
  });

  test("pages back to the beginning and forward to the end, without gap or double", async () => {
    const client = await open();
    const wanted = names("h", 130);
    await Promise.all(wanted.map((word) => client.publish("chat:pages", word)));
    let words: string[] = [];
    let before: Position | undefined;
    let pages = 0;
    for (let hasMore = true; hasMore; pages += 1) {
      const page = await client.history("chat:pages", { before, limit: 50 });
      words = [...page.messages.map(wordOf), ...words];
      before = page.messages[0]?.position ?? undefined;
      hasMore = page.hasMore;
    }
    expect(words).toEqual(wanted);
    expect(pages).toBe(3);
    let after = before ?? "";
    const forward: string[] = [];
    for (let hasMore = true; hasMore; ) {
      const page = await client.history("chat:pages", { after, limit: 40 });
      expect(page.isContinuous).toBe(true);
      forward.push(...page.messages.map(wordOf));
      after = page.messages.at(-1)?.position ?? after;
      hasMore = page.hasMore;
    }
    expect(forward).toEqual(wanted.slice(1));
    await expect(client.history("live:none")).rejects.toMatchObject({ code: "NOT_DURABLE" });
  });

  test("an ephemeral room: acknowledged or not, in the publisher's order", async () => {
    const [writer, reader] = [await open(), await open()];
    const room = await reader.join("live:fast");
    const collected = collect(room, 100);
    const answer = { position: null, isDuplicate: false, traceId: "" };
    expect(await writer.publish("live:fast", "e0")).toEqual(answer);
    for (const word of names("e", 100).slice(1)) {
      await writer.publish("live:fast", word, { ack: false });
    }
    expect(await collected).toEqual(names("e", 100));
    expect(room.policy.isDurable).toBe(false);
  });

  test("refusals carry the gateway's code", async () => {
    const client = await open();
    await expect(client.join("nosuch:a")).rejects.toMatchObject({ code: "ROOM_CLASS_UNKNOWN" });
    await expect(client.join("chat:")).rejects.toMatchObject({ code: "ROOM_NAME_INVALID" });
    await expect(client.publish("nosuch:a", "x")).rejects.toMatchObject({
      code: "ROOM_CLASS_UNKNOWN",
      fix: expect.stringContaining("tidegatectl"),
    });
  });
});
