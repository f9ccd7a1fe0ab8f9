/**
 * Tidy rules about text: comments that must be there, and what must not be in any file.
 */
import {
  type Finding,
  findText,
  headerOf,
  isGenerated,
  isTypeScript,
  nodeAt,
  nodesAt,
  type Rule,
  type Source,
  type SyntaxNode,
} from "./source.ts";

/** Words of a header; fewer cannot say what the file is for and why this way. */
const HEADER_WORDS_MIN = 4;

const header: Rule = {
  title: "a file opens with a comment that says what it is",
  appliesTo: (file) =>
    isTypeScript(file) && !isGenerated(file) && !/\.(test|config)\.ts$/.test(file),
  find: ({ text }) => {
    const words = headerOf(text).match(/[A-Za-z]{2,}/g)?.length ?? 0;
    return words < HEADER_WORDS_MIN ? [{ at: 0, what: `a header of ${words} words` }] : [];
  },
  bad: [
    ["bus/a.ts", 'import { b } from "./b.ts";\n/** What it is, too late to be a header. */'],
    ["bus/a.ts", "/** Positions. */\nexport const a = 1;"],
  ],
  good: [
    ["bus/a.ts", "/** Positions of messages, and their text form. */\n"],
    ["cli/a.ts", "#!/usr/bin/env node\n// Reads lines and publishes each to a room.\n"],
  ],
};

const docstrings: Rule = {
  title: "every export has a docstring; for the one a file is named for, its header is it",
  appliesTo: (file) =>
    /^(proto|bus|gateway|controlplane|sdk\/typescript|cli)\//.test(file) &&
    isTypeScript(file) &&
    !isGenerated(file),
  find: (source) => {
    const findings: Finding[] = [];
    const body = source.tree === null ? [] : nodesAt(source.tree, "body");
    let described = "";
    for (const node of body) {
      const declaration = /^Export(Named|Default)/.test(node.type)
        ? nodeAt(node, "declaration")
        : null;
      if (declaration === null) continue;
      const name = exportedName(source, declaration);
      // An overload, or the type beside a constant of the same name, is described by the first.
      const isSame = name !== "" && name === described;
      if (hasDocstring(source, node)) described = name;
      else if (!isSame && !isNamesake(source.path, name))
        findings.push({ at: node.start, what: name || "export" });
    }
    return findings;
  },
  bad: [
    ["bus/chain.ts", "/** What the file is for. */\nimport b from 'b';\nexport const a = 1;"],
    ["bus/chain.ts", "// not a docstring\nexport interface A {}"],
    ["bus/chain.ts", "/** Doc. */\nexport const a = 1;\nexport const b = 1;"],
  ],
  good: [
    ["bus/chain.ts", "/** Doc. */\nexport const a = 1;\n/** Doc. */\nexport function b() {}"],
    ["bus/chain.ts", "/** Doc. */\nexport const A = {} as const;\nexport type A = keyof typeof A;"],
    ["bus/chain.ts", 'import type { A } from "./b.ts";\nexport type { A };'],
    ["bus/lane-map.ts", "/** Lanes. */\nimport b from 'b';\nexport class LaneMap {}"],
  ],
};

