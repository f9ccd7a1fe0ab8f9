/** When a slot is listened to by wildcard, and that it does not go back and forth. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  FOREIGN_RATE_MIN,
  HOLD_MS,
  judgeWidth,
  NARROW_ROOM_COUNT,
  type SlotFacts,
  WIDEN_ROOM_COUNT,
  WINDOW_MS,
} from "../../../bus/nats/interest-width.ts";

const slot: SlotFacts = {
  isWide: false,
  roomCount: 0,
  switchedMs: 0,
  wasForeign: false,
  receivedCount: 0,
  foreignCount: 0,
  sinceMs: 0,
};
const wide = { ...slot, isWide: true, roomCount: WIDEN_ROOM_COUNT };

test("judgeWidth: many rooms widen, few narrow, and half way nothing changes", () => {
  expect(judgeWidth({ ...slot, roomCount: WIDEN_ROOM_COUNT - 1 }, 1)).toBe("stay");
  expect(judgeWidth({ ...slot, roomCount: WIDEN_ROOM_COUNT }, 1)).toBe("widen");
  expect(judgeWidth({ ...wide, roomCount: NARROW_ROOM_COUNT }, 1)).toBe("stay");
  expect(judgeWidth({ ...wide, roomCount: NARROW_ROOM_COUNT - 1 }, 1)).toBe("narrow");
});

test("judgeWidth: much traffic for nobody narrows, and holds", () => {
  const much = (FOREIGN_RATE_MIN * WINDOW_MS) / 1000 + 1;
  const foreign = { ...wide, receivedCount: 1.5 * much, foreignCount: much };
  expect(judgeWidth(foreign, WINDOW_MS)).toBe("foreign");
  expect(judgeWidth(foreign, WINDOW_MS - 1)).toBe("stay");
  expect(judgeWidth({ ...foreign, receivedCount: 2 * much }, WINDOW_MS)).toBe("stay");
  expect(judgeWidth({ ...foreign, receivedCount: 20, foreignCount: 19 }, WINDOW_MS)).toBe("stay");
  const held = { ...slot, roomCount: 500, wasForeign: true, switchedMs: 1000 };
  expect(judgeWidth(held, 1000 + HOLD_MS - 1)).toBe("stay");
  expect(judgeWidth(held, 1000 + HOLD_MS)).toBe("widen");
});

test("judgeWidth: switches are far apart, whatever rooms and traffic do", () => {
  const second = fc.record({ change: fc.integer({ min: -12, max: 12 }), foreign: fc.nat(400) });
  fc.assert(
    fc.property(fc.array(second, { minLength: 50, maxLength: 400 }), (seconds) => {
      let state: SlotFacts = { ...slot, roomCount: 48 };
      let moved = 0;
      for (const [i, { change, foreign }] of seconds.entries()) {
        const nowMs = (i + 1) * 1000;
        const roomCount = Math.max(0, state.roomCount + change);
        moved += Math.abs(roomCount - state.roomCount);
        const receivedCount = state.receivedCount + 100 + foreign;
        const foreignCount = state.foreignCount + foreign;
        state = { ...state, roomCount, receivedCount, foreignCount };
        const verdict = judgeWidth(state, nowMs);
        if (verdict === "stay") {
          if (nowMs - state.sinceMs >= WINDOW_MS) {
            state = { ...state, receivedCount: 0, foreignCount: 0, sinceMs: nowMs };
          }
          continue;
        }
        expect(verdict === "widen").toBe(!state.isWide);
        const span = WIDEN_ROOM_COUNT - NARROW_ROOM_COUNT;
        if (verdict === "narrow") expect(moved).toBeGreaterThan(span);
        else if (verdict === "widen" && state.wasForeign) {
          expect(nowMs - state.switchedMs).toBeGreaterThanOrEqual(HOLD_MS);
        } else if (verdict === "widen" && state.switchedMs > 0) {
          expect(moved).toBeGreaterThanOrEqual(span);
        }
        const wasForeign = verdict === "foreign";
        const zero = { receivedCount: 0, foreignCount: 0, sinceMs: nowMs, switchedMs: nowMs };
        state = { ...state, ...zero, isWide: !state.isWide, wasForeign };
        moved = 0;
      }
    }),
  );
});
