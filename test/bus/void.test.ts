/** R2: what is void is decided by stored data alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeEnvelope } from "../../bus/envelope.ts";
import {
  DEDUPE_WINDOW_US,
  isVoid,
  PUBLISH_BUDGET_US,
  readFirstSentUs,
  VOID_AFTER_US,
} from "../../bus/void.ts";

function envelope(firstSentUs: number): Uint8Array {
  const fields = { firstSentUs, user: "u", producer: "0123456789abcdef", producerSeq: 1 };
  return encodeEnvelope(fields, new Uint8Array([1, 2, 3]));
}

describe("readFirstSentUs", () => {
  test("reads what encodeEnvelope writes, at any offset in memory", () => {
    const times = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(times, fc.nat({ max: 9 }), (firstSentUs, offset) => {
        const bytes = envelope(firstSentUs);
        const moved = new Uint8Array(bytes.length + offset);
        moved.set(bytes, offset);
        expect(readFirstSentUs(moved.subarray(offset))).toBe(firstSentUs);
      }),
    );
  });

  test("is 0 for bytes that are no envelope, and never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const firstSentUs = readFirstSentUs(bytes);
        expect(bytes[0] === 0x09 && bytes.length >= 9 ? 0 : firstSentUs).toBe(0);
      }),
    );
  });
});

describe("isVoid", () => {
  const firstSentUs = 1_800_000_000_000_000;
  const stored = (laterUs: number, bytes = envelope(firstSentUs)) => ({
    epoch: 1,
    seq: 1,
    prevSeq: 0,
    timeUs: firstSentUs + laterUs,
    envelope: bytes,
  });

  test("begins just after VOID_AFTER_US", () => {
    expect(isVoid(stored(0))).toBe(false);
    expect(isVoid(stored(VOID_AFTER_US))).toBe(false);
    expect(isVoid(stored(VOID_AFTER_US + 1))).toBe(true);
  });

  test("does not hold for a first try in the future, or for no time at all", () => {
    expect(isVoid(stored(-60_000_000))).toBe(false);
    expect(isVoid(stored(VOID_AFTER_US * 2, new Uint8Array(3)))).toBe(false);
  });

  test("of two copies that are not void, the second is inside the window", () => {
    expect(PUBLISH_BUDGET_US).toBeLessThan(VOID_AFTER_US);
    expect(VOID_AFTER_US).toBeLessThan(DEDUPE_WINDOW_US);
  });
});
