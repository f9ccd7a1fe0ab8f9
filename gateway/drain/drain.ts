/**
 * Drains this gateway: its readiness falls while it still accepts, then nobody new is taken and its
 * clients are moved at a pace, and at the deadline what is left is closed.
 *
 * serving -> announcing -> draining -> drained; an undo leads back to serving from each.
 * docs/drain.md has why new clients are refused as they are.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CodedError } from "../../proto/coded-error.ts";
import { GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import { ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import type { Connections } from "../connections.ts";
import type { GatewayContext } from "../context.ts";
import { DrainTrace } from "./drain-trace.ts";
import { type MoveOrder, type MoveProgress, Mover } from "./mover.ts";
import { hasReceiver } from "./plan.ts";
import { decideAnnounceMsMin } from "./read-every.ts";

/** How often a drain looks whether everybody has gone, ms. */
const LOOK_MS = 50;
/** A first look at the others is given up after this, ms: a drain goes on with the old picture. */
const REFRESH_MS_MAX = 1500;
/** With nobody to go to, a drain that ends the process waits this long, ms, and then ends. */
const STUCK_MS_MAX = 3000;

/** How to drain. */
export interface DrainWish {
  /** Who asked: an operation's name; empty for a signal. */
  readonly name: string;
  readonly announceMs: number;
  /** From the begin, ms. */
  readonly deadlineMs: number;
  readonly ceilingPerS: number;
  /**
   * Whether the process ends: then nothing is waited for when nobody else takes clients, and a port
   * that is shared is kept, because its other listeners are ending too.
   */
  readonly endsProcess: boolean;
}

/** Where a gateway stands. */
export type DrainState = "serving" | "announcing" | "draining" | "drained";

/** For /health and reports. */
export interface DrainStatus extends MoveProgress {
  readonly state: DrainState;
  readonly name: string;
  readonly firstCount: number;
  /** Until the rest is closed, ms; 0 while serving, and when drained. */
  readonly leftMs: number;
  /** Since it began, ms; 0 while serving, and when drained. */
  readonly ageMs: number;
}

/** What a drain works on. */
export interface DrainParts {
  readonly context: GatewayContext;
  readonly connections: Connections;
  /** Tells the other gateways. */
  announce(state: ServingState): void;
  /** Stops or goes on listening on a port that other workers share; nothing where none does. */
  setSharedPort(isOpen: boolean): Promise<void>;
}

const nothing: MoveProgress = { toldCount: 0, forcedCount: 0, stuckSinceMs: null };

