/**
 * Tidy rules about where things are: import direction, names and sizes of files and functions.
 */
import path from "node:path";
import {
  type Finding,
  isGenerated,
  isTypeScript,
  nodeAt,
  type Rule,
  type Source,
  type SyntaxNode,
  walk,
} from "./source.ts";

/** Lines of a file; a longer one holds more than one concept. */
const FILE_LINES_MAX = 400;
/** Lines of a function; more does not fit a screen. */
const FUNCTION_LINES_MAX = 70;
/** Characters of a line; two files fit side by side. */
const LINE_CHARS_MAX = 100;

/**
 * What each part may import of the others, besides itself. A part that is not listed (test, bench,
 * examples) may import all; files at the root are judged by {@link rootMayImport}.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  telemetry: ["proto"],
  bus: ["proto", "telemetry"],
  gateway: ["proto", "bus", "telemetry"],
  controlplane: ["proto", "bus", "telemetry"],
  // A parent of processes: it knows no part, only how to start, end and ask them.
  workers: ["proto", "telemetry"],
  "sdk/typescript": [],
  cli: ["proto", "sdk/typescript"],
  deploy: ["proto"],
};
/** The demo page runs in the browser: it is a user of the SDK, not a piece of the server. */
const browserFolder = "examples/page/browser/";
const browserMayImport: readonly string[] = [browserFolder, "sdk/typescript/"];

const importDirection: Rule = {
  title:
    "imports run one way: proto <- telemetry <- bus <- gateway, controlplane; proto <- sdk <- cli",
  appliesTo: (file) => isTypeScript(file) && !isGenerated(file),
  find: (source) =>
    importsOf(source)
      .filter(({ target }) => !isImportAllowed(source.path, target))
      .map(({ at, target }) => ({ at, what: `must not import ${target}` })),
  bad: [
    ["proto/a.ts", 'import { b } from "../bus/b.ts";'],
    ["bus/a.ts", 'export type { B } from "../gateway/b.ts";'],
    ["telemetry/a.ts", 'import type { B } from "../bus/b.ts";'],
    ["gateway/a.ts", 'import type { B } from "../controlplane/b.ts";'],
    ["controlplane/a.ts", 'const b = await import("../gateway/b.ts");'],
    ["sdk/typescript/a.ts", 'import { b } from "../../proto/b.ts";'],
    ["cli/a.ts", 'import { b } from "../bus/b.ts";'],
    ["bus/nats/a.ts", 'import { b } from "../../deploy/b.ts";'],
    ["examples/page/browser/a.ts", 'import { b } from "../../../bus/b.ts";'],
    ["gateway/a.ts", 'import { main } from "../main.ts";'],
    ["bus/a.ts", 'import { connect } from "@tidegate/sdk";'],
    ["gateway/a.ts", 'import { b } from "../test/b.ts";'],
    ["options.ts", 'import { b } from "./cli/b.ts";'],
    ["main.ts", 'import { b } from "./test/b.ts";'],
  ],
  good: [
    ["gateway/a.ts", 'import { b } from "../bus/b.ts";\nimport uws from "uWebSockets.js";'],
    ["bus/a.ts", 'import { b } from "../telemetry/b.ts";'],
    ["cli/a.ts", 'import { b } from "../sdk/typescript/index.ts";'],
    ["examples/page/browser/a.ts", 'import { b } from "../../../sdk/typescript/index.ts";'],
    ["main.ts", 'import { b } from "./gateway/b.ts";\nimport { c } from "./controlplane/c.ts";'],
    ["test/a.ts", 'import { b } from "../gateway/b.ts";'],
  ],
};

const fileLength: Rule = {
  title: `a file has at most ${FILE_LINES_MAX} lines`,
  appliesTo: (file) => /\.(ts|mjs|py|sh)$/.test(file) && !isGenerated(file),
  find: ({ text }) => {
    const lines = text.trimEnd().split("\n").length;
    return lines > FILE_LINES_MAX ? [{ at: 0, what: `${lines} lines` }] : [];
  },
  bad: [["gateway/a.ts", "// x\n".repeat(FILE_LINES_MAX + 1)]],
  good: [["gateway/a.ts", "// x\n".repeat(FILE_LINES_MAX)]],
};

