/** Floods: bounded lines, and counts that add up. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Collapsed,
  FloodGate,
  KIND_COUNT_MAX,
  type Line,
  OTHER_TEXT,
  SAME_LINES_MAX,
  WINDOW_MS,
} from "../../../telemetry/logs/flood-gate.ts";
import { LOG_LEVELS } from "../../../telemetry/logs/log-level.ts";

const line = (text: string, fields: object = {}): Line => ({ level: "warn", text, fields });

test("one kind: the first ones are written, the rest is one line with the last one's fields", () => {
  const gate = new FloodGate();
  const written = Array.from({ length: 500 }, (_, i) => gate.judge(line("full", { i }), i));
  expect(written.filter(Boolean)).toHaveLength(SAME_LINES_MAX);
  expect(gate.sweep(WINDOW_MS - 1)).toEqual([]);
  const count = 500 - SAME_LINES_MAX;
  expect(gate.sweep(WINDOW_MS)).toEqual([{ ...line("full", { i: 499 }), count }]);
  expect(gate.isIdle).toBe(true);
  expect(gate.judge(line("full"), WINDOW_MS + 1)).toBe(true);
});

test("other levels, sentences and error codes are other kinds; whom they are about is not", () => {
  const gate = new FloodGate();
  for (let i = 0; i < SAME_LINES_MAX; i += 1) gate.judge(line("a", { connection: `gw-${i}` }), 0);
  expect(gate.judge(line("a", { connection: "gw-x" }), 0)).toBe(false);
  expect(gate.judge({ ...line("a"), level: "error" }, 0)).toBe(true);
  expect(gate.judge(line("b"), 0)).toBe(true);
  expect(gate.judge(line("a", { code: "FULL" }), 0)).toBe(true);
  expect(gate.judge(line("a", { error: { code: "FULL" } }), 0)).toBe(true);
});

test("more kinds than are told apart share one for each level, still counted", () => {
  const gate = new FloodGate();
  for (let i = 0; i < KIND_COUNT_MAX; i += 1) expect(gate.judge(line(`kind ${i}`), 0)).toBe(true);
  const rest = Array.from({ length: 1000 }, (_, i) => gate.judge(line(`more ${i}`), 0));
  expect(rest.filter(Boolean)).toHaveLength(SAME_LINES_MAX);
  expect(gate.sweep(Number.POSITIVE_INFINITY)).toEqual([
    { ...line(OTHER_TEXT), count: 1000 - SAME_LINES_MAX },
  ]);
});

test("whatever comes: what is written and what is counted add up, and memory is bounded", () => {
  const event = fc.record({
    level: fc.constantFrom(...LOG_LEVELS),
    kind: fc.integer({ min: 0, max: KIND_COUNT_MAX + 20 }),
    burst: fc.integer({ min: 1, max: 40 }),
    waitMs: fc.integer({ min: 0, max: 700 }),
  });
  const check = fc.property(fc.array(event, { maxLength: 300 }), (events) => {
    const gate = new FloodGate();
    let [nowMs, asked, written] = [0, 0, 0];
    const collapsed: Collapsed[] = [];
    for (const { level, kind, burst, waitMs } of events) {
      nowMs += waitMs;
      collapsed.push(...gate.sweep(nowMs));
      asked += burst;
      for (let i = 0; i < burst; i += 1) {
        if (gate.judge({ level, text: `kind ${kind}`, fields: {} }, nowMs)) written += 1;
      }
    }
    collapsed.push(...gate.sweep(Number.POSITIVE_INFINITY));
    const counted = collapsed.reduce((sum, { count }) => sum + count, 0);
    expect(written + counted).toBe(asked);
  });
  fc.assert(check, { numRuns: 100 });
});
