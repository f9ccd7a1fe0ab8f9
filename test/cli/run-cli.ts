/**
 * Runs tidegatectl: as the real process, or, where only its words matter, within the test's own,
 * which saves half a second each.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Readable, Writable } from "node:stream";
import { runCommand } from "../../cli/run.ts";

/** The launcher, as a shell finds it. */
export const binary = path.resolve(import.meta.dirname, "../../cli/bin/tidegatectl");

/** How a run ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run in progress. */
export interface Run {
  readonly child: ChildProcessWithoutNullStreams;
  /** What it has printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves once stdout, or stderr, holds the text; rejects when it ends before. */
  until(text: string, stream?: "stdout" | "stderr"): Promise<void>;
  readonly ended: Promise<Ended>;
}

/** Starts it. `env` alone is its environment, beside PATH. */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>>): Run {
  const child = spawn(binary, args, { env: { PATH: process.env.PATH ?? "", ...env } });
  const text = { stdout: "", stderr: "" };
  const waiters = new Set<() => void>();
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (chunk: string) => {
      text[stream] += chunk;
      for (const look of waiters) look();
    });
  }
  child.stdin.on("error", () => {}); // it may end without reading
  const ended = once(child, "close").then(([code]) => ({ code, ...text }));
  const until = (wanted: string, stream: "stdout" | "stderr" = "stdout") =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!text[stream].includes(wanted)) return;
        waiters.delete(look);
        resolve();
      };
      waiters.add(look);
      look();
      ended.then(() => {
        look();
        if (waiters.has(look)) reject(new Error(`ended without ${wanted}: ${text.stderr}`));
      });
    });
  return { child, ended, until, stdout: () => text.stdout, stderr: () => text.stderr };
}

/** Environment and input of a run. */
interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
}

/** Runs the process to its end. */
export function runProcess(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const run = startCli(args, options.env ?? {});
  run.child.stdin.end(options.input ?? "");
  return run.ended;
}

/** Runs it to its end without a process of its own. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { env = {}, input = "" } = options;
  const text = { stdout: "", stderr: "" };
  const collect = (stream: "stdout" | "stderr") =>
    new Writable({
      write(chunk, _encoding, done) {
        text[stream] += chunk;
        done();
      },
    });
  const context = {
    stdin: Readable.from([Buffer.from(input)]),
    stdout: collect("stdout"),
    stderr: collect("stderr"),
    isTerminal: false,
    isKeyboard: false,
    screen: null,
    signal: new AbortController().signal,
  };
  const defaults = {
    url: env.TIDEGATE_URL ?? "",
    control: env.TIDEGATE_CONTROL ?? "",
    tokenFile: env.TIDEGATE_TOKEN_FILE ?? "",
    tlsCa: env.TIDEGATE_TLS_CA ?? "",
    tlsCert: env.TIDEGATE_TLS_CERT ?? "",
    tlsKey: env.TIDEGATE_TLS_KEY ?? "",
    token: env.TIDEGATE_TOKEN ?? "",
    tenant: env.TIDEGATE_TENANT ?? "default",
  };
  const readFile = (file: string) => readFileSync(file, "utf8");
  const code = await runCommand(args, context, { version: "0.0.0", defaults, readFile }, false);
  return { code, ...text };
}
