/** docs/runbook.md, docs/observability.md: the commands and options that they name exist. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runCli } from "../cli/run-cli.ts";
import { from } from "../tidy/source.ts";

const text = ["docs/runbook.md", "docs/observability.md"]
  .map((file) => readFileSync(from(file), "utf8").replaceAll(/\s*\n\s*/g, (gap) => gap.slice(-1)))
  .join("\n");

/** Words after `tidegatectl`, up to what ends a command in prose or in a shell. */
const commands = [
  ...new Set(
    [...text.matchAll(/\btidegatectl +([^`|#\n]*)/g)].map(([, words = ""]) => words.trim()),
  ),
];
/** Arguments that stand where a command might: names of rooms, limits and processes. */
const isArgument = (word: string) =>
  /\d|:|^(chat|debug|stored-bytes|frames-per-second)$/.test(word);

/** What is wrong with a command; empty when it exists with its options. */
async function findFault(command: string): Promise<string> {
  const words = command
    .replace(/^(--url \S+ )/, "")
    .split(/\s+/)
    .filter(Boolean);
  const first = words.findIndex((word) => word.startsWith("-"));
  const names = (first === -1 ? words : words.slice(0, first)).filter((w) => !isArgument(w));
  const { code, stdout } = await runCli([...names, "--help"]);
  if (code !== 0) return `${command}: exit code ${code}`;
  if (!stdout.startsWith(`Usage: tidegatectl ${names.join(" ")} `)) return `${command}: no such`;
  const options = words.filter((word) => word.startsWith("--"));
  const unknown = options.filter((option) => !stdout.includes(option) && option !== "--tenant");
  return unknown.length === 0 ? "" : `${command}: ${unknown.join(", ")}`;
}

test("runbook: every tidegatectl command in it exists, with its options", async () => {
  expect(commands.length).toBeGreaterThan(20);
  const faults = await Promise.all(commands.map((command) => findFault(command)));
  expect(faults.filter((fault) => fault !== "")).toEqual([]);
});

test("runbook: a command that does not exist, and one with an unknown option, are caught", async () => {
  expect(await findFault("gateways undrian gw-1")).toContain("no such");
  expect(await findFault("gateways drain gw-1 --pace 3")).toContain("--pace");
});
