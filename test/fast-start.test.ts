/** fast-start.mjs: what was stripped is not stripped again, and what has changed is. */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";

const original = path.resolve(import.meta.dirname, "../fast-start.mjs");

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with fast-start.mjs, a.ts, and b.ts, which a.ts imports. */
function setFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-start-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  copyFileSync(original, path.join(folder, "fast-start.mjs"));
  writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
  const lines = [
    'import { b } from "./b.ts";',
    'import { counts } from "./fast-start.mjs";',
    "const shown: string = JSON.stringify({ b, ...counts });",
    "console.log(shown);",
  ];
  writeFileSync(path.join(folder, "a.ts"), lines.join("\n"));
  writeFileSync(path.join(folder, "b.ts"), "export const b: number = 1;");
  return folder;
}

function run(folder: string): Promise<Run> {
  const flags = ["--disable-warning=ExperimentalWarning", "--import=./fast-start.mjs", "a.ts"];
  return new Promise((resolve) => {
    execFile(process.execPath, flags, { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function counts(folder: string): Promise<unknown> {
  const { code, stdout, stderr } = await run(folder);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

test("the second start strips nothing, and a changed file alone is stripped again", async () => {
  const folder = setFolder();
  expect(await counts(folder)).toEqual({ b: 1, stripped: 2, found: 0 });
  expect(await counts(folder)).toEqual({ b: 1, stripped: 0, found: 2 });
  writeFileSync(path.join(folder, "b.ts"), "export const b: number = 2;"); // as long as before
  expect(await counts(folder)).toEqual({ b: 2, stripped: 1, found: 1 });
  expect(await counts(folder)).toEqual({ b: 2, stripped: 0, found: 2 });
});

test("starts side by side on a cold folder leave whole files", async () => {
  const folder = setFolder();
  const runs = await Promise.all([1, 2, 3].map(() => run(folder)));
  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(readdirSync(path.join(folder, ".cache/stripped")).toSorted()).toEqual(["a.ts", "b.ts"]);
  expect(await counts(folder)).toEqual({ b: 1, stripped: 0, found: 2 });
});

test("where nothing can be kept everything is stripped, and works", async () => {
  const folder = setFolder();
  writeFileSync(path.join(folder, ".cache"), "a file where the folder should be");
  expect(await counts(folder)).toEqual({ b: 1, stripped: 2, found: 0 });
  expect(await counts(folder)).toEqual({ b: 1, stripped: 2, found: 0 });
});

test("a file that can not be stripped is told by Node, with its name and line", async () => {
  const folder = setFolder();
  mkdirSync(path.join(folder, ".cache/stripped"), { recursive: true });
  writeFileSync(path.join(folder, "b.ts"), "export const b: number = 1;\nenum Bad { A }");
  const { code, stderr } = await run(folder);
  expect(code).toBe(1);
  expect(stderr).toContain("b.ts:2");
});