const lineLength: Rule = {
  title: `a line has at most ${LINE_CHARS_MAX} characters, unless one word or literal fills it`,
  appliesTo: (file) => /\.(ts|mjs|py|sh)$/.test(file) && !isGenerated(file),
  find: ({ text }) => {
    const findings: Finding[] = [];
    let at = 0;
    for (const line of text.split("\n")) {
      if ([...line].length > LINE_CHARS_MAX && !isUnbreakable(line)) {
        findings.push({ at, what: `${[...line].length} characters` });
      }
      at += line.length + 1;
    }
    return findings;
  },
  bad: [["gateway/a.ts", `const a = ${'"bb " + '.repeat(20)}"";`]],
  good: [
    ["gateway/a.ts", `  // https://example.org/${"b".repeat(LINE_CHARS_MAX)}`],
    ["test/a.test.ts", `test("${"b ".repeat(LINE_CHARS_MAX / 2)}", () => {});`],
  ],
};

const functionLength: Rule = {
  title: `a function has at most ${FUNCTION_LINES_MAX} lines`,
  appliesTo: (file) => isTypeScript(file) && !isGenerated(file),
  find: (source) => {
    const findings: Finding[] = [];
    walkTree(source, (node, parents) => {
      if (!/Function(Declaration|Expression)$/.test(node.type)) return;
      if (isTestGroup(source, node, parents)) return;
      const lines = source.text.slice(node.start, node.end).split("\n").length;
      if (lines > FUNCTION_LINES_MAX) findings.push({ at: node.start, what: `${lines} lines` });
    });
    return findings;
  },
  bad: [
    ["gateway/a.ts", `function a() {${"\n  b();".repeat(FUNCTION_LINES_MAX)}\n}`],
    ["gateway/a.ts", `class A { #a = () => {${"\n  b();".repeat(FUNCTION_LINES_MAX)}\n} }`],
    ["test/a.test.ts", `test("a", () => {${"\n  b();".repeat(FUNCTION_LINES_MAX)}\n});`],
  ],
  good: [
    ["gateway/a.ts", `function a() {${"\n  b();".repeat(FUNCTION_LINES_MAX - 2)}\n}`],
    [
      "test/a.test.ts",
      `describe("a", () => {${'\n  test("b", () => {\n});'.repeat(FUNCTION_LINES_MAX)}\n});`,
    ],
  ],
};

const fileName: Rule = {
  title: "files are kebab-case and folders are not named src, utils, common, helpers or lib",
  appliesTo: (file) => !isGenerated(file),
  find: (source) => {
    const folders = source.path.split("/").slice(0, -1);
    const name = path.posix.basename(source.path);
    const stem = name.replace(/\.[^.]+$/, "");
    const findings: Finding[] = [];
    const vague = [...folders, stem].find((part) => vagueNames.has(part));
    if (vague !== undefined) findings.push({ at: 0, what: `"${vague}" says nothing` });
    if (!isWellNamed(name)) findings.push({ at: 0, what: `${name} is not kebab-case` });
    return findings;
  },
  bad: [
    ["gateway/fanOut.ts", ""],
    ["gateway/fan_out.ts", ""],
    ["gateway/src/fan-out.ts", ""],
    ["bus/helpers.ts", ""],
    ["sdk/python/tidegate/fan-out.py", ""],
  ],
  good: [
    ["gateway/fan-out.ts", ""],
    ["test/gateway/fan-out.test.ts", ""],
    ["sdk/python/tidegate/fan_out.py", ""],
    ["docs/adr/0001-a-log.md", ""],
    [".ci/run", ""],
    ["README.md", ""],
  ],
};

const noReExport: Rule = {
  title: "no file passes on another's exports, except the SDK's door, name by name",
  appliesTo: (file) => isTypeScript(file) && !isGenerated(file),
  find: (source) => {
    const findings: Finding[] = [];
    walkTree(source, (node) => {
      const isStar = node.type === "ExportAllDeclaration";
      const isNamed = node.type === "ExportNamedDeclaration" && nodeAt(node, "source") !== null;
      if (isStar || (isNamed && source.path !== sdkDoor)) {
        findings.push({ at: node.start, what: "import it where it is defined" });
      }
    });
    return findings;
  },
  bad: [
    ["gateway/a.ts", 'export { b } from "./b.ts";'],
    ["gateway/a.ts", 'export type { B } from "./b.ts";'],
    ["sdk/typescript/index.ts", 'export * from "./b.ts";'],
  ],
  good: [["sdk/typescript/index.ts", 'export { b } from "./b.ts";']],
};

