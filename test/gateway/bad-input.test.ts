/**
 * Hostile frames over real sockets: each is answered by an error or a close of the table, and a
 * bystander in another room sees nothing of it. Names and numbers: bad-names.test.ts,
 * bad-numbers.test.ts.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { authenticateNone } from "../../gateway/auth/authenticate.ts";
import type { Identity } from "../../gateway/identity.ts";
import { ERRORS } from "../../proto/gen/errors.ts";
import { encode, type Hostile, honestFrames, openHostile, wrap, write } from "./hostile.ts";
import { RawClient } from "./raw-client.ts";
import { testGateway } from "./start-gateway.ts";

let gateway: Hostile;
beforeAll(async () => {
  gateway = await openHostile();
});
afterAll(() => gateway.close());

const frameBytesMax = 64 * 1024;
const [hello, join, leave, publish, history, ping] = honestFrames();
const invalid = { closeCode: ERRORS.FRAME_INVALID.close, errors: ["FRAME_INVALID"] };
const lives = { closeCode: 0, errors: [] as string[] };

async function expectUnaffected(): Promise<void> {
  expect(await gateway.unexpected()).toEqual([]);
  expect(gateway.logged).toEqual([]);
}

describe("frames that do not decode", () => {
  test.each([
    ["a length beyond the frame", Buffer.from([0x22, 0x7f, 0x08, 0x01])],
    ["a tag that is cut", Buffer.from([0x80])],
    ["a group that does not end", wrap(4, Buffer.from([0x7b, 0x08, 0x01]))],
    ["wire type 6", wrap(4, Buffer.from([0x0e, 0x00]))],
    ["wire type 7", wrap(4, Buffer.from([0x0f, 0x00]))],
    ["a varint of 11 bytes", wrap(4, Buffer.from([0x08, ...Array(10).fill(0xff), 0x01]))],
    ["20 000 nested groups", Buffer.alloc(20_000, 0x7b)],
    ["20 000 nested groups in a Publish", wrap(4, Buffer.alloc(20_000, 0x7b))],
  ])("%s: closed 4501 FRAME_INVALID", async (_name, bytes) => {
    expect(await gateway.outcome([bytes])).toMatchObject(invalid);
    expect(await gateway.greeting([bytes])).toMatchObject(invalid);
    await expectUnaffected();
  });

  test("what ends the generated decoder's reading leaves a frame without a kind: ignored", async () => {
    const ended = [Buffer.from([0x00]), Buffer.from([0x0c]), Buffer.from([0x02, 0x00])];
    expect(await gateway.outcome(ended)).toEqual({ ...lives, frames: [] });
    await expectUnaffected();
  });

  test("text messages: closed 4501 FRAME_INVALID, before Hello and after", async () => {
    for (const text of ["", "hello", '{"join":"chat:x"}', "\u0000"]) {
      expect(await gateway.outcome([text])).toMatchObject(invalid);
      expect(await gateway.greeting([text])).toMatchObject(invalid);
    }
    await expectUnaffected();
  });

  test.each(honestFrames().slice(1))(
    "$kind cut at every byte: closed, refused, or nothing at all",
    async ({ bytes }) => {
      const outcomes = [];
      for (let end = 0; end < bytes.length; end += 1) {
        outcomes.push(await gateway.outcome([bytes.subarray(0, end)]));
      }
      // The length in front makes every cut visible, but the cut to nothing: a frame without a
      // kind.
      expect(outcomes[0]).toEqual({ ...lives, frames: [] });
      for (const outcome of outcomes.slice(1)) expect(outcome).toMatchObject(invalid);
      await expectUnaffected();
    },
  );

  test("random bytes: closed 4501, refused with a code, or ignored", async () => {
    for (let i = 0; i < 200; i += 1) {
      const { closeCode, errors } = await gateway.outcome([randomBytes(1 + (i % 64))]);
      expect([0, 4501, 4502]).toContain(closeCode);
      for (const code of errors) expect(Object.keys(ERRORS)).toContain(code);
    }
    await expectUnaffected();
  });

  test("after a close nothing more is handled, however much follows in the same bytes", async () => {
    const joinLate = encode({ $case: "join", value: { requestId: 1, rooms: [] } });
    const flood = Array.from({ length: 500 }, () => [
      joinLate,
      publish?.bytes ?? "",
      "text",
    ]).flat();
    const { closeCode, frames } = await gateway.outcome([Buffer.from([0x80]), ...flood]);
    expect(closeCode).toBe(4501);
    expect(frames.length).toBe(1);
    await expectUnaffected();
  });
});

describe("sizes", () => {
  test("a frame of exactly frame_bytes_max is taken", async () => {
    const target = { $case: "room" as const, value: "live:big" };
    const make = (bytes: number) =>
      encode({
        $case: "publish",
        value: {
          requestId: 1,
          target,
          producerSeq: 0n,
          firstSentUs: 0n,
          traceparent: "",
          payload: Buffer.alloc(bytes),
        },
      });
    const overhead = make(60_000).length - 60_000;
    const { closeCode, frames } = await gateway.outcome([make(frameBytesMax - overhead)]);
    expect([closeCode, frames.map((frame) => frame.$case)]).toEqual([0, ["publishAck"]]);
    await expectUnaffected();
  });

  test.each([frameBytesMax + 1, 2 * frameBytesMax, 4 * frameBytesMax])(
    "%i bytes: closed 1009 FRAME_TOO_LARGE",
    async (bytes) => {
      const tooLarge = { closeCode: 1009, errors: ["FRAME_TOO_LARGE"] };
      expect(await gateway.outcome([Buffer.alloc(bytes)])).toMatchObject(tooLarge);
      expect(await gateway.greeting([Buffer.alloc(bytes)])).toMatchObject(tooLarge);
      await expectUnaffected();
    },
  );

  test.each([4 * frameBytesMax + 1, 16 * frameBytesMax])("%i bytes: cut", async (bytes) => {
    const { closeCode, frames } = await gateway.outcome([Buffer.alloc(bytes)]);
    expect([1006, 1009]).toContain(closeCode);
    expect(frames).toEqual([]);
    await expectUnaffected();
  });

  test("a large message in many fragments: cut, not gathered", async () => {
    const client = await RawClient.open(gateway.port);
    const fragment = Buffer.alloc(frameBytesMax / 2);
    for (let i = 0; i < 64 && client.socket.readyState === client.socket.OPEN; i += 1) {
      client.socket.send(fragment, { fin: false, binary: true });
    }
    expect([1006, 1009]).toContain((await client.closed).code);
    await expectUnaffected();
  });
});

describe("fields that a frame kind does not have", () => {
  test("unknown fields of every wire type are ignored in every kind", async () => {
    const unknown = write((writer) =>
      writer
        .uint32((1000 << 3) | 0)
        .uint64(2n ** 64n - 1n)
        .uint32((1001 << 3) | 1)
        .fixed64(7n)
        .uint32((1002 << 3) | 2)
        .bytes(Buffer.from("FORGED"))
        .uint32((1003 << 3) | 5)
        .fixed32(7)
        .uint32((1004 << 3) | 3)
        .uint32((1004 << 3) | 4),
    );
    for (const [index, honest] of [join, leave, publish, history, ping].entries()) {
      const bytes = honest?.bytes ?? Buffer.alloc(0);
      const plain = await gateway.outcome([bytes], 1);
      const inside = wrap(index + 2, Buffer.concat([unknown, contentsOf(bytes), unknown]));
      const around = Buffer.concat([unknown, bytes, unknown]);
      for (const strange of [inside, around]) {
        const outcome = await gateway.outcome([strange], 1);
        expect([outcome.closeCode, outcome.errors]).toEqual([0, plain.errors]);
        expect(outcome.frames[0]?.$case).toBe(plain.frames[0]?.$case);
      }
    }
    await expectUnaffected();
  });

  test("a frame of an unknown kind is ignored", async () => {
    const unknownKinds = [wrap(15, Buffer.from("x")), wrap(14, randomBytes(8)), Buffer.alloc(0)];
    expect(await gateway.outcome(unknownKinds)).toEqual({ ...lives, frames: [] });
    expect(await gateway.greeting([...unknownKinds])).toMatchObject({ closeCode: 4502 }); // the Ping
    await expectUnaffected();
  });

  test("a known number with another wire type is an unknown field", async () => {
    const textId = write((writer) => writer.uint32((1 << 3) | 2).string("9"));
    const varintRooms = write((w) => w.uint32(8).uint32(3).uint32(16).uint32(1));
    const wrong = [
      { bytes: wrap(2, textId), code: "REQUEST_INVALID" }, // Join.request_id as text
      { bytes: wrap(2, varintRooms), code: "REQUEST_INVALID" }, // Join.rooms as a number
      { bytes: wrap(3, textId), code: "NOT_JOINED" }, // Leave.request_id as text
      { bytes: wrap(4, textId), code: "NOT_JOINED" }, // Publish.request_id as text
      { bytes: wrap(5, textId), code: "REQUEST_INVALID" }, // History.request_id as text
    ];
    for (const { bytes, code } of wrong) {
      expect(await gateway.outcome([bytes])).toMatchObject({ closeCode: 0, errors: [code] });
    }
    const numbers = write((w) => w.uint32(8).uint32(3).uint32(32).uint32(3).uint32(48).uint32(3));
    expect(await gateway.outcome([numbers])).toEqual({ ...lives, frames: [] }); // kinds as numbers
    await expectUnaffected();
  });
});

describe("Hello", () => {
  const expected = { closeCode: 4502, errors: ["HELLO_EXPECTED"] };

  test.each(honestFrames().slice(1))(
    "$kind before Hello: closed 4502 HELLO_EXPECTED",
    async ({ bytes }) => {
      expect(await gateway.greeting([bytes])).toMatchObject(expected);
      await expectUnaffected();
    },
  );

  test("a second Hello: closed 4502, also in the same bytes as the first", async () => {
    const bytes = hello?.bytes ?? Buffer.alloc(0);
    expect(await gateway.outcome([bytes])).toMatchObject(expected);
    expect(await gateway.greeting([bytes, bytes])).toMatchObject({ closeCode: 4502 });
    await expectUnaffected();
  });

  test("frames and ends while the token is being judged: closed 4502, nothing is left", async () => {
    const pending: ((identity: Identity) => void)[] = [];
    const authenticate = () => new Promise<Identity>((resolve) => pending.push(resolve));
    const slow = await testGateway({ parts: { authenticate } });
    const bytes = hello?.bytes ?? Buffer.alloc(0);
    const ends = [];
    for (const second of [bytes, join?.bytes ?? bytes, ping?.bytes ?? bytes]) {
      const client = await slow.silentClient();
      client.socket.send(bytes);
      client.socket.send(second);
      ends.push(client);
    }
    for (const client of ends) {
      expect((await client.closed).code).toBe(4502);
      expect(client.frames.map((frame) => frame.$case)).toEqual(["error"]);
    }
    const gone = await slow.silentClient();
    gone.hello();
    const stays = await slow.silentClient();
    stays.hello();
    while (pending.length < 5) await wsPing(stays);
    gone.socket.terminate();
    while (slow.gateway.stats().connectionCount > 1) await wsPing(stays);
    for (const resolve of pending) resolve(await authenticateNone()(""));
    await stays.next("welcome");
    await stays.settle();
    expect(slow.gateway.stats().connectionCount).toBe(1);
    expect(slow.logged).toEqual([]);
  });

  const honest = {
    protocolMin: 1,
    protocolMax: 1,
    token: "",
    build: { name: "a", version: "1.0.0", platform: "b" },
    producerKey: Buffer.alloc(16),
    sessionToken: Buffer.alloc(0),
    dialCount: 0,
    attributes: [],
    region: "",
  };
  const long = "x".repeat(65);
  const huge = "x".repeat(60_000);

  test.each([
    {
      name: "a producer key of 1 byte",
      part: { producerKey: Buffer.alloc(1) },
      code: "FRAME_INVALID",
    },
    {
      name: "a producer key of 15 bytes",
      part: { producerKey: Buffer.alloc(15) },
      code: "FRAME_INVALID",
    },
    {
      name: "a producer key of 17 bytes",
      part: { producerKey: Buffer.alloc(17) },
      code: "FRAME_INVALID",
    },
    {
      name: "a producer key of 60 kB",
      part: { producerKey: Buffer.alloc(60_000) },
      code: "FRAME_INVALID",
    },
    {
      name: "a build name of 65 bytes",
      part: { build: { ...honest.build, name: long } },
      code: "FRAME_INVALID",
    },
    {
      name: "a build version of 60 kB",
      part: { build: { ...honest.build, version: huge } },
      code: "FRAME_INVALID",
    },
    {
      name: "a platform of 65 bytes",
      part: { build: { ...honest.build, platform: long } },
      code: "FRAME_INVALID",
    },
    { name: "a token of 60 kB", part: { token: huge }, code: "TOKEN_INVALID" },
    {
      name: "protocol 2 to 3",
      part: { protocolMin: 2, protocolMax: 3 },
      code: "PROTOCOL_UNSUPPORTED",
    },
    {
      name: "protocol 0 to 0",
      part: { protocolMin: 0, protocolMax: 0 },
      code: "PROTOCOL_UNSUPPORTED",
    },
    {
      name: "protocol 1 to 0",
      part: { protocolMin: 1, protocolMax: 0 },
      code: "PROTOCOL_UNSUPPORTED",
    },
  ] as const)("$name: closed with $code", async ({ part, code }) => {
    const bytes = encode({ $case: "hello", value: { ...honest, ...part } });
    const { closeCode, errors } = await gateway.greeting([bytes]);
    expect(closeCode).toBe(ERRORS[code].close);
    expect(errors[0]).toBe(code);
    await expectUnaffected();
  });

  test("nobody who was refused is counted, and no room of theirs is left", async () => {
    expect(gateway.gateway.stats().connectionCount).toBe(2);
    expect(gateway.logged).toEqual([]);
  });
});

/** Resolves when the gateway has answered a WebSocket ping, which needs no Hello. */
async function wsPing(client: RawClient): Promise<void> {
  client.socket.ping();
  await once(client.socket, "pong");
}

/** What is inside a frame's only field. */
function contentsOf(frame: Buffer): Buffer {
  return frame.subarray((frame[1] ?? 0) < 0x80 ? 2 : 3);
}
