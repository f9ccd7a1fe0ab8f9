/** Varints by hand against the generated code's reader and writer, edges included. */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VarintReader, varintSize, writeVarint } from "../../proto/varint.ts";

const edges = [7, 14, 21, 28, 31, 32, 35, 42, 49, 53].flatMap((bits) => [
  2 ** bits - 1,
  ...(bits < 53 ? [2 ** bits, 2 ** bits + 1] : []),
]);
const numbers = fc.oneof(fc.constantFrom(0, 1, ...edges), fc.maxSafeNat(), fc.nat());
const runs = { numRuns: 10_000, seed: 20_261_122 };

function read(bytes: Uint8Array): { value: number; at: number } {
  const reader = new VarintReader();
  reader.reset(bytes, 0, bytes.length);
  return { value: reader.next(), at: reader.at };
}

describe("varints", () => {
  test("writeVarint and varintSize: the bytes of the generated writer, for every safe number", () => {
    fc.assert(
      fc.property(numbers, fc.nat({ max: 5 }), (value, at) => {
        const expected = new BinaryWriter().uint64(value).finish();
        const bytes = new Uint8Array(20);
        const end = writeVarint(bytes, at, value);
        expect(end - at).toBe(varintSize(value));
        expect(Buffer.from(bytes.subarray(at, end)).equals(expected)).toBe(true);
        expect(bytes.subarray(end).every((byte) => byte === 0)).toBe(true);
      }),
      runs,
    );
  });

  test("next: reads back what was written, and stands behind it", () => {
    fc.assert(
      fc.property(numbers, (value) => {
        const bytes = new BinaryWriter().uint64(value).finish();
        expect(read(bytes)).toEqual({ value, at: bytes.length });
      }),
      runs,
    );
  });

  test("next: on any bytes what the generated reader reads, or -1 where it is beyond a number", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc
        .array(fc.integer({ min: 128, max: 255 }), { maxLength: 11 })
        .map((b) => Uint8Array.from(b)),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((n) => new BinaryWriter().uint64(n).finish()),
    );
    fc.assert(
      fc.property(bytes, (given) => {
        const { value, at } = read(given);
        let expected: bigint | null;
        const reader = new BinaryReader(given);
        try {
          expected = BigInt(reader.uint64());
        } catch {
          expected = null; // cut, or longer than 10 bytes
        }
        if (expected === null) expect(value).toBe(-1);
        else if (value === -1) expect(isBeyond(given, expected)).toBe(true);
        else expect([BigInt(value), at]).toEqual([expected, reader.pos]);
      }),
      { ...runs, numRuns: 20_000 },
    );
  });

  test("next: stops at the end it was given, not at the end of the bytes", () => {
    const reader = new VarintReader();
    reader.reset(Uint8Array.of(0x80, 0x80, 0x01), 0, 2);
    expect(reader.next()).toBe(-1);
  });
});

/**
 * Above 2^53 - 1; or with bits above the 64th in its tenth byte, which the generated reader drops.
 */
function isBeyond(bytes: Uint8Array, value: bigint): boolean {
  return value > BigInt(Number.MAX_SAFE_INTEGER) || (bytes[9] ?? 0) > 1;
}