export const LAYOUT_RULES: readonly Rule[] = [
  importDirection,
  fileLength,
  lineLength,
  functionLength,
  fileName,
  noReExport,
];

const sdkDoor = "sdk/typescript/index.ts";
const vagueNames = new Set(["src", "util", "utils", "common", "helper", "helpers", "lib", "misc"]);

/** An import of one of our files. */
export interface LocalImport {
  readonly at: number;
  /** Path from the root. */
  readonly target: string;
  /** Whether nothing of it is left when types are stripped. */
  readonly isTypeOnly: boolean;
}

/** Every file of ours that a file imports, static or not. */
export function importsOf(source: Source): LocalImport[] {
  const found: LocalImport[] = [];
  walkTree(source, (node) => {
    const from = /^(Import|Export)/.test(node.type) ? nodeAt(node, "source") : null;
    const module = from?.value;
    if (typeof module !== "string") return;
    const isTypeOnly = node.importKind === "type" || node.exportKind === "type";
    if (module === "@tidegate/sdk") found.push({ at: node.start, target: sdkDoor, isTypeOnly });
    if (!module.startsWith(".")) return;
    const target = path.posix.join(path.posix.dirname(source.path), module);
    found.push({ at: node.start, target, isTypeOnly });
  });
  return found;
}

function isImportAllowed(importer: string, target: string): boolean {
  if (importer.startsWith(browserFolder)) {
    return browserMayImport.some((folder) => target.startsWith(folder));
  }
  const part = partOf(importer);
  if (part === "") return rootMayImport(importer, partOf(target));
  const allowed = mayImport[part];
  if (allowed === undefined) return true;
  return partOf(target) === part || allowed.includes(partOf(target));
}

/** main.ts composes every part; the root's other files (options.ts) know only their defaults. */
function rootMayImport(importer: string, targetPart: string): boolean {
  if (importer === "vitest.config.ts" && targetPart === "test") return true;
  if (importer === "main.ts") return !["test", "bench"].includes(targetPart);
  const parts = ["", "proto", "telemetry", "bus", "gateway", "controlplane"];
  return parts.includes(targetPart);
}

/** First folder of a path ("sdk/<language>" for an SDK); "" for a file at the root. */
function partOf(file: string): string {
  const [first = "", second = ""] = file.split("/");
  if (second === "") return "";
  return first === "sdk" ? `sdk/${second}` : first;
}

/** A line that the formatter cannot break: one word, or one literal, fills most of it. */
function isUnbreakable(line: string): boolean {
  const literals = line.match(/"[^"]*"|'[^']*'|`[^`]*`/g) ?? [];
  const words = line.trim().split(/\s+/);
  const longest = Math.max(...[...words, ...literals].map((part) => part.length));
  return longest > LINE_CHARS_MAX / 2;
}

/** The callback of `describe`, or a function that holds tests: a list, not one thought. */
function isTestGroup(source: Source, node: SyntaxNode, parents: readonly SyntaxNode[]): boolean {
  if (!source.path.startsWith("test/")) return false;
  const call = parents.at(-1);
  const callee = call?.type === "CallExpression" ? nodeAt(call, "callee") : null;
  if (callee !== null && /^describe\b/.test(textOf(source, callee))) return true;
  return /^\s*(?:test|rule|describe)\b/m.test(textOf(source, node)) && isNamed(node, parents);
}

function isNamed(node: SyntaxNode, parents: readonly SyntaxNode[]): boolean {
  return nodeAt(node, "id") !== null || parents.at(-1)?.type === "VariableDeclarator";
}

function textOf(source: Source, node: SyntaxNode): string {
  return source.text.slice(node.start, node.end);
}

function walkTree(source: Source, visit: Parameters<typeof walk>[1]): void {
  if (source.tree !== null) walk(source.tree, visit);
}

function isWellNamed(name: string): boolean {
  if (/^(README|CONTRIBUTING|SECURITY|CHANGELOG|LICENSE)(\.md)?$/.test(name)) return true;
  if (/\.(py|pyi|proto)$/.test(name)) return /^[a-z0-9_]+\.[a-z]+$/.test(name);
  if (name === "py.typed") return true;
  return /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/.test(name);
}
