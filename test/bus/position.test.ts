/** Positions: order, and a text form that comes back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparePositions, formatPosition, parsePosition } from "../../bus/position.ts";
import { CodedError } from "../../proto/coded-error.ts";

const positions = fc.record({
  epoch: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  timeUs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
});

describe("parsePosition", () => {
  test("reads back what formatPosition writes", () => {
    fc.assert(
      fc.property(positions, (position) => {
        expect(parsePosition(formatPosition(position))).toEqual(position);
      }),
    );
  });

  test.each([
    "",
    "1",
    "1.2",
    "1.2.3.4",
    "0.1.1",
    "1.0.1",
    "-1.1.1",
    "1.-1.1",
    "1.1.-1",
    "1.1.x",
    " 1.1.1",
    "1.1.1\n",
    "1e3.1.1",
    "4294967296.1.1",
    "1.99999999999999999.1",
  ])("refuses %j with the text in the message", (text) => {
    expect(() => parsePosition(text)).toThrow(CodedError);
    expect(() => parsePosition(text)).toThrow(JSON.stringify(text));
  });

  test("never fails otherwise than by a CodedError", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parsePosition(text);
        } catch (error) {
          expect(error).toBeInstanceOf(CodedError);
        }
      }),
    );
  });
});

describe("comparePositions", () => {
  test("orders by epoch, then seq; time does not matter", () => {
    fc.assert(
      fc.property(positions, positions, (a, b) => {
        const order = Math.sign(comparePositions(a, b));
        const expected = Math.sign(a.epoch === b.epoch ? a.seq - b.seq : a.epoch - b.epoch);
        expect(order).toBe(expected);
        expect(Math.sign(comparePositions(b, a))).toBe(0 - order);
      }),
    );
  });
});
