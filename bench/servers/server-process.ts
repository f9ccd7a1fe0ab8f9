/**
 * A server under test in its own process: a bare yardstick, or the Tidegate all-in-one.
 *
 * Both print one line of JSON when they are ready. Data goes to a temporary folder that is removed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import type { System } from "../load/protocol.ts";
import type { NatsTarget } from "./nats-fleet.ts";
import { pinned } from "./pin.ts";

/** The first line of a server's standard output. */
export interface ReadyLine {
  readonly ready: true;
  readonly url: string;
  readonly pid: number;
  /** From process start, as the server measured it; Tidegate only. */
  readonly readyMs?: number;
  /** "host:port" of its control plane; Tidegate only. */
  readonly grpc?: string | null;
  /** Of a parent: its children, workers first. */
  readonly children?: readonly { readonly id: string; readonly pid: number | null }[];
}

export interface ServerOptions {
  readonly system: System;
  /** CPU core to stay on, or null for any. */
  readonly core: number | null;
  /** Further flags of Node, e.g. for profiles or forced collection. */
  readonly nodeFlags: readonly string[];
  /** Further options of Tidegate, "--name=value". */
  readonly tidegateFlags: readonly string[];
  /** The bus; none for an embedded one, or for a yardstick without. */
  readonly nats?: NatsTarget | null;
}

/** Time for a server to be ready; the slowest machine needs a few seconds. */
const START_MS = 30_000;
/** Time for a server to end after SIGTERM before it is killed. */
const STOP_MS = 10_000;

const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
const fileOf: Record<System, string> = {
  bare: fileURLToPath(new URL("bare-uws.ts", import.meta.url)),
  "bare-nats": fileURLToPath(new URL("bare-uws-nats.ts", import.meta.url)),
  tidegate: main,
  "tidegate-limits": main,
  "tidegate-full": main,
  "tidegate-telemetry-absent": main,
  "tidegate-traced-1": main,
  "tidegate-traced-100": main,
};
/** What a system is started with beside the rest. */
const withoutTelemetry = ["--import", new URL("without-telemetry.ts", import.meta.url).href];
const nodeFlagsOf: Partial<Record<System, readonly string[]>> = {
  "tidegate-telemetry-absent": withoutTelemetry,
};
const tidegateFlagsOf: Partial<Record<System, readonly string[]>> = {
  "tidegate-telemetry-absent": ["--trace-ring=0"],
  "tidegate-traced-1": ["--trace-ratio=0.01"],
  "tidegate-traced-100": ["--trace-ratio=1"],
};

export class ServerProcess {
  readonly ready: ReadyLine;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #dataDir: string;

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    ready: ReadyLine,
    dataDir: string,
  ) {
    this.#child = child;
    this.#lines = lines;
    this.ready = ready;
    this.#dataDir = dataDir;
  }

  /** Starts a server and waits until it is ready; fails with its output when it ends before. */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    const dataDir = await mkdtemp(path.join(tmpdir(), "tidegate-bench-"));
    const [command, ...args] = pinned(options.core, [
      process.execPath,
      ...NODE_FLAGS,
      ...options.nodeFlags,
      ...(nodeFlagsOf[options.system] ?? []),
      fileOf[options.system],
      ...argumentsOf(options, dataDir),
    ]);
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    const first = await lines.next();
    clearTimeout(timer);
    if (first.done === true) {
      await rm(dataDir, { recursive: true, force: true });
      throw new Error(`${options.system}: the server ended, or took 30 s, before it was ready`);
    }
    return new ServerProcess(child, lines, JSON.parse(first.value) as ReadyLine, dataDir);
  }

  get pid(): number {
    return this.ready.pid;
  }

  /**
   * Forces a garbage collection in a server started with {@link COLLECT_FLAGS}.
   *
   * @returns bytes of its main thread's JavaScript heap that are left in use.
   */
  async collectGarbage(): Promise<number> {
    this.#child.kill("SIGUSR2");
    for (;;) {
      const line = await this.#lines.next();
      if (line.done === true) throw new Error("the server ended during a garbage collection");
      if (line.value.startsWith("collected ")) return Number(line.value.slice(10));
    }
  }

  /** Ends it as a crash does; {@link stop} is still to be called. */
  async kill(): Promise<void> {
    const exited = once(this.#child, "exit");
    process.kill(this.pid, "SIGKILL"); // not #child: that may be taskset's process
    await exited;
  }

  /** SIGTERM, and waits until it has ended by itself, however long; {@link stop} may follow. */
  async end(): Promise<void> {
    const exited = once(this.#child, "exit");
    process.kill(this.pid, "SIGTERM");
    await exited;
    await rm(this.#dataDir, { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
      await exited;
      clearTimeout(timer);
    }
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}

/** Flags of Node that let {@link ServerProcess.collectGarbage} work. */
export const COLLECT_FLAGS: readonly string[] = [
  "--expose-gc",
  "--import",
  new URL("collect-on-signal.ts", import.meta.url).href,
];

function argumentsOf(options: ServerOptions, dataDir: string): readonly string[] {
  const nats = options.nats ?? null;
  if (options.system === "bare") return [];
  if (options.system === "bare-nats") return [nats?.urls[0] ?? ""];
  const values = {
    host: "127.0.0.1",
    port: 0,
    "control-port": 0,
    "data-dir": dataDir,
    auth: "none",
    "log-format": "json",
    "log-level": "error",
    "drain-deadline-ms": 0,
    ...(nats === null
      ? {}
      : { "nats-url": nats.urls.join(","), "replica-count": nats.replicaCount }),
  };
  const flags = Object.entries(values).map(([name, value]) => `--${name}=${value}`);
  return [...flags, ...(tidegateFlagsOf[options.system] ?? []), ...options.tidegateFlags];
}
