/** Documents: files and folders named in them are there. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { from, listPaths } from "../tidy/source.ts";

const folders = "bench|bus|cli|controlplane|deploy|docs|examples|gateway|proto|sdk|test|workers";
const pattern = new RegExp(`\`((?:${folders})/[\\w./-]*|[\\w-]+\\.(?:ts|mjs|json))\``, "g");
/** Names of files that a reader makes, or that stand for many. */
const examples = /^(hello\.(ts|py)|options\.ts|main\.ts|index\.ts)$/;
/^(hello\.(ts|py)|options\.ts|main\.ts|index\.ts|place\.ts|test\/bus\/contract\.ts|examples\/replay)$/;

/** Paths in backticks that are not in the repository, as "file: path". */
function findMissingPaths(file: string, text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(pattern)]
    .map(([, named = ""]) => named)
    .filter((named) => !examples.test(named) && !existsSync(from(named)))
    .map((named) => `${file}: ${named}`);
}

const documents = listPaths().filter(
  (file) => /^(docs\/[\w-]+|[A-Z]+)\.md$/.test(file) && file !== "CHANGELOG.md",
);

test.each(documents)("paths: every file that %s names is there", (file) => {
  expect(findMissingPaths(file, readFileSync(from(file), "utf8"))).toEqual([]);
});

test("paths: a file that is gone is caught", () => {
  expect(findMissingPaths("a.md", "see `bus/bus.ts` and `bus/gone.ts`")).toEqual([
    "a.md: bus/gone.ts",
  ]);
});

test("paths: every document that code names is there", () => {
  const isCode = (file: string) => /\.(ts|mjs|py|proto|json|yaml)$/.test(file);
  // The examples of the tidy rules name files that need not be there.
  const code = listPaths().filter((file) => isCode(file) && !file.startsWith("test/tidy/"));
  const named = code.flatMap((file) =>
    [...readFileSync(from(file), "utf8").matchAll(/\bdocs\/[\w/-]+\.md\b/g)].map(([document]) => [
      file,
      document,
    ]),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(([, document = ""]) => !existsSync(from(document)))).toEqual([]);
});
