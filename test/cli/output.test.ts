/** Formats of output: what is printed for programs reads back as what it was. */
import { expect, test } from "vitest";
import { formatOutput, parseInput } from "../../cli/output.ts";

const value = {
  name: "no", // YAML 1.1 would read these two as booleans
  state: "on",
  etag: "0x10",
  count: 3,
  time: null,
  text: "two\nlines: and a # sign",
  rows: [{ id: "007" }, { id: "1e3" }],
};

test.each(["json", "yaml"] as const)("%s reads back as what it was", (format) => {
  const text = formatOutput(format, value, () => "table");
  expect(text.endsWith("\n")).toBe(true);
  expect(parseInput(text)).toEqual(value);
});

test("a table is made from the value itself", () => {
  expect(formatOutput("table", value, ({ name }) => `NAME\n${name}\n`)).toBe("NAME\nno\n");
});

test("what is neither says where it is wrong", () => {
  expect(() => parseInput("{a: [1, 2}")).toThrow(/line 1/);
});
