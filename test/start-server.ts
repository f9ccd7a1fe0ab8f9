/**
 * Starts the all-in-one for a test: a real process on free ports with its own data folder.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { NODE_FLAGS } from "../deploy/node-flags.ts";

const root = path.resolve(import.meta.dirname, "..");

/** A server must be ready within this, ms; loaded machines have taken 5 s. */
const READY_MS_MAX = 60_000;

/** A running all-in-one. */
export interface Server {
  /** WebSocket, e.g. "ws://127.0.0.1:40001/ws". */
  readonly url: string;
  /** HTTP, e.g. "http://127.0.0.1:40001". */
  readonly http: string;
  /** gRPC, e.g. "127.0.0.1:40002". */
  readonly grpc: string;
  readonly port: number;
  readonly controlPort: number;
  readonly dataDir: string;
  readonly pid: number;
  /** With workers or ADMIN_PORT, e.g. "http://127.0.0.1:40003"; else null. */
  readonly admin: string | null;
  /** Processes behind this one, with WORKERS. */
  readonly children: readonly { readonly id: string; readonly pid: number }[];
  /** Milliseconds from process start to readiness, as the process says. */
  readonly readyMs: number;
  /** What the process has written to stderr. */
  stderr(): string;
  /** Resolves with the exit code when the process has ended, whoever ended it. */
  readonly ended: Promise<number | null>;
  /** Sends SIGKILL to the process and waits for its end; data and ports can be used again. */
  kill(): Promise<void>;
  /** Stops it with SIGTERM and waits; returns the exit code. The data folder stays until close. */
  stop(): Promise<number | null>;
  /** Stops it if it runs, and removes a data folder that was made here. */
  close(): Promise<void>;
}

/** What to start; everything else as the defaults, but free ports and no page. */
export interface ServerOptions {
  /** Environment options, e.g. `{ FRAME_BYTES_MAX: "2048" }`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Use this folder instead of a new temporary one; it is not removed. */
  readonly dataDir?: string;
  /** Use the ports of a server that was killed. */
  readonly port?: number;
  readonly controlPort?: number;
  /** More arguments for node, before main.ts. */
  readonly nodeArgs?: readonly string[];
}

/** Starts a server and resolves when it is ready; rejects with its stderr when it ends instead. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), "tidegate-"));
  const child = spawn(
    path.join(root, "node_modules/.bin/node"),
    [...NODE_FLAGS, ...(options.nodeArgs ?? []), "main.ts"],
    {
      cwd: root,
      env: {
        PATH: process.env.PATH ?? "",
        PORT: String(options.port ?? 0),
        CONTROL_PORT: String(options.controlPort ?? 0),
        DATA_DIR: dataDir,
        LOG_FORMAT: "json",
        PAGE: "off",
        DRAIN_DEADLINE_MS: "0", // tests of drains say otherwise
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const exited = once(child, "exit");
  const line = await firstLine(child, exited);
  if (line === null) throw new Error(`the server ended before it was ready:\n${stderr}`);
  const ready = JSON.parse(line) as Pick<
    Server,
    "url" | "http" | "grpc" | "readyMs" | "pid" | "admin" | "children"
  >;
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
    return child.exitCode;
  };
  return {
    ...ready,
    dataDir,
    port: ready.http === null ? 0 : Number(new URL(ready.http).port), // null: PARTS without it
    controlPort: Number(ready.grpc?.split(":").at(-1) ?? 0),
    stderr: () => stderr,
    ended: exited.then(() => child.exitCode),
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
    close: async () => {
      await end("SIGTERM");
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function firstLine(child: ChildProcess, exited: Promise<unknown>): Promise<string | null> {
  if (child.stdout === null) throw new Error("stdout is not piped");
  const lines = createInterface({ input: child.stdout });
  const line = once(lines, "line").then(([text]) => String(text));
  // A server that hangs before it is ready is ended, so that no test leaves it behind.
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS_MAX);
  try {
    return await Promise.race([line, exited.then(() => null)]);
  } finally {
    clearTimeout(timer);
  }
}
