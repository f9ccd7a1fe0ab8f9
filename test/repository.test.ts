/** The repository's data files: the error table, pinned versions, and the native files' hashes. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  checkErrorTable,
  checkLockfile,
  compareNatives,
  type ErrorRow,
  findLooseVersions,
  findUnknownCodes,
  findUnusedCodes,
  findUnusedDependencies,
} from "./tidy/repository-rules.ts";
import { from, isGenerated, isProduct, listPaths } from "./tidy/source.ts";

const readJson = (file: string) => JSON.parse(readFileSync(from(file), "utf8"));
const errors: Record<string, ErrorRow> = readJson("proto/errors.json").errors;
const codes = Object.keys(errors);

const readAll = (isWanted: (file: string) => boolean) =>
  listPaths()
    .filter((file) => /\.(ts|mjs|py)$/.test(file) && isWanted(file))
    .map((file) => readFileSync(from(file), "utf8"));
/** What users run, in every language; the table itself and what is generated from it left out. */
const readProductCode = () => readAll((file) => isProduct(file) && !isGenerated(file));

describe("proto/errors.json", () => {
  const row = { grpc: "INTERNAL", where: "gateway", means: "It broke.", fix: "Mend it." };

  test("checkErrorTable: the table is whole, unique and agrees with the close code ranges", () => {
    expect(checkErrorTable(errors)).toEqual([]);
  });

  test.each([
    ["lower_case", { ...row, retry: "no" }, "UPPER_SNAKE_CASE"],
    ["A", { ...row, retry: "no", close: 4001 }, "contradict"],
    ["A", { ...row, retry: "reconnect", close: 4501 }, "contradict"],
    ["A", { ...row, retry: "no", close: 1013 }, "contradict"],
    ["A", { ...row, retry: "no", close: 3000 }, "in no range"],
    ["A", { ...row, retry: "maybe" }, "unknown"],
    ["A", { ...row, retry: "no", retryAfterMs: 5 }, "yet has a wait"],
    ["A", { ...row, retry: "no", grpc: "BROKEN" }, "no gRPC status"],
    ["A", { ...row, retry: "no", fix: "mend it" }, "not a sentence"],
  ])("checkErrorTable: catches a wrong row (%s, %j)", (code, wrong, reason) => {
    expect(checkErrorTable({ [code]: wrong }).join()).toContain(reason);
  });

  test("checkErrorTable: catches two codes with one close code", () => {
    const closing = { ...row, retry: "no", close: 4501 };
    expect(checkErrorTable({ A: closing, B: closing })).toEqual(["B: close code 4501 is A's"]);
  });

  test("findUnusedCodes: every code of the table is raised or handled somewhere", () => {
    expect(findUnusedCodes(codes, readProductCode())).toEqual([]);
    expect(findUnusedCodes(["GONE"], ["// GONE", 'new CodedError("OTHER", "x")'])).toEqual([
      "GONE",
    ]);
  });

  test("findUnknownCodes: every code that is raised is in the table", () => {
    expect(findUnknownCodes(codes, readProductCode())).toEqual([]);
    expect(findUnknownCodes(codes, ['raise TidegateError("NO_SUCH", "x")'])).toEqual(["NO_SUCH"]);
  });
});

describe("packages", () => {
  test("package.json: every version is exact", () => {
    expect(findLooseVersions(readJson("package.json"))).toEqual([]);
    expect(findLooseVersions({ dependencies: { a: "^1.0.0", b: "1.0.0", c: "*" } })).toEqual([
      "a: ^1.0.0",
      "c: *",
    ]);
  });

  test("package.json: every run-time dependency is imported by what users run", () => {
    // Generated code counts, and so does the page, which the all-in-one serves.
    const code = readAll((file) => !/^(test|bench)\//.test(file));
    expect(findUnusedDependencies(readJson("package.json"), code)).toEqual([]);
    const manifest = { dependencies: { used: "1.0.0", idle: "1.0.0" } };
    expect(findUnusedDependencies(manifest, ['import { a } from "used/part";'])).toEqual(["idle"]);
  });

  test("package-lock.json: every package has a hash and no registry's address", () => {
    const lock = readJson("package-lock.json");
    expect(Object.keys(lock.packages).length).toBeGreaterThan(100);
    expect(checkLockfile(lock)).toEqual([]);
    const bad = { packages: { "node_modules/a": { resolved: "https://example.org/a.tgz" } } };
    expect(checkLockfile(bad)).toHaveLength(2);
  });

  test("package-lock.json: has the versions of package.json", () => {
    const { dependencies, devDependencies } = readJson("package.json");
    const locked = readJson("package-lock.json").packages[""];
    expect(locked.dependencies).toEqual(dependencies);
    expect(locked.devDependencies).toEqual(devDependencies);
  });
});

describe("native files of uWebSockets.js", () => {
  const pinned = readJson("gateway/uws-natives.json");

  test("uws-natives.json: pins the version that package.json asks for", () => {
    expect(readJson("package.json").dependencies["uWebSockets.js"]).toBe(`npm:${pinned.package}`);
  });

  test("compareNatives: all 24 installed files are as pinned", () => {
    const folder = from("node_modules/uWebSockets.js/dist/bin");
    const found: Record<string, string> = {};
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(`${folder}/${name}`);
      found[name] = createHash("sha256").update(bytes).digest("hex");
    }
    expect(compareNatives(pinned.sha256, found)).toEqual([]);
    expect(Object.keys(found)).toHaveLength(24);
  });

  test("compareNatives: catches a changed, an added and a missing file", () => {
    const wrong = compareNatives({ a: "1", b: "2" }, { a: "3", c: "4" });
    expect(wrong.map((line) => line.slice(0, 1))).toEqual(["a", "b", "c"]);
  });
});
