/**
 * The server under trial: a real all-in-one process, killed and started again in the same place.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** Where it listens; the same after a restart. */
export interface Addresses {
  readonly port: number;
  /** Of the control plane, "127.0.0.1:9090". */
  readonly grpc: string;
}

export class AllInOne {
  readonly #allowedOrigin: string;
  readonly #dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-replay-"));
  #child: ChildProcess | null = null;
  #addresses: Addresses = { port: 0, grpc: "127.0.0.1:0" };

  /** @param allowedOrigin a web origin whose pages may connect. */
  constructor(allowedOrigin: string) {
    this.#allowedOrigin = allowedOrigin;
    process.on("exit", this.#clear);
  }

  get addresses(): Addresses {
    return this.#addresses;
  }

  /** Starts it, on free ports the first time; resolves when it is ready. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [...NODE_FLAGS, "main.ts"], {
      cwd: root,
      env: {
        PORT: String(this.#addresses.port),
        CONTROL_PORT: this.#addresses.grpc.split(":").at(-1) ?? "0",
        DATA_DIR: this.#dataDir,
        LOG_FORMAT: "json",
        LOG_LEVEL: "error",
        PAGE: "off",
        ALLOWED_ORIGINS: this.#allowedOrigin,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const ended = once(child, "exit").then(() => null);
    const line = await Promise.race([once(lines, "line"), ended]);
    if (line === null) throw new Error("the all-in-one ended before it was ready");
    const ready = JSON.parse(String(line[0])) as { http: string; grpc: string };
    this.#addresses = { port: Number(new URL(ready.http).port), grpc: ready.grpc };
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Ends it and removes its data. */
  async close(): Promise<void> {
    await this.kill();
    this.#clear();
    process.off("exit", this.#clear);
  }

  /** Also when the run itself is ended: the server is not to outlive it. */
  readonly #clear = () => {
    this.#child?.kill("SIGKILL");
    rmSync(this.#dataDir, { recursive: true, force: true });
  };
}
