/**
 * Arbitraries for fuzzing: fields written by hand in any order and shape, and valid frames that
 * were mutated (bits flipped, cut, spliced, repeated).
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";

/** Numbers at the edges of what 32, 53 and 64 bits hold. */
export const edgeNumbers: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 300n }),
  fc.constantFrom(
    ...[0n, 1n, 127n, 128n, 16_383n, 16_384n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n],
    ...[2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
  ),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

/** Safe integers, edges included: 0 to 2^53 - 1. */
export const safeNumbers: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.constantFrom(127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);

const names = fc.oneof(
  fc.constantFrom("chat:a", "live:a", "chat:*", "", "chat:\u{1f600}", "\ufeffchat:a"),
  fc.string({ unit: "grapheme", maxLength: 20 }),
);

/** A varint with `padding` needless bytes, so that one value has many encodings. */
function paddedVarint(value: bigint, padding: number): Uint8Array {
  const bytes = Array.from(new BinaryWriter().uint64(value).finish());
  for (let i = 0; i < padding && bytes.length < 10; i += 1) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(0);
  }
  return Uint8Array.from(bytes);
}

/** One field of a Publish, honest or not, as bytes. */
export const publishFields: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 3, arbitrary: numberField(fc.constantFrom(1, 2, 4)) },
  { weight: 2, arbitrary: names.map((name) => lengthField(3, Buffer.from(name))) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => lengthField(6, bytes)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }).map((bytes) => lengthField(3, bytes)) },
  { weight: 2, arbitrary: edgeNumbers.map((value) => fixedField(5, value)) },
  { weight: 1, arbitrary: numberField(fc.integer({ min: 1, max: 2000 })) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 40 }).map((n) => lengthField(n, Buffer.from("?"))),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 }).map((n) => fixedField(n, 7n)) },
  { weight: 1, arbitrary: fc.constantFrom(54, 55, 56).map(traceField) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
);

function numberField(numbers: fc.Arbitrary<number>): fc.Arbitrary<Uint8Array> {
  const padding = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 9 }));
  return fc
    .tuple(numbers, edgeNumbers, padding)
    .map(([field, value, more]) =>
      Buffer.concat([paddedVarint(BigInt(field << 3), more % 3), paddedVarint(value, more)]),
    );
}

function lengthField(field: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter()
    .uint32((field << 3) | 2)
    .bytes(bytes)
    .finish();
}

function traceField(length: number): Uint8Array {
  return lengthField(
    7,
    Buffer.from(`00-${"ab".repeat(16)}-${"cd".repeat(8)}-011`.slice(0, length)),
  );
}

function fixedField(field: number, value: bigint): Uint8Array {
  return new BinaryWriter()
    .uint32((field << 3) | 1)
    .fixed64(value)
    .finish();
}

/**
 * A ClientFrame around a Publish of such fields; sometimes with a wrong length or more behind it.
 */
export const publishFrames: fc.Arbitrary<Buffer> = fc
  .record({
    fields: fc.array(publishFields, { maxLength: 9 }),
    lengthError: fc.oneof(
      { weight: 12, arbitrary: fc.constant(0) },
      fc.integer({ min: -3, max: 3 }),
    ),
    behind: fc.oneof({ weight: 8, arbitrary: fc.constant(new Uint8Array()) }, publishFields),
    padding: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.nat({ max: 9 })),
  })
  .map(({ fields, lengthError, behind, padding }) => {
    const body = Buffer.concat(fields);
    const length = paddedVarint(BigInt(Math.max(0, body.length + lengthError)), padding);
    return Buffer.concat([Buffer.from([0x22]), length, body, behind]);
  });

/** What is done to a valid frame. */
type Mutation =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "cut"; readonly from: number; readonly to: number }
  | { readonly kind: "splice"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "repeat"; readonly times: number };

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: share, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant("cut" as const), from: share, to: share }),
  fc.record({
    kind: fc.constant("splice" as const),
    at: share,
    bytes: fc.oneof(fc.uint8Array({ maxLength: 12 }), publishFields),
  }),
  fc.record({ kind: fc.constant("repeat" as const), times: fc.integer({ min: 2, max: 4 }) }),
);

function mutate(frame: Buffer, mutation: Mutation): Buffer {
  const place = (at: number) => Math.floor(at * (frame.length + 1));
  switch (mutation.kind) {
    case "flip": {
      const changed = Buffer.from(frame);
      const at = Math.min(place(mutation.at), changed.length - 1);
      if (at >= 0) changed[at] = (changed[at] ?? 0) ^ (1 << mutation.bit);
      return changed;
    }
    case "cut": {
      const [from = 0, to = 0] = [place(mutation.from), place(mutation.to)].sort((a, b) => a - b);
      return Buffer.concat([frame.subarray(0, from), frame.subarray(to)]);
    }
    case "splice": {
      const at = place(mutation.at);
      return Buffer.concat([frame.subarray(0, at), mutation.bytes, frame.subarray(at)]);
    }
    case "repeat":
      return Buffer.concat(Array.from({ length: mutation.times }, () => frame));
    default:
      return mutation satisfies never;
  }
}

/** One of `valid`, mutated 0 to 3 times, or plain random bytes. */
export function mutated(valid: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const changed = fc
    .tuple(fc.constantFrom(...valid), fc.array(mutations, { maxLength: 3 }))
    .map(([frame, steps]) => steps.reduce(mutate, frame));
  const random = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 5, arbitrary: changed }, { weight: 1, arbitrary: random });
}
