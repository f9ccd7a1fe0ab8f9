/**
 * A generator process as its parent sees it: commands in, awaited replies out.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import { pinned, yielding, yieldSession } from "../servers/pin.ts";

/** Any message between parent and generator. */
interface Kinded {
  readonly kind: string;
}

/** Which generator: its file in this folder. */
export type GeneratorFile =
  | "generator.ts"
  | "durable-generator.ts"
  | "bus-generator.ts"
  | "room-generator.ts"
  | "move-worker.ts"
  | "move-generator.ts"
  | "storm-generator.ts"
  | "flag-generator.ts"
  | "login-generator.ts";

/** How a generator runs. */
export interface LoadProcessOptions {
  /** Further flags of Node, e.g. for profiles. */
  readonly nodeFlags?: readonly string[];
  /** It takes what time others leave: its clients would have machines of their own. */
  readonly yields?: boolean;
}

/** Time for a generator to end after its channel closed, before it is killed. */
const STOP_MS = 5000;

export class LoadProcess<Command extends Kinded, Reply extends Kinded> {
  readonly #child: ChildProcess;

  /**
   * @param core CPU core to stay on, or null for any.
   * @param how defaults: no flags, and it yields to nobody.
   */
  constructor(file: GeneratorFile, core: number | null, how: LoadProcessOptions = {}) {
    const { nodeFlags = [], yields = false } = how;
    const run: [string, ...string[]] = [
      process.execPath,
      ...NODE_FLAGS,
      ...nodeFlags,
      fileURLToPath(new URL(file, import.meta.url)),
    ];
    const [command, ...args] = pinned(core, yields ? yielding(run) : run);
    this.#child = spawn(command, args, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced", // histograms travel as typed arrays
      detached: yields, // a session of its own; it ends with its channel
    });
    if (yields) yieldSession(this.pid);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends a command and waits for the reply of that kind; fails when the process ends first. */
  async ask<K extends Reply["kind"]>(
    command: Command,
    kind: K,
  ): Promise<Extract<Reply, { kind: K }>> {
    const ended = new AbortController();
    const onExit = (code: number | null): void => {
      ended.abort(new Error(`a load generator ended with ${code} while "${command.kind}" ran`));
    };
    this.#child.once("exit", onExit);
    try {
      if (this.#child.exitCode !== null) onExit(this.#child.exitCode);
      else this.#child.send(command);
      for (;;) {
        const signal = ended.signal;
        const [reply] = (await once(this.#child, "message", { signal })) as [Reply];
        if (reply.kind === kind) return reply as Extract<Reply, { kind: K }>;
      }
    } catch (error) {
      throw ended.signal.aborted ? ended.signal.reason : error;
    } finally {
      this.#child.off("exit", onExit);
    }
  }

  /** Ends the process, and its connections with it. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await exited;
    clearTimeout(timer);
  }
}
