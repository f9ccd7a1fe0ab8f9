/** What a real process writes to stderr: JSON for machines, text for people, all at the end. */
import { execFile, spawnSync } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { SAME_LINES_MAX } from "../../../telemetry/logs/flood-gate.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const node = path.join(root, "node_modules/.bin/node");
const child = path.join(import.meta.dirname, "log-child.ts");
const quiet = "--disable-warning=ExperimentalWarning";

function linesOf(format: string, count: number): string[] {
  const { status, stderr, stdout } = spawnSync(node, [quiet, child, format, String(count)], {
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([3, ""]);
  return stderr.trimEnd().split("\n");
}

test("JSON: each key once, errors taken apart, and a flood's count before the process ends", () => {
  const [first = "", second = "", ...flood] = linesOf("json", 500);
  expect(JSON.parse(first)).toEqual({
    ...{ level: "info", time: expect.any(String), gateway: "eu-1" },
    ...{ level_value: 2, msg_value: "own", big: 7, msg: "fields named as pino's own" },
  });
  expect(first.match(/"level":/g)).toHaveLength(1);
  const { error, ...rest } = JSON.parse(second);
  expect(rest).toMatchObject({ level: "error", msg: "publish failed" });
  expect(error).toMatchObject({ code: "STORE_FULL", message: "[STORE_FULL] the shard is full" });
  expect(flood).toHaveLength(SAME_LINES_MAX + 1);
  const repeats = flood.map((line) => (JSON.parse(line) as { repeated?: number }).repeated ?? 1);
  expect(repeats.reduce((sum, each) => sum + each, 0)).toBe(500);
  expect(JSON.parse(flood.at(-1) ?? "")).toMatchObject({ connection: "eu-1-500", tenant: "acme" });
});

test("text to a file or pipe: no colours, one line an event", () => {
  const lines = linesOf("text", 1);
  expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3}/, "TIME"))).toEqual([
    'TIME INFO  fields named as pino\'s own gateway=eu-1 level=2 msg=own big="7"',
    'TIME ERROR publish failed gateway=eu-1 error="[STORE_FULL] the shard is full"',
    "TIME WARN  a client went on above a limit: blocked gateway=eu-1 connection=eu-1-1 " +
      'tenant=acme user="bot\\n\\u001b[2J"',
  ]);
});

test("text on a terminal: levels in colour, none with NO_COLOR", async () => {
  const python = path.join(root, ".cache/venv/bin/python");
  const script = path.join(root, "test/cli/in_terminal.py");
  const args = [script, "120", "40", "nothing", "", node, quiet, child, "text", "1"];
  const run = async (env: Record<string, string>) => {
    const clean = { PATH: process.env.PATH ?? "", ...env };
    const { stdout } = await promisify(execFile)(python, args, { env: clean });
    return (JSON.parse(stdout) as { output: string }).output;
  };
  const coloured = await run({});
  expect(coloured).toContain("\u001b[1;31mERROR\u001b[0m publish failed");
  expect(coloured).toContain("\u001b[1;33mWARN \u001b[0m ");
  expect(coloured).not.toContain("\u001b[2J");
  expect(await run({ NO_COLOR: "1" })).not.toContain("\u001b");
});