export class Drain {
  readonly #parts: DrainParts;
  #state: DrainState = "serving";
  #name = "";
  #firstCount = 0;
  #deadlineMs = 0;
  #beganMs = 0;
  #mover: Mover | null = null;
  #trace: DrainTrace | null = null;
  #undo = new AbortController();
  #run: Promise<DrainState> | null = null;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  get status(): DrainStatus {
    const isOver = this.#state === "serving" || this.#state === "drained";
    return {
      ...(this.#mover?.progress ?? nothing),
      state: this.#state,
      name: this.#name,
      firstCount: this.#firstCount,
      ageMs: isOver ? 0 : Math.round(performance.now() - this.#beganMs),
      leftMs: isOver ? 0 : Math.max(0, Math.round(this.#deadlineMs - performance.now())),
    };
  }

  /**
   * Drains; one that is under way goes on as it began.
   *
   * @returns "drained", or "serving" after an undo.
   */
  start(wish: DrainWish): Promise<DrainState> {
    this.#run ??= this.#traced(wish).finally(() => {
      if (this.#state === "serving") this.#run = null;
    });
    return this.#run;
  }

  /** Drains before the process ends, as the options say; at once where they say 0. */
  async end(): Promise<void> {
    const { drainAnnounceMs, drainDeadlineMs, drainRateMax } = this.#parts.context.options;
    if (drainDeadlineMs === 0) return;
    const times = { announceMs: drainAnnounceMs, deadlineMs: drainDeadlineMs };
    await this.start({ name: "", ...times, ceilingPerS: drainRateMax, endsProcess: true });
  }

  /** Serves again. Clients that were told to go may still go. */
  async undo(): Promise<void> {
    if (this.#state === "serving") return;
    this.#undo.abort();
    await this.#run;
    this.#run = null;
    this.#undo = new AbortController();
    this.#mover = null;
    this.#name = "";
    this.#parts.context.readiness.refuse(null);
    await this.#parts.setSharedPort(true);
    this.#setState("serving", ServingState.SERVING);
  }

  /** Moves some clients while this gateway goes on serving; not while it drains. */
  move(order: MoveOrder): void {
    if (this.#state !== "serving") return;
    this.#mover?.stop();
    const { context, connections } = this.#parts;
    this.#mover = new Mover(context, connections.all(), context.directory, order);
    this.#mover.start();
  }

  /** Ends a {@link move}. */
  stopMoving(): void {
    if (this.#state === "serving") this.#mover?.stop();
  }

  /** For good. */
  close(): void {
    this.#undo.abort();
    this.#mover?.stop();
    this.#parts.context.directory.close();
  }

  async #traced(wish: DrainWish): Promise<DrainState> {
    const { context, connections } = this.#parts;
    const { gatewayId, telemetry } = context;
    const drained = { gatewayId, name: wish.name, connectionCount: connections.count };
    const trace = new DrainTrace(telemetry.tracer, drained);
    this.#trace = trace;
    const { signal } = this.#undo;
    let state: DrainState;
    try {
      state = await this.#drain(wish, signal);
    } catch (error) {
      trace.fail(error);
      throw error;
    } finally {
      this.#trace = null;
    }
    const { toldCount, forcedCount } = this.status;
    const end = { toldCount, forcedCount, connectionCount: connections.count };
    trace.end({ ...end, state: signal.aborted ? "serving" : state });
    return state;
  }

  async #drain(wish: DrainWish, undo: AbortSignal): Promise<DrainState> {
    const { context, connections } = this.#parts;
    const { log, directory } = context;
    const beganMs = performance.now();
    this.#mover?.stop();
    this.#mover = null;
    this.#beganMs = beganMs;
    this.#deadlineMs = beganMs + wish.deadlineMs;
    this.#name = wish.name;
    this.#firstCount = connections.count;
    await Promise.race([directory.refresh(0), sleep(REFRESH_MS_MAX)]);
    if (undo.aborted) return this.#state;
    if (wish.endsProcess && !this.#isWorthWaiting()) return "drained";
    const { announceMs, deadlineMs } = wish;
    log.info({ connections: connections.count, announceMs, deadlineMs }, "draining is announced");
    this.#setState("announcing", ServingState.ANNOUNCING);
    await this.#announce(announceMs, undo);
    if (undo.aborted) return this.#state;
    this.#setState("draining", ServingState.DRAINING);
    context.readiness.refuse(() => refusal(directory.targets));
    if (!wish.endsProcess) await this.#parts.setSharedPort(false);
    await this.#moveAll(wish, undo);
    if (undo.aborted) return this.#state;
    await connections.closeRest("this gateway is drained; connect again");
    const { toldCount, forcedCount } = this.status;
    log.info({ toldCount, forcedCount }, "drained");
    this.#setState("drained", ServingState.STOPPED);
    return "drained";
  }

  /** So long, and until this gateway and others that drain know of each other; or until an undo. */
  async #announce(announceMs: number, undo: AbortSignal): Promise<void> {
    const { directory } = this.#parts.context;
    const beganMs = performance.now();
    const until = async (ms: number) => {
      const leftMs = Math.max(0, beganMs + ms - performance.now());
      await sleep(leftMs, undefined, { signal: undo }).catch(() => {}); // by an undo: callers look
    };
    await until(Math.max(announceMs, decideAnnounceMsMin(directory.peers.length, true)));
    if (undo.aborted) return;
    await Promise.race([directory.refresh(0), sleep(REFRESH_MS_MAX)]);
    const isAlone = !directory.peers.some(({ isDraining }) => isDraining);
    await until(decideAnnounceMsMin(directory.peers.length, isAlone));
  }

  /** Until everybody has gone, the deadline has come, or nobody else is there to go to. */
  async #moveAll(wish: DrainWish, undo: AbortSignal): Promise<void> {
    const { context, connections } = this.#parts;
    const mover = new Mover(context, connections.all(), context.directory, {
      reason: GoAwayReason.DRAIN,
      ceilingPerS: wish.ceilingPerS,
      countMax: Number.POSITIVE_INFINITY,
      deadlineMs: this.#deadlineMs,
      mayTake: () => true,
    });
    this.#mover = mover;
    mover.start();
    while (!undo.aborted && connections.count > 0 && performance.now() < this.#deadlineMs) {
      const { stuckSinceMs } = mover.progress;
      const stuckMs = stuckSinceMs === null ? 0 : performance.now() - stuckSinceMs;
      if (wish.endsProcess && stuckMs > STUCK_MS_MAX) break;
      await sleep(LOOK_MS);
    }
    mover.stop();
  }

  /** Whether somebody else takes clients: without, a wait only makes an outage longer. */
  #isWorthWaiting(): boolean {
    const { bus, directory } = this.#parts.context;
    return !bus.isCutOff && hasReceiver(directory.peers);
  }

  #setState(state: DrainState, said: ServingState): void {
    this.#state = state;
    if (state === "announcing" || state === "draining") this.#trace?.enter(state);
    this.#parts.announce(said);
  }
}

function refusal(targets: readonly string[]): CodedError {
  const where = targets[0] === undefined ? "" : `, or to ${targets[0]}`;
  return new CodedError("SERVER_STOPPING", `this gateway drains; connect again${where}`);
}
