/**
 * The gateways that follow: each gets what it lacks, at its own pace.
 *
 * A gateway has one message on its way. While it does not take it, changes cost it nothing here:
 * what it lacks is found again when it reads on, newest record of each key, so memory is bounded
 * however long it stands still. Those that keep up share every encoded message.
 */
import type { ConfigLog } from "./config-log.ts";

/** Where a gateway's messages go. */
export interface Outlet {
  /** Sends one message; `done` when the connection has taken it. */
  write(frame: Buffer, done: () => void): void;
  /** Ends the stream as UNAVAILABLE: the gateway goes to another control plane. */
  cut(why: string): void;
}

/** What is sent beside the configuration. */
export interface SideFrames {
  /** Says version and age; made anew for each round. */
  age(): Buffer;
  /** All gateways' addresses. */
  directory(): readonly Buffer[];
}

/** One gateway. */
export interface Watcher {
  readonly gateway: string;
  readonly outlet: Outlet;
  /** Version that what was sent brings it to. */
  sentVersion: number;
  /** {@link ConfigLog.changeCount} at that time; -1 before the first. */
  sentCount: number;
  /** Messages of an update that is being sent. */
  rest: readonly Buffer[];
  /** When the message on its way was given to the connection; null while none is. */
  busySinceMs: number | null;
  /** Lacks the directory as a whole. */
  needsDirectory: boolean;
  /** Is to be told the age. */
  needsAge: boolean;
}

export class Watchers {
  readonly #log: ConfigLog;
  readonly #side: SideFrames;
  readonly #nowMs: () => number;
  readonly #all = new Set<Watcher>();

  /** @param nowMs a clock that does not jump. */
  constructor(log: ConfigLog, side: SideFrames, nowMs: () => number) {
    this.#log = log;
    this.#side = side;
    this.#nowMs = nowMs;
  }

  get count(): number {
    return this.#all.size;
  }

  /** A gateway that has `version`; it is sent what it lacks. */
  add(gateway: string, version: number, outlet: Outlet): Watcher {
    const watcher: Watcher = {
      ...{ gateway, outlet, sentVersion: version, sentCount: -1, rest: [] },
      ...{ busySinceMs: null, needsDirectory: true, needsAge: true },
    };
    this.#all.add(watcher);
    this.#pump(watcher);
    return watcher;
  }

  remove(watcher: Watcher): void {
    this.#all.delete(watcher);
  }

  /** The configuration changed: whoever is idle gets it. */
  flush(): void {
    for (const watcher of this.#all) this.#pump(watcher);
  }

  /** Tells everyone the age. */
  tellAge(): void {
    const age = this.#side.age();
    for (const watcher of this.#all) {
      if (this.#isIdle(watcher)) this.#send(watcher, age);
      else watcher.needsAge = true;
    }
  }

  /** Tells everyone what changed in the directory; who is busy gets all of it later. */
  tellDirectory(change: Buffer): void {
    for (const watcher of this.#all) {
      if (this.#isIdle(watcher)) this.#send(watcher, change);
      else watcher.needsDirectory = true;
    }
  }

  /** Cuts off whoever has taken nothing for so long. */
  cutStuck(stuckMs: number): void {
    const nowMs = this.#nowMs();
    for (const watcher of this.#all) {
      const { busySinceMs } = watcher;
      if (busySinceMs === null || nowMs - busySinceMs < stuckMs) continue;
      this.#all.delete(watcher);
      watcher.outlet.cut(`the gateway has read nothing for ${stuckMs} ms`);
    }
  }

  /** Ends every stream. */
  cutAll(why: string): void {
    for (const { outlet } of this.#all) outlet.cut(why);
    this.#all.clear();
  }

  #isIdle(watcher: Watcher): boolean {
    return watcher.busySinceMs === null && watcher.sentCount === this.#log.changeCount;
  }

  /** Sends the next message, if one is due and none is on its way. */
  #pump(watcher: Watcher): void {
    if (watcher.busySinceMs !== null || !this.#all.has(watcher)) return;
    if (watcher.rest.length === 0 && watcher.sentCount !== this.#log.changeCount) {
      watcher.rest = this.#log.since(watcher.sentVersion);
      watcher.sentVersion = this.#log.version;
      watcher.sentCount = this.#log.changeCount;
    } else if (watcher.rest.length === 0 && watcher.needsDirectory) {
      watcher.needsDirectory = false;
      watcher.rest = this.#side.directory();
    }
    const [next, ...rest] = watcher.rest;
    watcher.rest = rest;
    if (next !== undefined) this.#send(watcher, next);
    else if (watcher.needsAge) {
      watcher.needsAge = false;
      this.#send(watcher, this.#side.age());
    }
  }

  #send(watcher: Watcher, frame: Buffer): void {
    watcher.busySinceMs = this.#nowMs();
    watcher.outlet.write(frame, () => {
      watcher.busySinceMs = null;
      this.#pump(watcher);
    });
  }
}
