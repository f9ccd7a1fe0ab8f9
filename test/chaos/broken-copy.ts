/**
 * Makes a broken copy of the product: its source, with one place changed.
 */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PRODUCT_ROOT } from "./run.ts";
import type { Variant } from "./variants.ts";

/** What servers do not run: not copied. */
const LEFT_OUT = new Set([
  ".cache",
  ".ci",
  ".git",
  "bench",
  "deploy",
  "docs",
  "examples",
  "node_modules",
  "sdk",
  "test",
]);

/** A copy of the product. */
export interface BrokenCopy {
  /** Its folder, with a main.ts. */
  readonly root: string;
  remove(): void;
}

/**
 * Copies the product and changes it.
 *
 * @throws {Error} when the text to replace is not there exactly once.
 */
export function makeBrokenCopy({ name, file, find, replace }: Variant): BrokenCopy {
  const text = readFileSync(path.join(PRODUCT_ROOT, file), "utf8");
  const count = text.split(find).length - 1;
  if (count !== 1)
    throw new Error(`variant ${name}: its text is ${count} times in ${file}, not once`);
  const root = mkdtempSync(path.join(tmpdir(), `tidegate-${name}-`));
  for (const entry of readdirSync(PRODUCT_ROOT)) {
    if (LEFT_OUT.has(entry)) continue;
    cpSync(path.join(PRODUCT_ROOT, entry), path.join(root, entry), { recursive: true });
  }
  symlinkSync(path.join(PRODUCT_ROOT, "node_modules"), path.join(root, "node_modules"));
  writeFileSync(
    path.join(root, file),
    text.replace(find, () => replace),
  );
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) };
}