const tests: Rule = {
  title: "no test is marked .only or .todo, and none is skipped without a reason",
  appliesTo: (file) => file.startsWith("test/") && isTypeScript(file) && !file.includes("/tidy/"),
  find: (source) => [
    ...findText(source, /\b(?:test|it|describe|bench)\.(?:only|todo)\b/g, "left over"),
    ...findText(source, /\b(?:fit|fdescribe|xit|xdescribe|xtest)\(/g, "left over"),
    ...findText(source, /\b(?:test|it|describe)\.skip\(/g, "use skipIf, or skip(reason) inside"),
    ...findText(source, /\b(?:context|ctx|task)?\.skip\(\s*\)/g, "skipped without a reason"),
  ],
  bad: [
    ["test/a.test.ts", 'test.only("a", () => {});'],
    ["test/a.test.ts", 'test.todo("a");'],
    ["test/a.test.ts", 'describe.skip("a", () => {});'],
    ["test/a.test.ts", 'test("a", (context) => context.skip());'],
  ],
  good: [["test/a.test.ts", 'test("a", (context) => context.skip("no strace here"));']],
};

const noSleep: Rule = {
  title: "a test waits for events, never for time",
  appliesTo: (file) => file.endsWith(".test.ts") && !file.includes("/tidy"),
  find: (source) => [
    ...findText(source, /\bsetTimeout\(\s*(?:resolve|done|r|ok)\s*,/g, "sleeps"),
    ...findText(source, /from "(?:node:)?timers\/promises"/g, "sleeps"),
    ...findText(source, /\bawait (?:sleep|delay|pause)\(/g, "sleeps"),
  ],
  bad: [
    ["test/a.test.ts", "await new Promise((resolve) => setTimeout(resolve, 100));"],
    ["test/a.test.ts", 'import { setTimeout } from "node:timers/promises";'],
    ["test/a.test.ts", "await sleep(50);"],
  ],
  good: [["test/a.test.ts", 'await once(socket, "close");']],
};

const secrets: Rule = {
  title: "no file holds a machine's paths, a registry's host or a secret",
  appliesTo: (file) => !/^test\/tidy\//.test(file),
  find: (source) => [
    ...findText(source, /(?<![\w.])\/(?:root|home|Users|work|builds)\/[\w.-]+/g, "machine path"),
    ...findText(source, /\b[A-Z]:\\\\?Users\\/g, "machine path"),
    ...findText(source, /\b(?:registry\.npmjs\.org|files\.pythonhosted\.org)\b/g, "registry"),
    ...findText(source, /\b[\w.-]*(?:artifactory|jfrog|nexus|verdaccio)[\w.-]*\.\w+/gi, "registry"),
    ...findText(source, /"resolved": "https?:/g, "registry"),
    ...findText(source, /--(?:extra-)?index-url|\bregistry=https?:/g, "registry"),
    ...findText(source, /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/g, "secret"),
    ...findText(source, /\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|xox[abprs]-[\w-]{10,})/g, "secret"),
  ],
  bad: [
    ["docs/a.md", "cd /home/anna/tidegate"],
    ["docs/a.md", "cd /root/tidegate && npm test"],
    ["a.json", '"resolved": "https://example.org/a.tgz"'],
    [".npmrc", "registry=https://npm.example.org"],
    ["sdk/python/requirements-dev.txt", "--index-url https://example.org/simple"],
    ["docs/key.md", "-----BEGIN RSA PRIVATE KEY-----"],
  ],
  good: [["docs/a.md", "proxy_pass http://127.0.0.1:8080/home/; cd ~/tidegate"]],
};

export const TEXT_RULES: readonly Rule[] = [header, docstrings, tests, noSleep, secrets];

/** Whether a docstring stands right before the node (the header counts when it does). */
function hasDocstring(source: Source, node: SyntaxNode): boolean {
  const before = source.text.slice(0, node.start).trimEnd();
  if (!before.endsWith("*/")) return false;
  return before.slice(before.lastIndexOf("/*")).startsWith("/**");
}

/** Whether the file is named for this export: `lane.ts` for Lane, `options.ts` for BusOptions. */
function isNamesake(file: string, name: string): boolean {
  const stem = (file.split("/").at(-1) ?? "").replace(/\.ts$/, "").replaceAll("-", "");
  return name.toLowerCase().endsWith(stem);
}

function exportedName(source: Source, declaration: SyntaxNode): string {
  const [first] = nodesAt(declaration, "declarations");
  const id = nodeAt(declaration, "id") ?? (first === undefined ? null : nodeAt(first, "id"));
  return id === null ? "" : (source.text.slice(id.start, id.end).split(/[:\s]/)[0] ?? "");
}
