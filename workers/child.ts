/**
 * One child process: started, followed, and started again when it ends.
 */
import type { ChildProcess } from "node:child_process";
import { type ChildReady, isChildReady } from "./link.ts";
import type { Log } from "./log.ts";
import { decideRespawn } from "./respawn.ts";

/** What a child is. */
export interface ChildSpec {
  /** Its GATEWAY_ID. */
  readonly id: string;
  readonly role: "gateway" | "controlplane";
  /** Flags that make it so, after those of the parent. */
  readonly flags: readonly string[];
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly atMs: number;
}

/** What a child is doing: "waiting" until its next start, "ended" for good. */
export type ChildState = "starting" | "ready" | "waiting" | "ended";

/** What a child needs of its parent. */
export interface ChildParts {
  readonly log: Log;
  /** Starts its process with an IPC channel, in a process group of its own. */
  spawn(spec: ChildSpec): ChildProcess;
  onReady(child: Child): void;
  onEnd(child: Child, end: ChildEnd): void;
}

export class Child {
  readonly spec: ChildSpec;
  readonly #parts: ChildParts;
  #process: ChildProcess | null = null;
  #state: ChildState = "waiting";
  #ready: ChildReady | null = null;
  #readyMs = 0;
  #startCount = 0;
  #failureCount = 0;
  #lastEnd: ChildEnd | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(spec: ChildSpec, parts: ChildParts) {
    this.spec = spec;
    this.#parts = parts;
  }

  get state(): ChildState {
    return this.#state;
  }

  /** What it said when it was ready; null when it is not. */
  get ready(): ChildReady | null {
    return this.#ready;
  }

  /** Null while there is no process. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Starts after the first one. */
  get restartCount(): number {
    return Math.max(0, this.#startCount - 1);
  }

  get lastEnd(): ChildEnd | null {
    return this.#lastEnd;
  }

  start(): void {
    this.#startCount += 1;
    this.#state = "starting";
    const child = this.#parts.spawn(this.spec);
    this.#process = child;
    child.on("message", (message) => {
      if (isChildReady(message)) this.#onReady(message);
    });
    // Both may come, or one: a process that could not be started has no exit.
    child.once("error", (error) => {
      const { id } = this.spec;
      this.#parts.log.error({ id, error: error.message }, "a child could not be started");
      if (child.pid === undefined) this.#onEnd(null, null);
    });
    child.once("exit", (code, signal) => this.#onEnd(code, signal));
  }

  /** Sends a signal and starts it no more. */
  stop(signal: NodeJS.Signals): void {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    if (this.#process === null) this.#state = "ended";
    else this.#process.kill(signal);
  }

  #onReady(ready: ChildReady): void {
    this.#state = "ready";
    this.#ready = ready;
    this.#readyMs = performance.now();
    this.#parts.onReady(this);
  }

  #onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    const readyForMs = this.#ready === null ? 0 : performance.now() - this.#readyMs;
    this.#process = null;
    this.#ready = null;
    this.#lastEnd = { code, signal, atMs: Date.now() };
    this.#state = this.#isStopping ? "ended" : "waiting";
    this.#parts.onEnd(this, this.#lastEnd);
    if (this.#isStopping) return; // also when onEnd has just stopped everything
    const { failureCount, waitMs } = decideRespawn(readyForMs, this.#failureCount);
    this.#failureCount = failureCount;
    const facts = { id: this.spec.id, code, signal, failureCount, waitMs };
    this.#parts.log.warn(facts, "a child has ended and is started again");
    this.#timer = setTimeout(() => this.start(), waitMs);
  }
}
