/**
 * Help, completion, version and wrong command lines.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EXIT_CODE_MEANINGS } from "../../cli/exit-code.ts";
import { binary, runCli, runProcess } from "./run-cli.ts";

test("--help: teaches commands, options with their environment, examples and exit codes", async () => {
  const { code, stdout, stderr } = await runProcess(["--help"]);
  expect([code, stderr]).toEqual([0, ""]);
  const commands = ["pub", "sub", "history", "class", "gateways", "shards", "slots", "route"];
  for (const name of [...commands, "completion", "version"]) {
    expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
  }
  for (const name of ["TIDEGATE_URL", "TIDEGATE_CONTROL", "TIDEGATE_TOKEN", "TIDEGATE_TENANT"]) {
    expect(stdout).toContain(name);
  }
  for (const [exitCode, meaning] of Object.entries(EXIT_CODE_MEANINGS)) {
    expect(stdout).toContain(`${exitCode.padStart(5)}  ${meaning}\n`);
  }
  expect(stdout).toContain("echo hello | tidegatectl pub chat:lobby");
});

test.each([
  ...[["pub"], ["sub"], ["history"], ["class"], ["class", "apply"]],
  ...[["gateways"], ["shards"], ["slots"], ["route"], ["top"], ["log-level"]],
])("%s %s --help: explains, and has two examples or more", async (...names) => {
  const args = names.filter((name) => name !== undefined);
  const { code, stdout } = await runCli([...args, "--help"]);
  expect(code).toBe(0);
  expect(stdout).toContain(`Usage: tidegatectl ${args.join(" ")} `);
  const examples = stdout.slice(stdout.indexOf("\nExamples:\n"));
  expect(examples.match(/^ {2}(?!#).*tidegatectl /gm)?.length ?? 0).toBeGreaterThanOrEqual(2);
  expect(stdout.split("\n").filter((line) => line.length > 80 && !line.startsWith("  "))).toEqual(
    [],
  );
});

test("completion bash: passes bash -n, and completes commands, options and values", async () => {
  const { code, stdout } = await runCli(["completion", "bash"]);
  expect(code).toBe(0);
  execFileSync("bash", ["-n"], { input: stdout });
  const tries = [
    ["tidegatectl", "cl"],
    ["tidegatectl", "class", ""],
    ["tidegatectl", "class", "apply", "--d"],
    ["tidegatectl", "class", "list", "-o", ""],
    ["tidegatectl", "--tenant", "class", "sub", "--po"],
    ["tidegatectl", "completion", ""],
  ].map((words) => {
    const list = words.map((word) => `'${word}'`).join(" ");
    return `COMP_WORDS=(${list}) COMP_CWORD=${words.length - 1}; _tidegatectl; echo "\${COMPREPLY[*]}"`;
  });
  const script = `${stdout}\n${tries.join("\n")}\n`;
  const completed = execFileSync("bash", { input: script, encoding: "utf8" });
  expect(completed.trimEnd().split("\n")).toEqual([
    "class",
    "list get apply delete",
    "--dry-run",
    "table json yaml",
    "--positions",
    "bash zsh fish",
  ]);
});

test.each(["zsh", "fish"])(
  "completion %s: the shell can read it, where there is one",
  async (shell) => {
    const { code, stdout } = await runCli(["completion", shell]);
    expect(code).toBe(0);
    expect(stdout).toContain("class");
    expect(stdout).toContain("dry-run");
    if (spawnSync(shell, ["--version"]).status !== 0) return; // not installed: the words are all
    execFileSync(shell, ["-n", "/dev/stdin"], { input: stdout });
  },
);

test.each([
  [["frobnicate"], "unknown command 'frobnicate'"],
  [["sub"], "missing required argument 'room'"],
  [["pub", "--rat", "5", "chat:x"], "unknown option '--rat'"],
  [["completion", "tcsh"], "Allowed choices are bash, zsh, fish"],
  [["sub", "chat:x", "--count", "-1"], "It must be a whole number"],
  [["route"], "missing required argument 'room'"],
  [["shards", "x"], "It must be a whole number"],
  [["sub", "chat:x", "--token-file", "/nonexistent"], "--token-file can not be read"],
])("%j: is a usage error, exit code 2", async (args, reason) => {
  const { code, stdout, stderr } = await runCli(args);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(reason);
  expect(stderr).not.toContain("    at ");
});

test("no command: shows the help on stderr, and is a usage error of the process", async () => {
  const { code, stdout, stderr } = await runProcess([]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("Usage: tidegatectl [options] [command]");
  expect(stderr).toContain("tidegatectl: a command is missing [OPTION_INVALID]");
  expect(stderr).not.toContain("    at ");
});

test("the launcher: works through links, from anywhere, and says its version", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(binary, path.join(folder, "first"));
  symlinkSync("first", path.join(folder, "second"));
  const text = execFileSync(path.join(folder, "second"), ["version"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(text).toMatch(/^tidegatectl \d+\.\d+\.\d+\n$/);
});

test("docs/cli.md: has every command, option, environment variable and exit code", async () => {
  const text = readFileSync(path.resolve(import.meta.dirname, "../../docs/cli.md"), "utf8");
  const { stdout } = await runCli(["completion", "bash"]);
  const options = new Set(stdout.match(/--[a-z-]{2,}/g));
  expect(options.size).toBeGreaterThan(15);
  const missing = [...options].filter((option) => !text.includes(`\`${option}\``));
  expect(missing).toEqual([]);
  for (const [code, meaning] of Object.entries(EXIT_CODE_MEANINGS)) {
    expect(text).toContain(`| ${code.padEnd(4)} | ${meaning} `);
  }
});
