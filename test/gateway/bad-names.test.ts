/**
 * Room names: illegal ones are refused wherever a name can stand, strange legal ones reach only
 * themselves.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encode, type Hostile, openHostile, wrap, write } from "./hostile.ts";

let gateway: Hostile;
beforeAll(async () => {
  gateway = await openHostile();
});
afterAll(() => gateway.close());

/** Illegal names; as bytes where they are not UTF-8. */
const illegal: readonly (readonly [string, string | Buffer])[] = [
  ["empty", ""],
  ["without a class", "lobby"],
  ["with an empty class", ":lobby"],
  ["with nothing after the colon", "chat:"],
  ["with an upper-case class", "Chat:a"],
  ["with a class that starts with a digit", "1chat:a"],
  ["with a class that starts with a dash", "-chat:a"],
  ["with a class of 33 characters", `${"c".repeat(33)}:a`],
  ["with a space in the class", "ch at:a"],
  ["with a wildcard as class", "*:a"],
  ["with a letter beyond ASCII in the class", "chät:a"],
  ["with a mark before the class", "\ufeffchat:a"],
  ["of 201 bytes", `chat:${"x".repeat(196)}`],
  ["of 201 bytes in 104 characters", `chat:${"é".repeat(98)}`],
  ["of 60 000 bytes", `chat:${"x".repeat(60_000)}`],
  ["with a NUL", "chat:a\u0000b"],
  ["with a newline", "chat:a\nb"],
  ["with a DEL", "chat:a\u007f"],
  ["with a C1 control", "chat:a\u0085"],
  ["with a line separator", "chat:a\u2028"],
  ["with a bidirectional override", "chat:a\u202eb"],
  ["with a zero-width space", "chat:a\u200bb"],
  ["with a byte order mark", "chat:a\ufeff"],
  ["with a replacement character", "chat:a\ufffd"],
  ["with a byte that is not UTF-8", Buffer.from("chat:a\xff", "latin1")],
  ["with a cut sequence", Buffer.from("chat:a\xe2\x82", "latin1")],
  ["with an overlong slash", Buffer.from("chat:a\xc0\xaf", "latin1")],
  ["with an encoded surrogate", Buffer.from("chat:a\xed\xa0\x80", "latin1")],
];

/** Legal names that look like something else: wildcards, paths, escapes, one another. */
const strange: readonly string[] = [
  "chat:*",
  "chat:>",
  "chat:.",
  "chat:a",
  "chat:a.b",
  "chat:a.*",
  "chat:a.>",
  "chat:a b",
  "chat: ",
  "chat:a ",
  "chat:/",
  "chat:../../etc/passwd",
  "chat:a/b",
  "chat:=",
  "chat:=2e",
  "chat:a=2eb",
  "chat:a=_b",
  "chat:a_b",
  "chat:_",
  "chat::",
  "chat:chat:a",
  "chat:$SYS.>",
  "chat:%00",
  "chat:\u{1f600}",
  "chat:\u{1f468}\u200d\u{1f469}\u200d\u{1f467}",
  "chat:é",
  "chat:e\u0301",
  "chat:日本語",
  "chat:'\";--",
  "chat:<b>&",
  `chat:${"x".repeat(195)}`,
  `chat:${"x".repeat(194)}y`,
  "live:*",
  "live:>",
  "live:a",
];

/** A string field's bytes, whatever they are. */
function nameField(field: number, name: string | Buffer): Buffer {
  return write((writer) => writer.uint32((field << 3) | 2).bytes(Buffer.from(name)));
}

function idField(id: number): Uint8Array {
  return new BinaryWriter().uint32(8).uint32(id).finish();
}

describe("illegal names", () => {
  test.each(illegal)("a name %s: ROOM_NAME_INVALID from every frame", async (_kind, name) => {
    const id = idField(7);
    const joinRoom = write((writer) => writer.uint32((2 << 3) | 2).bytes(nameField(1, name)));
    const publish = Buffer.concat([id, nameField(3, name)]);
    const frames = [
      wrap(2, Buffer.concat([id, joinRoom])),
      wrap(4, publish),
      Buffer.concat([wrap(15, Buffer.alloc(1)), wrap(4, publish)]), // by the generated decoder
      wrap(5, publish), // History has its room in the same field
    ];
    const outcome = await gateway.outcome(frames, frames.length);
    expect(outcome.closeCode).toBe(0);
    expect(outcome.errors).toEqual(frames.map(() => "ROOM_NAME_INVALID"));
    for (const frame of outcome.frames) {
      expect(frame.$case === "error" && frame.value.requestId).toBe(7);
    }
    expect(await gateway.unexpected()).toEqual([]);
  });

  test("a class that does not exist: ROOM_CLASS_UNKNOWN", async () => {
    for (const room of ["nosuch:a", "c:a", `${"c".repeat(32)}:a`, "constructor:a", "to-string:a"]) {
      const target = { $case: "room" as const, value: room };
      const rest = { producerSeq: 1n, firstSentUs: 1n, traceparent: "", payload: Buffer.alloc(1) };
      const frames = [
        encode({
          $case: "join",
          value: { requestId: 1, rooms: [{ room, after: undefined, history: 0 }] },
        }),
        encode({ $case: "publish", value: { requestId: 2, target, ...rest } }),
        encode({ $case: "history", value: { requestId: 3, target, cursor: undefined, limit: 1 } }),
      ];
      const { closeCode, errors } = await gateway.outcome(frames, frames.length);
      expect([closeCode, errors]).toEqual([0, frames.map(() => "ROOM_CLASS_UNKNOWN")]);
    }
    expect(await gateway.unexpected()).toEqual([]);
  });
});

describe("strange legal names", () => {
  test("each is a room of its own, live and in history", async () => {
    const [member, sender] = [await gateway.client(), await gateway.client()];
    const aliases = new Map<string, number>();
    for (const room of strange) {
      const joined = await member.join(room);
      expect(joined.room).toBe(room);
      aliases.set(room, joined.roomAlias);
    }
    expect(new Set(aliases.values()).size).toBe(strange.length);
    for (const room of strange) {
      await sender.ack(sender.publish({ room, seq: 1, payload: `for ${room}` }));
    }
    for (const [room, alias] of aliases) {
      expect(await member.texts(alias, 1)).toEqual([`for ${room}`]);
    }
    await member.settle();
    const messages = member.frames.filter((frame) => frame.$case === "message");
    expect(messages.length).toBe(strange.length);
    for (const room of strange.filter((name) => name.startsWith("chat:"))) {
      const requestId = sender.nextId();
      const target = { $case: "room" as const, value: room };
      sender.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 9 } });
      const page = await sender.next("historyPage", (each) => each.requestId === requestId);
      const texts = page.messages.map((message) => message.envelope?.payload.toString());
      expect(texts).toEqual([`for ${room}`]);
    }
    expect(await gateway.unexpected()).toEqual([]);
    expect(gateway.logged).toEqual([]);
  });
});
