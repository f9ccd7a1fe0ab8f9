/** Envelopes written by hand against the generated code, and what is read of them in place. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  encodeEnvelope,
  isEnvelope,
  isTraced,
  traceOf,
  traceparentOf,
} from "../../bus/envelope.ts";
import { readFirstSentUs } from "../../bus/void.ts";
import { Envelope } from "../../proto/gen/tidegate/client/v1/message.ts";

const safe = fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1), fc.maxSafeNat());
const fields = fc.record({
  firstSentUs: safe,
  user: fc.string({ unit: "grapheme", maxLength: 30 }),
  producer: fc.oneof(
    fc.constant(""),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => Buffer.from(b).toString("latin1")),
  ),
  producerSeq: safe,
});
const sampled = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;
const runs = { numRuns: 10_000, seed: 20_261_122 };

test("encodeEnvelope: decodes to its fields and exactly the part of the payload it was given", () => {
  const payloads = fc.record({
    bytes: fc.uint8Array({ maxLength: 400 }),
    from: fc.nat({ max: 400 }),
    to: fc.nat({ max: 400 }),
  });
  fc.assert(
    fc.property(fields, payloads, (given, { bytes, from, to }) => {
      const [start = 0, end = 0] = [from, to]
        .map((n) => Math.min(n, bytes.length))
        .sort((a, b) => a - b);
      const traceparent = bytes.length % 2 === 0 ? "" : sampled;
      const envelope = encodeEnvelope(given, bytes, start, end, traceparent);
      expect(isEnvelope(envelope)).toBe(true);
      expect(isTraced(envelope)).toBe(traceparent !== "");
      expect(Envelope.decode(envelope)).toEqual({
        firstSentUs: BigInt(given.firstSentUs),
        user: given.user,
        producer: Buffer.from(given.producer, "latin1"),
        producerSeq: BigInt(given.producerSeq),
        payload: Buffer.from(bytes.subarray(start, end)),
        traceparent,
      });
      expect(readFirstSentUs(envelope)).toBe(given.firstSentUs);
    }),
    runs,
  );
});

test("isTraced: no user, producer or payload can look like a traceparent", () => {
  const forged = Buffer.concat([Buffer.from([0x32, 55]), Buffer.from(sampled)]);
  const text = forged.toString("latin1");
  const bare = { firstSentUs: 1, user: "", producer: "", producerSeq: 0 };
  for (const given of [bare, { ...bare, user: text }, { ...bare, producerSeq: 1 }]) {
    expect(isTraced(encodeEnvelope(given, forged))).toBe(false);
    expect(traceOf(encodeEnvelope(given, forged))).toBeNull();
  }
  const traced = encodeEnvelope(bare, forged, 0, forged.length, sampled);
  expect(traceparentOf(traced)).toBe(sampled);
  expect(traceOf(traced)?.traceId).toBe("ab".repeat(16));
});

test("readFirstSentUs: what the generated decoder reads, negative too, wherever the bytes lie", () => {
  const times = fc.bigInt({ min: -(2n ** 53n) + 1n, max: 2n ** 53n - 1n });
  fc.assert(
    fc.property(times, fc.nat({ max: 9 }), (firstSentUs, offset) => {
      const rest = {
        user: "a",
        producer: Buffer.alloc(16),
        producerSeq: 1n,
        traceparent: "",
        payload: Buffer.alloc(3),
      };
      const bytes = Envelope.encode({ firstSentUs, ...rest }).finish();
      const larger = new Uint8Array(bytes.length + offset);
      larger.set(bytes, offset);
      const expected = firstSentUs === 0n ? 0 : Number(firstSentUs);
      expect(readFirstSentUs(larger.subarray(offset))).toBe(expected);
    }),
    runs,
  );
});

test("readFirstSentUs: 0 for bytes that are no envelope of ours", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const value = readFirstSentUs(bytes);
      if (bytes.length < 9 || bytes[0] !== 0x09) expect(value).toBe(0);
      else expect(Number.isFinite(value)).toBe(true);
    }),
    runs,
  );
});

test("isEnvelope: every encoded envelope is one; cut, changed in its tags, or noise is none", () => {
  const fields = { firstSentUs: 5, user: "u", producer: "0123456789abcdef", producerSeq: 300 };
  const whole = encodeEnvelope(fields, Buffer.from("payload"));
  expect(isEnvelope(whole)).toBe(true);
  const bare = { firstSentUs: 5, user: "", producer: "", producerSeq: 0 };
  expect(isEnvelope(encodeEnvelope(bare, new Uint8Array()))).toBe(true);
  const ends = Array.from({ length: whole.length }, (_, end) => end);
  // Cut between fields it is an envelope still: of fewer fields.
  expect(ends.filter((end) => isEnvelope(whole.subarray(0, end)))).toEqual([9, 12, 30, 33]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
      const bytes = Buffer.concat([whole.subarray(0, 9), noise]);
      if (isEnvelope(bytes)) Envelope.decode(bytes); // what is let through decodes
      expect(isEnvelope(noise) && noise[0] !== 0x09).toBe(false);
    }),
    { numRuns: 3000 },
  );
});
