/**
 * Tidy rules over all files at once: what pure files reach, and files that nothing reaches.
 */
import path from "node:path";
import { findImpurities, isPure } from "./code-rules.ts";
import { importsOf } from "./layout-rules.ts";
import { isProductTypeScript, lineOf, type Source } from "./source.ts";

/** All files, by path. */
export type Sources = ReadonlyMap<string, Source>;

/** What stands for a package: a pure file may take types and plain functions out of it. */
const packageDoors = new Set(["sdk/typescript/index.ts"]);

/** What pure files reach through their imports that is not pure, as "file -> file:line what". */
export function findImpureReach(sources: Sources): string[] {
  const findings: string[] = [];
  for (const source of sources.values()) {
    if (source.tree === null || !isPure(source)) continue;
    for (const reached of reachOf(source, sources)) {
      const [first] = findImpurities(reached);
      if (first === undefined) continue;
      const place = `${reached.path}:${lineOf(reached.text, first.at)}`;
      findings.push(`${source.path} -> ${place} ${first.what}`);
    }
  }
  return findings;
}

/**
 * Product files that no other file names: dead, or an entrance that should be called main.ts.
 * A name counts wherever it stands (imports, worker URLs, package.json), tests aside.
 */
export function findOrphans(sources: Sources): string[] {
  const named = new Set<string>();
  for (const source of sources.values()) {
    if (source.path.startsWith("test/")) continue;
    for (const [, name = ""] of source.text.matchAll(/["'`/ ]([\w.-]+\.ts)\b/g)) {
      if (path.posix.basename(source.path) !== name) named.add(name);
    }
  }
  return [...sources.keys()].filter((file) => {
    const name = path.posix.basename(file);
    const isEntrance = name === "main.ts" || name.endsWith(".config.ts");
    return isProductTypeScript(file) && !isEntrance && !named.has(name);
  });
}

function reachOf(source: Source, sources: Sources): Source[] {
  const reached = new Set<Source>();
  const waiting = [source];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const { target, isTypeOnly } of importsOf(next)) {
      const found = sources.get(target);
      if (isTypeOnly || found === undefined || reached.has(found)) continue;
      if (packageDoors.has(target)) continue;
      reached.add(found);
      waiting.push(found);
    }
  }
  return [...reached];
}
