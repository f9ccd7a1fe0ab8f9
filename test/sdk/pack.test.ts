/**
 * What is published: the tarball's plain JavaScript and types, its size, and the README's example.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, startServer } from "../start-server.ts";

const root = path.resolve(import.meta.dirname, "../..");
const from = (...parts: string[]) => path.join(root, ...parts);
const run = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), "tidegate-pack-"));
const installed = path.join(folder, "node_modules/@tidegate/sdk");
/** The host's own Node: what is published needs no type stripping, and runs on 20. */
const hostPath = (process.env.PATH ?? "")
  .split(":")
  .filter((part) => !part.includes("node_modules"))
  .join(":");

beforeAll(() => {
  const args = ["pack", "--json", "--pack-destination", folder];
  const environment = { ...process.env, PATH: hostPath };
  const said = execFileSync("npm", args, {
    cwd: from("sdk/typescript"),
    env: environment,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [packed] = JSON.parse(said.slice(said.indexOf("["))) as { filename: string }[];
  mkdirSync(installed, { recursive: true });
  const tarball = path.join(folder, packed?.filename ?? "");
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed]);
  mkdirSync(path.join(folder, "node_modules/@opentelemetry"));
  for (const peer of ["ws", "@opentelemetry/api"]) {
    symlinkSync(from("node_modules", peer), path.join(folder, "node_modules", peer));
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the package", () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server?.close());

  test("README: its example runs on the host's Node, on the packed files alone", async () => {
    const readme = readFileSync(from("sdk/typescript/README.md"), "utf8");
    const [, example = ""] = /<!-- example: [^>]*-->\s+```js\n([\s\S]*?)```/.exec(readme) ?? [];
    expect(example).toContain("@tidegate/sdk");
    const program = example.replace("ws://127.0.0.1:8080/ws", server.url);
    writeFileSync(path.join(folder, "hello.mjs"), program);
    const { stdout } = await run("node", ["hello.mjs"], {
      cwd: folder,
      env: { PATH: hostPath },
      timeout: 20_000,
    });
    expect(stdout).toMatch(/^stored at 1\.\d+\.\d+\n\S+Z hello \(mine\)\n$/);
  });

  test("types: a strict program checks against them, without skipping library checks", () => {
    const program = `
import { connect, json, type Position, type Room, TidegateError } from "@tidegate/sdk";
import { Flags } from "@tidegate/sdk/flags";
import { Tracing } from "@tidegate/sdk/tracing";
interface Line { text: string }
export async function main(url: string, after: Position): Promise<string> {
  const flags = new Flags();
  const client = await connect(url, { codec: json<Line>(), flags, tracing: new Tracing() });
  if (flags.value("loud", false)) return flags.value("greeting", "hello");
  // @ts-expect-error a flag's value has the type of its fallback
  const wrong: number = flags.value("greeting", "hello");
  const room: Room<Line> = await client.join("chat:a", { after });
  const bytes: Room<Uint8Array> = await (await connect(url)).join("chat:b");
  await room.publish({ text: "x" });
  // @ts-expect-error a line has a text
  await room.publish({ words: "x" });
  // @ts-expect-error bytes are not a text
  await bytes.publish("x");
  for await (const event of room) {
    if (event.type === "message") return event.payload.text;
    if (event.type === "invalid" && event.error instanceof TidegateError) return event.error.fix;
  }
  return (await client.publish("chat:a", { text: "y" })).position ?? "";
}
`;
    writeFileSync(path.join(folder, "check.ts"), program);
    const compilerOptions = {
      target: "es2022",
      lib: ["es2023", "dom"],
      module: "nodenext",
      types: [],
      strict: true,
      noEmit: true,
    };
    const config = { compilerOptions, files: ["check.ts"] };
    writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = from("node_modules/typescript/bin/tsc");
    const say = () =>
      execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8", stdio: "pipe" });
    expect(say).not.toThrow();
  });

  test("a browser bundle holds no ws, nothing of Node, and at most 15 kB", async () => {
    const entry = path.join(folder, "page.js");
    writeFileSync(entry, 'export * from "@tidegate/sdk";');
    const metafile = path.join(folder, "meta.json");
    const bundled = path.join(folder, "bundle.js");
    const flags = ["--bundle", "--minify", "--format=esm", "--platform=browser"];
    const out = [`--metafile=${metafile}`, `--outfile=${bundled}`, "--log-level=error"];
    await run(from("node_modules/.bin/esbuild"), [entry, ...flags, ...out], { cwd: folder });
    const meta = JSON.parse(readFileSync(metafile, "utf8")) as { inputs: Record<string, unknown> };
    const inputs = Object.keys(meta.inputs);
    const unwanted = /node_modules\/(ws|@opentelemetry)\/|socket-node|tracing\.js/;
    expect(inputs.filter((name) => unwanted.test(name))).toEqual([]);
    expect(inputs.some((name) => name.endsWith("socket-browser.js"))).toBe(true);
    const kB = gzipSync(readFileSync(bundled), { level: 9 }).length / 1000;
    expect(kB).toBeLessThanOrEqual(15);
    const readme = readFileSync(from("sdk/typescript/README.md"), "utf8");
    const stated = Number(/<!-- size -->([\d.]+) kB<!-- end -->/.exec(readme)?.[1]);
    expect(Math.abs(stated - kB)).toBeLessThan(0.2);
  });

  test("package.json: the version is the one that Hello tells, and nothing but ws is needed", () => {
    const text = readFileSync(path.join(installed, "package.json"), "utf8");
    const manifest = JSON.parse(text) as Record<string, unknown>;
    const session = readFileSync(from("sdk/typescript/session.ts"), "utf8");
    expect(session).toContain(`SDK_VERSION = "${manifest.version}"`);
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.optionalDependencies ?? {})).toEqual(["ws"]);
  });
});
