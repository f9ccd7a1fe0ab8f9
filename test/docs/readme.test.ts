/** README: its examples run as they stand, its commands exist, its figures are true. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { startServer } from "../start-server.ts";
import { from } from "../tidy/source.ts";

const readme = readFileSync(from("README.md"), "utf8");
const scripts: Record<string, string> = JSON.parse(
  readFileSync(from("package.json"), "utf8"),
).scripts;
const python = from(".cache/venv/bin/python");
const defaultUrl = "ws://127.0.0.1:8080/ws";

/** The only block of a language, with its indentation taken off. */
function readBlock(language: string): string {
  const pattern = new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\``, "gm");
  const blocks = [...readme.matchAll(pattern)];
  expect(blocks).toHaveLength(1);
  const [, indent = "", code = ""] = blocks[0] ?? [];
  return code.replaceAll(new RegExp(`^${indent}`, "gm"), "");
}

/** A folder inside the repository, so that imports find the SDK and its packages. */
function makeFolder(): string {
  mkdirSync(from(".cache"), { recursive: true });
  const folder = mkdtempSync(from(".cache/readme-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Reads lines until one says `text`; fails with what came instead when the program ends. */
async function waitForLine(child: ChildProcess, text: string): Promise<void> {
  if (child.stdout === null || child.stderr === null) throw new Error("output is not piped");
  const seen: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (chunk) => seen.push(chunk));
  for await (const line of createInterface({ input: child.stdout })) {
    seen.push(line);
    if (line === text) return;
  }
  throw new Error(`"${text}" did not come:\n${seen.join("\n")}`);
}

async function runExample(command: string, file: string, code: string, text: string) {
  expect(code).toContain(defaultUrl);
  const server = await startServer();
  onTestFinished(() => server.close());
  const written = path.join(makeFolder(), file);
  writeFileSync(written, code.replace(defaultUrl, server.url));
  const env = { ...process.env, PYTHONPATH: from("sdk/python"), PYTHONUNBUFFERED: "1" };
  const child = spawn(command, [written], { env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(async () => {
    const isRunning = child.exitCode === null && child.signalCode === null;
    if (isRunning && child.kill("SIGKILL")) await once(child, "exit");
  });
  await waitForLine(child, text);
}

test("README: its TypeScript example prints its own message", async () => {
  const code = readBlock("ts").replace('"./sdk/', '"../../sdk/');
  await runExample(process.execPath, "hello.ts", code, "hello from TypeScript");
});

test("README: its Python example prints its own message", async (context) => {
  if (!existsSync(python)) context.skip("no Python environment in .cache/venv");
  await runExample(python, "hello.py", readBlock("python"), "hello from Python");
});

test("README: its tidegatectl commands do what it says", async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const commands = [...readme.matchAll(/^ *(echo .*cli\/bin\/tidegatectl .*)$/gm)];
  expect(commands).toHaveLength(2);
  const env = { ...process.env, TIDEGATE_URL: server.url, TIDEGATE_CONTROL: server.grpc };
  const run = (command: string) =>
    execFileSync("sh", ["-c", command], { cwd: from("."), env, encoding: "utf8" });
  for (const [, command = ""] of commands) run(command);
  expect(run("cli/bin/tidegatectl history chat:lobby")).toContain("hello");
  expect(run("cli/bin/tidegatectl class get game")).toMatch(/durable[\s\S]*200/);
});

test("README, CONTRIBUTING: every npm command in them exists", () => {
  const text = readme + readFileSync(from("CONTRIBUTING.md"), "utf8");
  const named = [...text.matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)];
  const unknown = named.map(([, script, short]) => script ?? short ?? "");
  expect(named.length).toBeGreaterThan(5);
  expect(unknown.filter((name) => scripts[name] === undefined)).toEqual([]);
});

test("README: the SDK's size for browsers is what it says, at most 15 kB", () => {
  const args = ["--bundle", "--minify", "--format=esm", "--platform=browser"];
  const bundle = execFileSync(
    from("node_modules/.bin/esbuild"),
    [from("sdk/typescript/index.ts"), ...args],
    { encoding: "buffer", stdio: ["ignore", "pipe", "pipe"] },
  );
  const kB = gzipSync(bundle, { level: 9 }).length / 1000;
  const stated = Number(/<!-- sdk size -->([\d.]+) kB<!-- end -->/.exec(readme)?.[1]);
  expect(Math.abs(stated - kB)).toBeLessThan(0.5);
  expect(kB).toBeLessThanOrEqual(15);
});
