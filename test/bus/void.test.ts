/** R2: what is void is decided by stored data alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeEnvelope } from "../../bus/envelope.ts";
import { isVoid, PUBLISH_LIMITS, publishLimits, readFirstSentUs } from "../../bus/void.ts";

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

  test.each([PUBLISH_LIMITS, publishLimits(4_000_000)])(
    "begins just after $voidAfterUs",
    (limits) => {
      const { voidAfterUs } = limits;
      expect(isVoid(stored(0), limits)).toBe(false);
      expect(isVoid(stored(voidAfterUs), limits)).toBe(false);
      expect(isVoid(stored(voidAfterUs + 1), limits)).toBe(true);
    },
  );

  test("does not hold for a first try in the future", () => {
    expect(isVoid(stored(-60_000_000), PUBLISH_LIMITS)).toBe(false);
  });

  test("holds for what is no envelope: no gateway wrote it", () => {
    expect(isVoid(stored(0, new Uint8Array(3)), PUBLISH_LIMITS)).toBe(true);
    expect(isVoid(stored(0, Buffer.from("junk from a foreigner")), PUBLISH_LIMITS)).toBe(true);
  });
});

describe("publishLimits", () => {
  test("of two copies that are not void, the second is inside the window", () => {
    const windows = fc.integer({ min: 3_000_000, max: 30_000_000 });
    fc.assert(
      fc.property(windows, (window) => {
        const { futureUs, budgetUs, voidAfterUs, windowUs } = publishLimits(window);
        expect(windowUs).toBe(window);
        expect(budgetUs).toBeLessThan(voidAfterUs);
        // From as early as a first try dated in the future can be stored, to as late as any can.
        expect(futureUs + voidAfterUs).toBeLessThanOrEqual(windowUs);
      }),
    );
  });

  test("by default: 20 s to publish, void after 25 s, names for 30 s, 5 s of future", () => {
    expect(PUBLISH_LIMITS).toEqual({
      futureUs: 5_000_000,
      budgetUs: 20_000_000,
      voidAfterUs: 25_000_000,
      windowUs: 30_000_000,
    });
  });
});
