/**
 * Mends comment lines that are too long: `node_modules/.bin/node test/tidy/rewrap.ts [path …]`.
 *
 * Only paragraphs with a line over the limit are touched, and nothing but their line breaks. Lists,
 * tags, code and tables are left for people.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { from, isGenerated, isTypeScript, listPaths } from "./source.ts";

/** As in layout-rules.ts. */
const LINE_CHARS_MAX = 100;

/** A comment line: its prefix (indentation and mark) and its text. */
const commentLine = /^(\s*(?:\*|\/\/) )(\S.*)$/;
/** Text that must keep its own line. */
const ownLine = /^(?:@|[-*|#`]|\d+[. ]| )/;

/** The text with over-long comment paragraphs broken anew. */
export function rewrapComments(text: string): string {
  const lines = text.split("\n");
  const wrapped: string[] = [];
  for (let i = 0; i < lines.length; ) {
    const paragraph = takeParagraph(lines, i);
    const isLong = paragraph.some((line) => [...line].length > LINE_CHARS_MAX);
    wrapped.push(...(isLong ? wrap(paragraph) : paragraph));
    i += paragraph.length;
  }
  return wrapped.join("\n");
}

/** Lines from `start` that are one paragraph of one comment; a single line if it is none. */
function takeParagraph(lines: readonly string[], start: number): string[] {
  const [first = ""] = lines.slice(start, start + 1);
  const prefix = commentLine.exec(first)?.[1];
  const paragraph = [first];
  if (prefix === undefined) return paragraph;
  for (const line of lines.slice(start + 1)) {
    const [, ownPrefix, text = ""] = commentLine.exec(line) ?? [];
    if (ownPrefix !== prefix || ownLine.test(text)) break;
    paragraph.push(line);
  }
  return paragraph;
}

function wrap(paragraph: readonly string[]): string[] {
  const [first = ""] = paragraph;
  const prefix = commentLine.exec(first)?.[1];
  if (prefix === undefined) return [...paragraph];
  const words = paragraph.flatMap((line) => line.slice(prefix.length).trim().split(/\s+/));
  const wrapped: string[] = [];
  let line = prefix.trimEnd();
  for (const word of words) {
    if ([...line].length + 1 + word.length > LINE_CHARS_MAX) {
      wrapped.push(line);
      line = prefix.trimEnd();
    }
    line += ` ${word}`;
  }
  return [...wrapped, line];
}

function main(paths: readonly string[]): void {
  const all = listPaths().filter((file) => isTypeScript(file) && !isGenerated(file));
  const chosen = all.filter((file) => paths.length === 0 || paths.some((p) => file.startsWith(p)));
  for (const file of chosen) {
    const text = readFileSync(from(file), "utf8");
    const mended = rewrapComments(text);
    if (mended === text) continue;
    writeFileSync(from(file), mended);
    process.stdout.write(`${file}\n`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main(process.argv.slice(2));
