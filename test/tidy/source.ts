/**
 * The files of the repository, as the tidy rules see them: text, lines and syntax tree.
 *
 * The parser is the one vitest brings (oxc), so no rule guesses at strings, comments or braces.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseAst } from "vitest/node";

/** One file. */
export interface Source {
  /** From the root of the repository, with "/". */
  readonly path: string;
  readonly text: string;
  /** Root of the syntax tree; null when the file is not TypeScript. */
  readonly tree: SyntaxNode | null;
}

/** A node of the tree (ESTree with TypeScript); further fields are read by {@link nodeAt}. */
export interface SyntaxNode {
  readonly type: string;
  /** Offsets into the text. */
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** A place that breaks a rule. */
export interface Finding {
  /** Offset into the text. */
  readonly at: number;
  readonly what: string;
}

/** One rule over single files, with an example of each side. */
export interface Rule {
  /** What holds, as a sentence without a full stop. */
  readonly title: string;
  /** Whether the rule speaks of the file at `path`. */
  appliesTo(path: string): boolean;
  find(source: Source): Finding[];
  /** Files, as path and text, each of which the rule must catch. */
  readonly bad: readonly (readonly [path: string, text: string])[];
  /** Files, as path and text, that it must let pass. */
  readonly good: readonly (readonly [path: string, text: string])[];
}

export const ROOT = path.resolve(import.meta.dirname, "../..");

/** Paths of all files that git tracks or would track, sorted; generated ones too. */
export function listPaths(): string[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const listed = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });
  const paths = listed.split("\0").filter((file) => file !== "" && existsSync(from(file)));
  return [...new Set(paths)].sort();
}

/** Reads a file of the repository. */
export function readSource(file: string): Source {
  return makeSource(file, readFileSync(from(file), "utf8"));
}

/** Makes a source of a path and a text, for examples. */
export function makeSource(file: string, text: string): Source {
  return { path: file, text, tree: isTypeScript(file) ? parse(file, text) : null };
}

/** Absolute path of a file of the repository. */
export function from(file: string): string {
  return path.join(ROOT, file);
}

export function isTypeScript(file: string): boolean {
  return file.endsWith(".ts") && !file.endsWith(".d.ts");
}

/** Whether a generator wrote it: never judged by style. */
export function isGenerated(file: string): boolean {
  return /(^|\/)_?gen\//.test(file) || file === "package-lock.json";
}

/** Whether it is what users run, as opposed to tests, benches and examples. */
export function isProduct(file: string): boolean {
  return !/^(test|bench|examples)\//.test(file) && !file.startsWith("sdk/python/tests/");
}

/** TypeScript that people write and users run. */
export function isProductTypeScript(file: string): boolean {
  return isTypeScript(file) && !isGenerated(file) && isProduct(file);
}

/** Line number of an offset, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** The comment the file opens with, after a possible "#!" line; "" when there is none. */
export function headerOf(text: string): string {
  const found = /^(?:#![^\n]*\n)?\s*(\/\*[\s\S]*?\*\/|(?:\/\/[^\n]*\n)+)/.exec(text);
  return found?.[1] ?? "";
}

/** A field of a node that holds a node, or null. */
export function nodeAt(node: SyntaxNode, field: string): SyntaxNode | null {
  const value = node[field];
  return isNode(value) ? value : null;
}

/** A field of a node that holds a list, its nodes only. */
export function nodesAt(node: SyntaxNode, field: string): SyntaxNode[] {
  const value = node[field];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** Text of an Identifier or PrivateIdentifier; "" for another node. */
export function nameOf(node: SyntaxNode | null): string {
  return typeof node?.name === "string" ? node.name : "";
}

/** Calls `visit` for each node, parents first; `parents` runs from the root to the parent. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parents: readonly SyntaxNode[]) => void,
  parents: readonly SyntaxNode[] = [],
): void {
  visit(node, parents);
  const inside = [...parents, node];
  for (const value of Object.values(node)) {
    const children: readonly unknown[] = Array.isArray(value) ? value : [value];
    for (const child of children) if (isNode(child)) walk(child, visit, inside);
  }
}

/** Offsets of every match of a global pattern. */
export function findText(source: Source, pattern: RegExp, what: string): Finding[] {
  return [...source.text.matchAll(pattern)].map((match) => ({
    at: match.index,
    what: `${what}: ${match[0].trim().slice(0, 60)}`,
  }));
}

function parse(file: string, text: string): SyntaxNode {
  // Node drops a "#!" line; the parser would take it as well, but offsets must stay.
  return parseAst(text, { lang: "ts", sourceType: "module" }, file) as unknown as SyntaxNode;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}
