/** House style as tests: each rule holds for every file, and each is shown to catch a violation. */
import { describe, expect, test } from "vitest";
import { CODE_RULES } from "./tidy/code-rules.ts";
import { findImpureReach, findOrphans } from "./tidy/graph-rules.ts";
import { LAYOUT_RULES } from "./tidy/layout-rules.ts";
import {
  lineOf,
  listPaths,
  makeSource,
  type Rule,
  readSource,
  type Source,
} from "./tidy/source.ts";
import { TEXT_RULES } from "./tidy/text-rules.ts";

const rules: readonly Rule[] = [...LAYOUT_RULES, ...CODE_RULES, ...TEXT_RULES];
/** Compressed or native content has no lines to judge. */
const binary = /\.(png|jpg|ico|gz|node|woff2|binpb|bin)$/;
const sources = new Map<string, Source>();
for (const file of listPaths()) if (!binary.test(file)) sources.set(file, readSource(file));

function listFindings(rule: Rule, source: Source): string[] {
  if (!rule.appliesTo(source.path)) return [];
  return rule
    .find(source)
    .map(({ at, what }) => `${source.path}:${lineOf(source.text, at)} ${what}`);
}

/** An example with a title of one line, since some texts have hundreds. */
function titled([file, text]: readonly [string, string]): [string, string, string] {
  return [`${file}: ${text.replaceAll(/\s+/g, " ").slice(0, 60)}`, file, text];
}

describe.each(rules.map((rule) => [rule.title, rule] as const))("tidy: %s", (_title, rule) => {
  test("holds in every file", () => {
    const findings = [...sources.values()].flatMap((source) => listFindings(rule, source));
    expect(findings).toEqual([]);
  });

  test.each(rule.bad.map(titled))("catches a violation (%s)", (_example, file, text) => {
    expect(listFindings(rule, makeSource(file, text))).not.toEqual([]);
  });

  test.each(rule.good.map(titled))("lets pass what is right (%s)", (_example, file, text) => {
    expect(listFindings(rule, makeSource(file, text))).toEqual([]);
  });
});

const asSources = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([file, text]) => [file, makeSource(file, text)]));

describe("tidy: a pure file imports nothing impure, however far away", () => {
  test("holds in every file", () => {
    expect(findImpureReach(sources)).toEqual([]);
  });

  test("catches a clock two imports away, and lets a type pass", () => {
    const clock = { "bus/c.ts": "/** A clock. */\nexport const now = () => Date.now();" };
    const middle = { "bus/b.ts": '/** Middle. */\nimport { now } from "./c.ts";' };
    const pure = '/** Decides. Pure. */\nimport { b } from "./b.ts";';
    const typed = '/** Decides. Pure. */\nimport type { b } from "./b.ts";';
    expect(findImpureReach(asSources({ ...clock, ...middle, "bus/a.ts": pure }))).toEqual([
      "bus/a.ts -> bus/c.ts:2 Date.now",
    ]);
    expect(findImpureReach(asSources({ ...clock, ...middle, "bus/a.ts": typed }))).toEqual([]);
  });
});

describe("tidy: every file is used by another", () => {
  test("holds in every file", () => {
    expect(findOrphans(sources)).toEqual([]);
  });

  test("catches a file that only its test imports", () => {
    const files = {
      "bus/a.ts": "/** A. */",
      "bus/b.ts": "/** B. */",
      "bus/main.ts": 'import "./b.ts";',
      "test/bus/a.test.ts": 'import "../../bus/a.ts";',
    };
    expect(findOrphans(asSources(files))).toEqual(["bus/a.ts"]);
  });
});

test("tidy: the files judged are those of the repository, generated code aside", () => {
  expect(sources.size).toBeGreaterThan(50);
  expect([...sources.keys()]).toContain("test/tidy.test.ts");
});
