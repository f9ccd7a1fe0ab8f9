/**
 * A nats-server process: started, stopped, killed, frozen and thawed, by pid.
 *
 * For tests, `npm run dev:cluster` and chaos runs; production servers are started by their
 * operators (docs/nats.md). Each node has its own store folder and keeps its ports over restarts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CodedError } from "../../proto/coded-error.ts";

/** A node must accept connections within this time, ms. */
const START_MS_MAX = 10_000;

/** What a node is started with. */
export interface NodeOptions {
  /** Path of nats-server. */
  readonly binary: string;
  readonly name: string;
  readonly port: number;
  /** Folder of its store, configuration and log; made when missing. */
  readonly folder: string;
  /** A configuration file to start from; addresses, store and cluster below win over it. */
  readonly base?: string;
  /** Further arguments of nats-server. */
  readonly args?: readonly string[];
  /**
   * When JetStream syncs to the disk, as its `sync_interval`; default "always", which is what
   * promises hold for. Others are for comparison.
   */
  readonly syncInterval?: string;
  /** In a cluster: own route port and those of all nodes. */
  readonly cluster?: { readonly name: string; readonly port: number; readonly routes: number[] };
}

export class NatsNode {
  readonly options: NodeOptions;
  #child: ChildProcess | null = null;

  constructor(options: NodeOptions) {
    this.options = options;
  }

  /** "nats://127.0.0.1:port". */
  get url(): string {
    return `nats://127.0.0.1:${this.options.port}`;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts the process and resolves when it accepts connections. */
  async start(): Promise<void> {
    const { binary, folder, port, args = [] } = this.options;
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, "nats.conf");
    writeFileSync(file, nodeConfig(this.options));
    const log = path.join(folder, "nats.log");
    // A group of its own: Ctrl-C in a terminal ends our process, which then stops nodes in order.
    this.#child = spawn(binary, ["-c", file, "-l", log, ...args], {
      stdio: "ignore",
      detached: true,
    });
    const endMs = Date.now() + START_MS_MAX;
    while (!(await accepts(port))) {
      if (!this.isRunning || Date.now() > endMs) {
        const detail = `nats-server ${this.options.name} did not start; its log is ${log}`;
        throw new CodedError("UNAVAILABLE", detail);
      }
      await sleep(10);
    }
  }

  /** Sends a signal and, unless it only freezes or thaws, waits for the end. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isRunning) return;
    const exited = once(child, "exit");
    child.kill(signal);
    if (signal !== "SIGSTOP" && signal !== "SIGCONT" && signal !== "SIGUSR2") await exited;
  }

  /** Ends the process, frozen or not. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.#child?.kill("SIGCONT");
    await this.signal("SIGKILL");
  }
}

/** A node's configuration file. */
export function nodeConfig(options: NodeOptions): string {
  const { name, port, folder, cluster, base, syncInterval = "always" } = options;
  const store = JSON.stringify(path.join(folder, "store"));
  const lines = [
    // The server takes the path as relative to this file, also when it is absolute.
    ...(base === undefined ? [] : [`include ${JSON.stringify(path.relative(folder, base))}`]),
    `server_name: ${name}`,
    `listen: 127.0.0.1:${port}`,
    `jetstream { store_dir: ${store}, sync_interval: ${syncInterval} }`,
  ];
  if (cluster !== undefined) {
    const routes = cluster.routes.map((route) => `nats://127.0.0.1:${route}`).join(", ");
    lines.push(
      `cluster { name: ${cluster.name}, listen: 127.0.0.1:${cluster.port}, routes: [${routes}] }`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Free ports on loopback, all different; free when they are returned, so take them soon. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return address.port;
  });
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false; // not yet; the caller tries again until its time is up
  } finally {
    socket.destroy();
  }
}
