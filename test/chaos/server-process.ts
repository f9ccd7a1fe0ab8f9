/**
 * A gateway or control plane under trial: a real process of main.ts, killed, frozen and started
 * again in the same place.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";

/** Longest wait for readiness, ms: also with NATS nodes missing. */
const START_MS_MAX = 60_000;
/** A process that gives up since NATS does not answer is started again so often, as it advises. */
const START_COUNT_MAX = 5;
const GAVE_UP = "[UNAVAILABLE]";
/** A process that is asked to end is killed after this, ms. */
const STOP_MS_MAX = 15_000;

/** What a process is started with. */
export interface ServerSetup {
  readonly name: string;
  /** Folder of main.ts: the product, or a broken copy of it. */
  readonly root: string;
  readonly parts: "gateway" | "controlplane";
  readonly env: Readonly<Record<string, string>>;
  /** Folder for its log. */
  readonly folder: string;
}

/** What main.ts says when it is ready. */
interface Ready {
  readonly http: string | null;
  readonly grpc: string | null;
}

export class ServerProcess {
  readonly setup: ServerSetup;
  readonly #log: WriteStream;
  readonly #onDeath: (text: string) => void;
  #child: ChildProcess | null = null;
  #isEndWanted = false;
  #port = 0;
  #grpc = "127.0.0.1:0";

  /** @param onDeath told when it ends though nobody asked it to. */
  constructor(setup: ServerSetup, onDeath: (text: string) => void) {
    this.setup = setup;
    this.#onDeath = onDeath;
    this.#log = createWriteStream(path.join(setup.folder, `${setup.name}.log`), { flags: "a" });
  }

  get name(): string {
    return this.setup.name;
  }

  /** Of WebSocket and HTTP; the same after a restart. */
  get port(): number {
    return this.#port;
  }

  /** Of gRPC, "127.0.0.1:9090". */
  get grpc(): string {
    return this.#grpc;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== null && child.exitCode === null && child.signalCode === null;
  }

  /** Starts it, as a supervisor does; resolves when it is ready. */
  async start(): Promise<void> {
    for (let turn = 1; !(await this.#startOnce(turn === START_COUNT_MAX)); turn += 1);
  }

  /**
   * @param isLast whether it is an error when it gives up.
   * @returns whether it is ready; false: it gave up.
   */
  async #startOnce(isLast: boolean): Promise<boolean> {
    const { root, parts, env, name } = this.setup;
    const child = spawn(process.execPath, [...NODE_FLAGS, "main.ts", "--parts", parts], {
      cwd: root,
      env: {
        PORT: String(this.#port),
        CONTROL_PORT: this.#grpc.split(":").at(-1) ?? "0",
        GATEWAY_ID: name,
        LOG_FORMAT: "json",
        LOG_LEVEL: "info",
        PAGE: "off",
        DRAIN_DEADLINE_MS: "0", // an end is a fault here: at once
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#isEndWanted = false;
    let [isReady, hasGivenUp] = [false, false];
    child.stderr?.on("data", (bytes) => {
      if (!isReady && !isLast && String(bytes).includes(GAVE_UP)) hasGivenUp = true;
    });
    // Not "exit": what it said last is read by then.
    child.once("close", (code, signal) => {
      if (!hasGivenUp) this.#onExit(child, code, signal);
    });
    child.stderr?.pipe(this.#log, { end: false });
    const ready = await this.#untilReady(child).catch((error: unknown) => {
      if (!hasGivenUp) throw error;
      return null;
    });
    if (ready === null) return false;
    isReady = true;
    if (ready.http !== null) this.#port = Number(new URL(ready.http).port);
    if (ready.grpc !== null) this.#grpc = ready.grpc;
    return true;
  }

  /** Sends a signal; the process is expected to end by it. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === null || !this.isRunning) return;
    this.#isEndWanted = true;
    const exited = once(child, "exit");
    if (signal === "SIGKILL") child.kill("SIGCONT");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await exited;
    clearTimeout(timer);
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    await this.end("SIGKILL");
    this.#log.end();
  }

  async #untilReady(child: ChildProcess): Promise<Ready> {
    const { stdout } = child;
    if (stdout === null) throw new Error("no stdout");
    const found = Promise.withResolvers<Ready>();
    createInterface({ input: stdout }).on("line", (line) => {
      this.#log.write(`${line}\n`);
      if (line.startsWith('{"ready":true')) found.resolve(JSON.parse(line) as Ready);
    });
    child.once("close", (code) => {
      found.reject(new Error(`${this.name} ended with ${code} before it was ready`));
    });
    const timer = setTimeout(() => {
      found.reject(new Error(`${this.name} was not ready within ${START_MS_MAX} ms`));
    }, START_MS_MAX);
    try {
      return await found.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (child !== this.#child || this.#isEndWanted) return;
    this.#onDeath(`${this.name} ended by itself with ${code ?? signal}`);
  }

  /** At the exit of the run itself, when nothing can be awaited. */
  killNow(): void {
    this.#child?.kill("SIGKILL");
  }
}
