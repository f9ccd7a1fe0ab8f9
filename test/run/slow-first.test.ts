import { existsSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { SLOW_FILES, slowFirst } from "./slow-first.ts";

const root = path.resolve(import.meta.dirname, "../..");

test("SLOW_FILES: every file that is named exists", () => {
  expect(SLOW_FILES.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
});

test("slowFirst: slow files come in their order, the others stay as they were", () => {
  const [first = "", second = ""] = SLOW_FILES;
  const files = ["b.test.ts", second, "a.test.ts", first];
  expect(slowFirst(files, (file) => file)).toEqual([first, second, "b.test.ts", "a.test.ts"]);
});
