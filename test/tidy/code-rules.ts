/**
 * Tidy rules about code: what type stripping cannot run, what hides errors, and what may read the
 * clock, randomness or the environment.
 */
import {
  type Finding,
  headerOf,
  isGenerated,
  isProductTypeScript,
  isTypeScript,
  nameOf,
  nodeAt,
  nodesAt,
  type Rule,
  type Source,
  type SyntaxNode,
  walk,
} from "./source.ts";

const isOurs = (file: string): boolean => isTypeScript(file) && !isGenerated(file);

const erasable: Rule = {
  title: "no enum, namespace, parameter property, decorator, using, any, non-null ! or private",
  appliesTo: isOurs,
  find: (source) =>
    findNodes(source, (node) => {
      if (Array.isArray(node.decorators) && node.decorators.length > 0) return "decorator";
      // Only a constructor can not be written #constructor.
      const isPrivate = node.accessibility === "private" && node.kind !== "constructor";
      if (isPrivate) return "private: write #name";
      if (node.type === "VariableDeclaration" && /using/.test(String(node.kind))) return "using";
      if (node.type === "TSModuleDeclaration" && node.kind === "global") return null;
      return forbiddenNodes[node.type] ?? null;
    }),
  bad: [
    ["bus/a.ts", "enum A { B }"],
    ["bus/a.ts", "namespace A { export const b = 1; }"],
    ["bus/a.ts", "class A { constructor(readonly b: number) {} }"],
    ["bus/a.ts", "@b class A {}"],
    ["bus/a.ts", "{ using a = b(); }"],
    ["bus/a.ts", "const a: any = 1;"],
    ["bus/a.ts", "const a = b!.c;"],
    ["bus/a.ts", "class A { private b = 1; }"],
  ],
  good: [
    ["bus/a.ts", "class A { private constructor() {} }"],
    ["bus/a.ts", 'class A { #b = "any enum!"; }\nconst a = { enum: 1 } as const;'],
  ],
};

const noEmptyCatch: Rule = {
  title: "a catch handles the error, or says in a comment why ignoring it is safe",
  appliesTo: isOurs,
  find: (source) =>
    findNodes(source, (node) => {
      const isBlock = node.type === "CatchClause";
      if (isBlock) return isEmptyBlock(source, nodeAt(node, "body")) ? "empty catch" : null;
      if (node.type !== "CallExpression" || calleeName(node) !== "catch") return null;
      const [handler] = nodesAt(node, "arguments");
      const body = handler === undefined ? null : nodeAt(handler, "body");
      // A test may let go of a promise whose end it does not judge.
      if (!isEmptyBlock(source, body) || source.path.startsWith("test/")) return null;
      return isExplained(source, node) ? null : "empty catch";
    }),
  bad: [
    ["bus/a.ts", "try { b(); } catch {}"],
    ["bus/a.ts", "try { b(); } catch (error) { ; }"],
    ["bus/a.ts", "b().catch(() => {});"],
  ],
  good: [
    ["bus/a.ts", "try { b(); } catch { // gone already, which is what was wanted\n }"],
    ["bus/a.ts", "b().catch((error) => { log(error); });"],
    ["bus/a.ts", "// Whoever waits for it sees the error.\nb().catch(() => {});"],
    ["bus/a.ts", "b().catch(() => {}); // whoever waits for it sees the error"],
  ],
};

const environment: Rule = {
  title: "process.env is read only in main.ts files",
  appliesTo: (file) => isProductTypeScript(file) && !/(^|\/)main\.ts$/.test(file),
  find: (source) =>
    findNodes(source, (node) => {
      if (dotted(node) === "process.env") return "process.env";
      if (node.type !== "VariableDeclarator" || nameOf(nodeAt(node, "init")) !== "process") {
        return null;
      }
      const pattern = nodeAt(node, "id");
      const names = pattern === null ? [] : nodesAt(pattern, "properties");
      return names.some((name) => nameOf(nodeAt(name, "key")) === "env") ? "process.env" : null;
    }),
  bad: [
    ["options.ts", "const port = process.env.PORT;"],
    ["bus/a.ts", "const { PORT } = process.env;"],
    ["cli/a.ts", "const { stdout, env } = process;"],
  ],
  good: [["options.ts", "export function readOptions(env: Env) { return env.PORT; }"]],
};

const moduleState: Rule = {
  title: "a module has no state: no let or var at its top, but in the program, main.ts",
  appliesTo: (file) => isProductTypeScript(file) && !/(^|\/)main\.ts$/.test(file),
  find: (source) =>
    findNodes(source, (node, parents) => {
      if (node.type !== "VariableDeclaration" || node.kind === "const") return null;
      const isTop = parents.every((parent) => /^(Program|Export)/.test(parent.type));
      return isTop && node.kind !== "using" ? `${node.kind} at the top` : null;
    }),
  bad: [
    ["bus/a.ts", "let count = 0;"],
    ["bus/a.ts", "export let count = 0;"],
  ],
  good: [["bus/a.ts", "const a = 1;\nfunction b() { let c = 0; return c; }"]],
};

