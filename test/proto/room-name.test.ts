/** Which room, class and tenant names are legal, and their parts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isClassName,
  isTenantName,
  parseRoomName,
  ROOM_NAME_BYTES_MAX,
} from "../../proto/room-name.ts";

describe("parseRoomName", () => {
  test.each([
    ["chat:lobby", "chat", "lobby"],
    ["game:eu/42", "game", "eu/42"],
    ["a:b", "a", "b"],
    ["a-1-:x", "a-1-", "x"],
    [`${"c".repeat(32)}:x`, "c".repeat(32), "x"],
    ["chat::", "chat", ":"],
    ["chat:a:b", "chat", "a:b"],
    ["chat: ", "chat", " "],
    ["chat:*.>", "chat", "*.>"],
    ["chat:\u{1f468}\u200d\u{1f469}", "chat", "\u{1f468}\u200d\u{1f469}"],
    ["chat:\ue000", "chat", "\ue000"],
  ])("%j is class %j and rest %j", (name, roomClass, rest) => {
    expect(parseRoomName(name)).toEqual({ class: roomClass, rest });
  });

  test.each(["", ":", "chat", "chat:", ":x", "Chat:x", "1:x", "-a:x", "ch_at:x", "chat\u0000:x"])(
    "%j is refused",
    (name) => {
      expect(() => parseRoomName(name)).toThrow("[ROOM_NAME_INVALID]");
    },
  );

  test("bytes count, not characters: exactly the most is legal", () => {
    const fill = (letter: string, bytes: number) =>
      `chat:${letter.repeat((bytes - 5) / Buffer.byteLength(letter))}`;
    parseRoomName(fill("x", ROOM_NAME_BYTES_MAX));
    parseRoomName(fill("日", ROOM_NAME_BYTES_MAX));
    expect(() => parseRoomName(fill("x", ROOM_NAME_BYTES_MAX + 1))).toThrow("201 bytes");
    expect(() => parseRoomName(fill("日", ROOM_NAME_BYTES_MAX + 3))).toThrow("203 bytes");
    expect(() => parseRoomName(`chat:${"x".repeat(10_000_000)}`)).toThrow("at most 200");
  });

  test("any text at all: its parts, or one error, and a message that stays short and printable", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.string({ unit: "binary", maxLength: 100 }).map((rest) => `chat:${rest}`),
    );
    fc.assert(
      fc.property(texts, (name) => {
        try {
          const { class: roomClass, rest } = parseRoomName(name);
          expect(`${roomClass}:${rest}`).toBe(name);
          expect(Buffer.from(name).toString()).toBe(name); // survives UTF-8
          expect(/[\p{Cc}\p{Cs}]/u.test(name)).toBe(false);
          expect(Buffer.byteLength(name)).toBeLessThanOrEqual(ROOM_NAME_BYTES_MAX);
        } catch (error) {
          if (!(error instanceof Error) || !("code" in error)) throw error;
          expect(error.code).toBe("ROOM_NAME_INVALID");
          expect(error.message.length).toBeLessThan(500);
        }
      }),
      { numRuns: 10_000, seed: 20_261_122 },
    );
  });
});

test("isClassName and isTenantName", () => {
  for (const name of ["a", "chat", "a-1", "c".repeat(32)]) expect(isClassName(name)).toBe(true);
  for (const name of ["", "A", "1a", "-a", "a_b", "a.b", "c".repeat(33), "a\n"]) {
    expect(isClassName(name)).toBe(false);
  }
  for (const name of ["a", "1", "acme-2", "t".repeat(63)]) expect(isTenantName(name)).toBe(true);
  for (const name of ["", "A", "-a", "a_b", "a.b", "a=b", "t".repeat(64), "a\n"]) {
    expect(isTenantName(name)).toBe(false);
  }
});
