import { expect, test } from "vitest";
import { rewrapComments } from "./rewrap.ts";

const word = "seventeen-letters";
const long = `${word} ${word} ${word} ${word} ${word} ${word}`;

test("rewrapComments: breaks a long paragraph anew, and only that one", () => {
  const text = `/**\n * Short.\n *\n * ${long}\n * tail.\n */\nconst a = 1;`;
  const five = `${word} ${word} ${word} ${word} ${word}`;
  expect(rewrapComments(text)).toBe(
    `/**\n * Short.\n *\n * ${five}\n * ${word} tail.\n */\nconst a = 1;`,
  );
});

test("rewrapComments: keeps the words and every other line of a file", () => {
  const text = `${"  // ".concat(long)}\n  const a = "${long}";\n   * @param a ${word}\n- ${long}`;
  const mended = rewrapComments(text);
  expect(wordsOf(mended)).toEqual(wordsOf(text));
  expect(mended.split("\n")).toHaveLength(5);
});

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((part) => part !== "//" && part !== "");
}