const pureFiles: Rule = {
  title: 'a file whose header says "Pure" has no clock, randomness, timer, I/O or await',
  appliesTo: isOurs,
  find: (source) => (isPure(source) ? findImpurities(source) : []),
  bad: [
    ["bus/a.ts", "/** Pure. */\nconst now = Date.now();"],
    ["bus/a.ts", "/** A place.\n *\n * Pure: no I/O.\n */\nconst a = new Date();"],
    ["bus/a.ts", "/** Pure. */\nsetTimeout(b, 1);"],
    ["bus/a.ts", "/** Pure. */\nconst a = Math.random();"],
    ["bus/a.ts", "/** Pure. */\nconst a = performance.now();"],
    ["bus/a.ts", '/** Pure. */\nimport { readFileSync } from "node:fs";'],
    ["bus/a.ts", '/** Pure. */\nimport { randomBytes } from "node:crypto";'],
    ["bus/a.ts", '/** Pure. */\nimport { App } from "uWebSockets.js";'],
    ["bus/a.ts", "/** Pure. */\nasync function a() {}"],
  ],
  good: [
    ["bus/a.ts", "/** Reads the clock. */\nconst now = Date.now();"],
    ["bus/a.ts", "/** Pure. */\nfunction a(nowMs: number) { return new Date(nowMs); }"],
    ["bus/a.ts", '/** Pure. */\nimport type { App } from "uWebSockets.js";'],
    ["bus/a.ts", '/** Pure. */\nimport { createHash } from "node:crypto";'],
  ],
};

const decidingIsPure: Rule = {
  title: 'a file that exports a deciding function says "Pure" in its header, and so is checked',
  appliesTo: isProductTypeScript,
  find: (source) =>
    findNodes(source, (node, parents) => {
      const name = nameOf(nodeAt(node, "id"));
      const isExported = parents.at(-1)?.type === "ExportNamedDeclaration";
      if (node.type !== "FunctionDeclaration" || !isExported || isPure(source)) return null;
      return /^(decide|judge|place|evaluate|choose)[A-Z]/.test(name) ? name : null;
    }),
  bad: [["gateway/a.ts", "/** Admission. */\nexport function decideAdmission() {}"]],
  good: [["gateway/a.ts", "/** Admission. Pure. */\nexport function decideAdmission() {}"]],
};

export const CODE_RULES: readonly Rule[] = [
  erasable,
  noEmptyCatch,
  environment,
  moduleState,
  pureFiles,
  decidingIsPure,
];

const forbiddenNodes: Readonly<Record<string, string>> = {
  TSEnumDeclaration: "enum",
  TSModuleDeclaration: "namespace",
  TSParameterProperty: "parameter property",
  TSAnyKeyword: "any",
  TSNonNullExpression: "non-null !",
};

const impureNames = new Set([
  "Date.now",
  "Math.random",
  "performance.now",
  "performance.timeOrigin",
  "process.hrtime",
  "process.env",
  "crypto.randomUUID",
  "crypto.getRandomValues",
]);
const impureCalls = new Set(["setTimeout", "setInterval", "setImmediate", "fetch", "Date"]);
/**
 * Packages and built-in modules that a pure file may use; `node:crypto` for hashes alone. `#fixes`
 * is a table of texts on every platform.
 */
const pureModules =
  /^(\.|#fixes$|node:(buffer|crypto|module|path|util|assert)|@bufbuild\/protobuf|semver$|yaml$)/;
const impureImports = /^(random|getRandom|generateKey|webcrypto)/;

/** Whether the file promises, in its header, to decide only. */
export function isPure(source: Source): boolean {
  return /(^|[\s*.])Pure[.:,;]/.test(headerOf(source.text));
}

/** Whatever in a file reads a clock, is random, waits or does I/O, whether it promised or not. */
export function findImpurities(source: Source): Finding[] {
  return findNodes(source, (node) => {
    if (node.async === true || node.type === "AwaitExpression") return "async";
    if (impureNames.has(dotted(node))) return dotted(node);
    if (/^(Call|New)Expression$/.test(node.type)) {
      const name = nameOf(nodeAt(node, "callee"));
      const isDateOf = name === "Date" && nodesAt(node, "arguments").length > 0;
      return impureCalls.has(name) && !isDateOf ? `${name}()` : null;
    }
    if (node.type !== "ImportDeclaration" || node.importKind === "type") return null;
    const module = String(nodeAt(node, "source")?.value);
    if (!pureModules.test(module)) return `imports ${module}`;
    const names = nodesAt(node, "specifiers").map((one) => nameOf(nodeAt(one, "imported")));
    return names.find((name) => impureImports.test(name)) ?? null;
  });
}

/** "a.b" for a member expression of two plain names; "" for all else. */
function dotted(node: SyntaxNode): string {
  if (node.type !== "MemberExpression" || node.computed === true) return "";
  const object = nameOf(nodeAt(node, "object"));
  return object === "" ? "" : `${object}.${nameOf(nodeAt(node, "property"))}`;
}

function calleeName(call: SyntaxNode): string {
  const callee = nodeAt(call, "callee");
  return callee?.type === "MemberExpression" ? nameOf(nodeAt(callee, "property")) : "";
}

function isEmptyBlock(source: Source, block: SyntaxNode | null): boolean {
  if (block?.type !== "BlockStatement") return false;
  return /^[\s;]*$/.test(source.text.slice(block.start + 1, block.end - 1));
}

/** Whether a comment stands on the line of the node's end, or on the one above its start. */
function isExplained(source: Source, node: SyntaxNode): boolean {
  const before = source.text.slice(0, node.start).split("\n");
  const above = before.at(-2) ?? "";
  const [rest = ""] = source.text.slice(node.end).split("\n");
  return /^\s*(\/\/|\*|\/\*)/.test(above) || rest.includes("//");
}

function findNodes(
  source: Source,
  judge: (node: SyntaxNode, parents: readonly SyntaxNode[]) => string | null,
): Finding[] {
  const findings: Finding[] = [];
  if (source.tree === null) return findings;
  walk(source.tree, (node, parents) => {
    const what = judge(node, parents);
    if (what !== null) findings.push({ at: node.start, what });
  });
  return findings;
}
