import { expect, test } from "vitest";
import { escapeText, formatMessage } from "../../cli/message-text.ts";

const plain = { isJson: false, hasPosition: false, hasRoom: false, isEscaped: false };

function message(payload: Uint8Array | string, position: string | null = "1.2.3") {
  return {
    type: "message" as const,
    room: "chat:a",
    user: "ann",
    position,
    isOwn: false,
    sentAt: new Date(0),
    payload: Buffer.from(payload),
  };
}

test("formatMessage: as text it is the payload and a newline, byte for byte", () => {
  const bytes = Buffer.from([0xff, 0x1b, 0x00]);
  expect(formatMessage(message(bytes), plain)).toEqual(Buffer.from([0xff, 0x1b, 0x00, 0x0a]));
});

test("formatMessage: room and position come before it, with tabs", () => {
  const format = { ...plain, hasPosition: true, hasRoom: true };
  expect(formatMessage(message("hi"), format).toString()).toBe("chat:a\t1.2.3\thi\n");
  expect(formatMessage(message("hi", null), format).toString()).toBe("chat:a\t-\thi\n");
});

test("formatMessage: as JSON it is one line, with base64 for what is no text", () => {
  const json = { ...plain, isJson: true };
  const text = Buffer.from(formatMessage(message("a\nb"), json)).toString();
  expect(text.indexOf("\n")).toBe(text.length - 1);
  expect(JSON.parse(text)).toEqual({
    type: "message",
    room: "chat:a",
    position: "1.2.3",
    user: "ann",
    sentAt: "1970-01-01T00:00:00.000Z",
    payload: "a\nb",
  });
  const binary = JSON.parse(
    Buffer.from(formatMessage(message(Buffer.from([255])), json)).toString(),
  );
  expect(binary).toMatchObject({ payloadBase64: "/w==" });
  expect(binary).not.toHaveProperty("payload");
});

test("escapeText: nothing that moves a cursor or turns text around reaches a terminal", () => {
  expect(escapeText(Buffer.from("tab\there 👍🏽 é"))).toBe("tab\there 👍🏽 é");
  expect(escapeText(Buffer.from("\u001b[31mred\u0007\r\n"))).toBe(
    "\\u001b[31mred\\u0007\\u000d\\u000a",
  );
  expect(escapeText(Buffer.from("a\u202eb\u2028\u009bc"))).toBe("a\\u202eb\\u2028\\u009bc");
  expect(escapeText(Buffer.from([0x61, 0xff]))).toBe("\\x61\\xff");
});
