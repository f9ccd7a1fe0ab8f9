/**
 * The parent of workers: starts them, starts them again, and ends them.
 *
 * Each child is a process like any other, of main.ts with other flags. The parent itself serves no
 * client and holds no connection to the bus, so there is little that could end it.
 */
import { CodedError } from "../proto/coded-error.ts";
import { Child, type ChildEnd, type ChildParts, type ChildSpec } from "./child.ts";
import type { ChildReady } from "./link.ts";

/** What a fleet is made of. */
export type FleetParts = Pick<ChildParts, "log" | "spawn"> & {
  readonly children: readonly ChildSpec[];
  /** Children that were told to stop are killed after this, ms. */
  readonly stopMsMax: number;
};

export class Fleet {
  readonly children: readonly Child[];
  readonly #parts: FleetParts;
  readonly #started = Promise.withResolvers<ChildReady[]>();
  readonly #ended = Promise.withResolvers<void>();
  #hasStarted = false;
  #isStopping = false;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    const { log, spawn } = parts;
    const events = {
      onReady: (child: Child) => this.#onReady(child),
      onEnd: (child: Child, end: ChildEnd) => this.#onEnd(child, end),
    };
    this.children = parts.children.map((spec) => new Child(spec, { log, spawn, ...events }));
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /**
   * Starts all children. One that ends before all were ready ends the start: what is wrong then is
   * mostly wrong for good. Later it is started again.
   *
   * @returns what they said, in their order.
   * @throws {CodedError} `OPTION_INVALID` or `UNAVAILABLE`; the child has said why.
   */
  start(): Promise<ChildReady[]> {
    for (const child of this.children) child.start();
    return this.#started.promise;
  }

  /**
   * Stops all children, and kills those that take longer than `stopMsMax`.
   *
   * @returns whether none had to be killed.
   */
  async close(): Promise<boolean> {
    this.#isStopping = true;
    for (const child of this.children) child.stop("SIGTERM");
    this.#look();
    let isClean = true;
    const timer = setTimeout(() => {
      isClean = false;
      this.kill();
    }, this.#parts.stopMsMax);
    await this.#ended.promise;
    clearTimeout(timer);
    return isClean;
  }

  /** Ends all children at once. */
  kill(): void {
    this.#isStopping = true;
    for (const child of this.children) {
      if (child.state !== "ended") {
        this.#parts.log.warn({ id: child.spec.id, pid: child.pid }, "a child is killed");
      }
      child.stop("SIGKILL");
    }
    this.#look();
  }

  #onReady(child: Child): void {
    const { id } = child.spec;
    this.#parts.log.info({ id, pid: child.pid, restarts: child.restartCount }, "a child is ready");
    if (!this.children.every(({ state }) => state === "ready")) return;
    this.#hasStarted = true;
    const said = this.children.flatMap(({ ready }) => (ready === null ? [] : [ready]));
    this.#started.resolve(said);
  }

  #onEnd(child: Child, { code, signal }: ChildEnd): void {
    if (!this.#hasStarted && !this.#isStopping) {
      const how = signal === null ? `exit code ${code}` : signal;
      const detail = `${child.spec.id} ended with ${how} before it was ready; see what it says above`;
      void this.close().then(() => {
        this.#started.reject(new CodedError(code === 2 ? "OPTION_INVALID" : "UNAVAILABLE", detail));
      });
    }
    this.#look();
  }

  #look(): void {
    if (this.#isStopping && this.children.every(({ state }) => state === "ended")) {
      this.#ended.resolve();
    }
  }
}
