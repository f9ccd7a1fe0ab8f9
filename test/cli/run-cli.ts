/**
 * Runs the real tidegatectl as a process.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

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

/** Runs it to its end. */
export function runCli(
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; input?: string | Buffer } = {},
): Promise<Ended> {
  const run = startCli(args, options.env ?? {});
  run.child.stdin.end(options.input ?? "");
  return run.ended;
}
