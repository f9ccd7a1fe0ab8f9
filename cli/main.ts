/**
 * tidegatectl: the process around the commands. Environment, signals, broken pipes, exit codes.
 */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import type { Context, TargetDefaults } from "./context.ts";
import { ExitCode } from "./exit-code.ts";
import { runCommand } from "./run.ts";
import { screenOf } from "./screen.ts";

const { env, stdout, stderr, stdin } = process;
const ending = new AbortController();
let endedBy: "SIGINT" | "SIGTERM" | null = null;
/** After a signal the connection is closed in order; no longer than this. Milliseconds. */
const endTimeoutMs = 2000;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (endedBy !== null) process.exit(128 + constants.signals[signal]); // asked twice
    endedBy = signal;
    ending.abort();
    setTimeout(() => process.exit(128 + constants.signals[signal]), endTimeoutMs).unref();
  });
}
// Nobody reads what we print any more (`… | head -1`): that is an end like any other.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  ending.abort();
  setTimeout(() => process.exit(ExitCode.OK), endTimeoutMs).unref();
});
stderr.on("error", () => ending.abort()); // nobody to tell

const context: Context = {
  stdin,
  stdout,
  stderr,
  isTerminal: stdout.isTTY === true,
  isKeyboard: stdin.isTTY === true,
  screen: screenOf(stdin, stdout),
  signal: ending.signal,
};
const defaults: TargetDefaults = {
  url: env.TIDEGATE_URL || "ws://127.0.0.1:8080/ws",
  control: env.TIDEGATE_CONTROL || "127.0.0.1:9090",
  token: env.TIDEGATE_TOKEN || "",
  tokenFile: env.TIDEGATE_TOKEN_FILE || "",
  tlsCa: env.TIDEGATE_TLS_CA || "",
  tlsCert: env.TIDEGATE_TLS_CERT || "",
  tlsKey: env.TIDEGATE_TLS_KEY || "",
  tenant: env.TIDEGATE_TENANT || "default",
};
const readFile = (file: string) => readFileSync(file, "utf8");
const setup = { version: readVersion(), defaults, readFile };
const exitCode = await runCommand(
  process.argv.slice(2),
  context,
  setup,
  Boolean(env.TIDEGATE_DEBUG),
);
await new Promise((resolve) => stdout.write("", resolve));
process.exit(endedBy === null ? exitCode : 128 + constants.signals[endedBy]);

function readVersion(): string {
  const file = path.join(import.meta.dirname, "../package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
