/** Tables that fit a width. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Cell, type Column, cutTo, gridLines, textWidth } from "../../cli/grid.ts";

const columns: readonly Column[] = [
  { head: "NAME", isNumber: false, rank: 0, cutTo: 4 },
  { head: "COUNT", isNumber: true, rank: 0, cutTo: 0 },
  { head: "KIND", isNumber: false, rank: 1, cutTo: 0 },
  { head: "MORE", isNumber: false, rank: 2, cutTo: 0 },
];
const row = (...texts: string[]): Cell[] => texts.map((text) => ({ text, colour: "plain" }));
const rows = [row("a-long-name", "7", "small", "x"), row("b", "12", "large", "y")];

test.each([
  [40, ["NAME         COUNT  KIND   MORE", "a-long-name      7  small  x   "]],
  [30, ["NAME        COUNT KIND  MORE", "a-long-name     7 small x   "]],
  [24, ["NAME        COUNT KIND ", "a-long-name     7 small"]],
  [20, ["NAME     COUNT KIND ", "a-long-…     7 small"]],
  [15, ["NAME      COUNT", "a-long-n…     7"]],
  [10, ["NAME COUNT", "a-l…     7"]],
])("%d columns", (width, [head, first]) => {
  expect(gridLines(columns, rows, width, false).slice(0, 2)).toEqual([head, first]);
});

test("what others chose is no wider than its place, and moves no cursor", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constantFrom(
      "日本語の部屋の名前",
      "\u001b[2J\u001b[H",
      "a\r\nb",
      "e\u0301\u0301",
      "🙂🙂🙂🙂",
    ),
  );
  const check = fc.property(hostile, fc.integer({ min: 10, max: 60 }), (name, width) => {
    for (const line of gridLines(columns, [row(name, "7", "k", "m")], width, false)) {
      expect(textWidth(line)).toBeLessThanOrEqual(width);
      expect(line).not.toMatch(/[\p{C}\u2028\u2029]/u);
    }
  });
  fc.assert(check, { numRuns: 300 });
});

test("wide letters count twice, marks not at all", () => {
  expect([textWidth("日本"), textWidth("e\u0301"), textWidth("🙂")]).toEqual([4, 1, 2]);
  expect(cutTo("日本語", 4)).toBe("日…");
  expect(cutTo("abc", 3)).toBe("abc");
});

test("colours change no widths", () => {
  const painted: Cell[] = [
    { text: "a", colour: "bad" },
    { text: "1", colour: "warn" },
  ];
  const [, line = ""] = gridLines(columns.slice(0, 2), [painted], 40, true);
  expect(line).toBe("\u001b[1;31ma   \u001b[0m  \u001b[33m    1\u001b[0m");
});
