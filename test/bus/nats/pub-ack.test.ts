/** bus/nats/pub-ack.ts: the fast path reads exactly plain acks, and JSON reads all of them. */
import { expect, test } from "vitest";
import { parseAck, readPlainAck } from "../../../bus/nats/pub-ack.ts";

test.each([
  ['{"stream":"TG_0","seq":12345}', 12345],
  ['{"stream":"TG_0", "seq":1}', 1],
  ['{"stream":"TG_0","seq":1,"duplicate": true}', -1],
  ['{"stream":"TG_0","domain":"d","seq":1}', -1],
  ['{"error":{"code":503,"err_code":10077,"description":"full"},"stream":"TG_0","seq":0}', -1],
  ['{"stream":"TG_0","seq":}', -1],
  ['{"stream":"TG_0","seq":12', -1],
  ["", -1],
])("readPlainAck: %s is %i", (text, seq) => {
  expect(readPlainAck(Buffer.from(text))).toBe(seq);
});

test("parseAck: a duplicate, and a refusal with its code", () => {
  const duplicate = '{"stream":"TG_0","seq":7,"duplicate": true}';
  expect(parseAck(Buffer.from(duplicate))).toEqual({ seq: 7, isDuplicate: true, error: null });
  const full =
    '{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"seq":0}';
  expect(parseAck(Buffer.from(full))?.error).toEqual({
    code: 10077,
    description: "maximum bytes exceeded",
  });
});

test.each(["", "x", "null", "7", "[]", "{}", '{"seq":0}', '{"stream":"a"'])(
  "parseAck: %s is no ack",
  (text) => {
    expect(parseAck(Buffer.from(text))).toBeNull();
  },
);
