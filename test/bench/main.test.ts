/** bench/main.ts: the command line, its exit codes and its outputs. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";

const mainFile = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

/** Runs the command line to its end. */
function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const flags = [...NODE_FLAGS, "--expose-gc", mainFile, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, flags, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test("bench: --help names every bench, and so does no name at all", async () => {
  const [help, none] = await Promise.all([bench("--help"), bench()]);
  for (const name of ["fanout", "memory", "durable", "start", "micro", "nats-fanout", "nats-quiet"])
    expect(help.stdout).toMatch(new RegExp(`^ {2}${name} `, "m"));
  expect(help.code).toBe(0);
  expect(none).toEqual(help);
});

test("bench: an unknown name ends with 2 and the help on standard error", async () => {
  const { code, stdout, stderr } = await bench("fanuot");
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^bench: there is no bench "fanuot"\n\nUsage:/);
});

test("bench: --json prints one JSON value on standard output, progress goes elsewhere", async () => {
  const { code, stdout, stderr } = await bench("micro", "--tiny", "--json");
  const report = JSON.parse(stdout) as { bench: string; hash: string; runs: unknown[] };
  expect(code).toBe(0);
  expect(report.bench).toBe("micro");
  expect(report.hash).toMatch(/^[0-9a-f]+$/);
  expect(report.runs.length).toBeGreaterThan(0);
  expect(stderr).toContain("round 1/1");
});
