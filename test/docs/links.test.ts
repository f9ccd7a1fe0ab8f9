/** Documents: relative links lead somewhere, also to the heading they name. */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { from, listPaths } from "../tidy/source.ts";

const documents = listPaths().filter((file) => file.endsWith(".md"));

/** Links that lead nowhere, as "file: target". */
function findBrokenLinks(file: string, text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  const targets = [...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)];
  return targets.flatMap(([, target = ""]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [pathPart = "", anchor] = target.split("#");
    const linked = pathPart === "" ? file : path.posix.join(path.posix.dirname(file), pathPart);
    if (!existsSync(from(linked))) return [`${file}: ${target}`];
    if (anchor === undefined || statSync(from(linked)).isDirectory()) return [];
    const linkedText = linked === file ? text : readFileSync(from(linked), "utf8");
    return anchorsOf(linkedText).has(anchor) ? [] : [`${file}: ${target}`];
  });
}

/** Anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "");
  const headings = [...prose.matchAll(/^#{1,6} +(.+)$/gm)].map(([, title = ""]) => title);
  return new Set(
    headings.map((title) =>
      title
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test.each(documents)("links: every relative link of %s resolves", (file) => {
  expect(findBrokenLinks(file, readFileSync(from(file), "utf8"))).toEqual([]);
});

test("links: a missing file and a missing heading are caught", () => {
  const text = "# A title: here\n[a](no-such-file.md) [b](#a-title-here) [c](#gone) `[d](gone.md)`";
  expect(findBrokenLinks("README.md", text)).toEqual([
    "README.md: no-such-file.md",
    "README.md: #gone",
  ]);
});

test("links: there are documents to check", () => {
  expect(documents.length).toBeGreaterThan(10);
});
