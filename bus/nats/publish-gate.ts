/**
 * Holds durable publishes while their slot's route may be changing (R10 step 1), and counts those
 * in flight, so that this process can say when it has settled them.
 *
 * A slot is held while its record is not open, also that of a group which this process does not
 * know (yet), and while the record is being read again. Everything is held after a stall or a
 * reconnect until routes and lease are known to be good (R10, R12).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CodedError } from "../../proto/coded-error.ts";
import { SlotState } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";
import { isMoving, isOpen, type Route } from "../route.ts";
import { GROUP_COUNT_MAX, SLOT_COUNT } from "../subjects.ts";
import type { Routes } from "./routes.ts";

/** Publishes held at once; more are refused, to be tried again. */
export const HELD_COUNT_MAX = 16_384;
/**
 * A publish held longer is refused, ms, with all that are held behind it: their producers' lanes
 * try again, or tell their clients.
 */
const HOLD_MS_MAX = 2000;
/** How often that is looked for, ms. */
const LOOK_MS = 250;
/** A record that can not be read is asked for again after this, ms. */
const READ_RETRY_MS = 100;

/** A publish that waits at the gate. */
export interface Held {
  /** Goes on with the route that is open now; {@link PublishGate.leave} must follow. */
  start(route: Route): void;
  /** Is not sent; nothing was counted. */
  refuse(error: CodedError): void;
}

interface Timed {
  readonly publish: Held;
  readonly deadlineMs: number;
}

export class PublishGate {
  readonly #routes: Routes;
  readonly #onSettled: (revision: number, isAwaited: boolean) => void;
  readonly #inFlight = new Uint32Array(GROUP_COUNT_MAX * SLOT_COUNT);
  readonly #held = new Map<number, Timed[]>();
  /** Slots whose record is being read again. */
  readonly #reading = new Set<number>();
  /** Slots that move. */
  readonly #closed = new Set<number>();
  readonly #look: NodeJS.Timeout;
  #heldCount = 0;
  /** Of the newest sealing record that is settled: its mover waited for it. */
  #awaitedRevision = 0;
  /** Reasons that hold everything. */
  #stopCount = 0;
  #end: CodedError | null = null;

  /**
   * @param onSettled is told the revision of routing through which every change is applied and
   *   nothing sent before it is unanswered; and whether a mover waits for it, which only the seal
   *   of a slot lets it do.
   */
  constructor(routes: Routes, onSettled: (revision: number, isAwaited: boolean) => void) {
    this.#routes = routes;
    this.#onSettled = onSettled;
    this.#look = setInterval(() => this.#refuseLate(), LOOK_MS).unref();
    for (const slot of routes.slots()) if (isMoving(routes.of(slot))) this.#closed.add(slot);
    routes.follow((slot, route) => {
      if (isMoving(route)) this.#closed.add(slot);
      else this.#closed.delete(slot);
      this.#release(slot);
      this.#tellSettled();
    });
    routes.followRevision(() => this.#tellSettled());
    this.#tellSettled();
  }

  /** Publishes held now. */
  get heldCount(): number {
    return this.#heldCount;
  }

  /** Starts a publish now, or when its slot is open. Hot path: no closure of its own. */
  enter(slot: number, publish: Held): void {
    if (this.#end !== null) {
      publish.refuse(this.#end);
    } else if (!this.#isHolding(slot) && !this.#held.has(slot)) {
      this.#start(slot, publish);
    } else if (this.#heldCount >= HELD_COUNT_MAX) {
      const detail = `${HELD_COUNT_MAX} publishes wait for a slot's route`;
      publish.refuse(new CodedError("UNAVAILABLE", detail));
    } else {
      this.#heldCount += 1;
      const timed = { publish, deadlineMs: performance.now() + HOLD_MS_MAX };
      const held = this.#held.get(slot);
      if (held === undefined) this.#held.set(slot, [timed]);
      else held.push(timed);
    }
  }

  /** A started publish is answered. */
  leave(slot: number): void {
    const count = (this.#inFlight[slot] ?? 0) - 1;
    this.#inFlight[slot] = count;
    if (count === 0 && this.#closed.has(slot)) this.#tellSettled();
  }

  /** Nobody answered for the slot: its record is read again before more is sent. */
  suspect(slot: number): void {
    if (this.#reading.has(slot) || this.#end !== null) return;
    this.#reading.add(slot);
    void this.#readRoute(slot);
  }

  /** Holds everything; call what is returned, once, to go on. */
  stopAll(): () => void {
    this.#stopCount += 1;
    return () => {
      this.#stopCount -= 1;
      for (const slot of [...this.#held.keys()]) this.#release(slot);
    };
  }

  /** Refuses what is held, and everything from now on. */
  close(error: CodedError): void {
    this.#end = error;
    clearInterval(this.#look);
    for (const held of this.#held.values()) for (const { publish } of held) publish.refuse(error);
    this.#held.clear();
    this.#heldCount = 0;
  }

  #isHolding(slot: number): boolean {
    return this.#stopCount > 0 || this.#reading.has(slot) || !isOpen(this.#routes.of(slot));
  }

  #start(slot: number, publish: Held): void {
    this.#inFlight[slot] = (this.#inFlight[slot] ?? 0) + 1;
    publish.start(this.#routes.of(slot));
  }

  async #readRoute(slot: number): Promise<void> {
    for (let isRead = false; !isRead && this.#end === null; ) {
      isRead = await this.#routes.refresh(slot).then(
        () => true,
        () => sleep(READ_RETRY_MS, false, { ref: false }),
      );
    }
    this.#reading.delete(slot);
    this.#release(slot);
  }

  #release(slot: number): void {
    const held = this.#held.get(slot);
    if (held === undefined || this.#isHolding(slot)) return;
    this.#held.delete(slot);
    this.#heldCount -= held.length;
    for (const { publish } of held) this.#start(slot, publish);
  }

  /**
   * All of a slot with the first that is late: were the others started when the slot opens, they
   * would overtake those of their producers that were refused (R3).
   */
  #refuseLate(): void {
    const nowMs = performance.now();
    for (const [slot, held] of this.#held) {
      if ((held[0]?.deadlineMs ?? nowMs) >= nowMs) continue;
      this.#held.delete(slot);
      this.#heldCount -= held.length;
      const error = new CodedError("UNAVAILABLE", `the route of slot ${slot} is not known now`);
      for (const { publish } of held) publish.refuse(error);
    }
  }

  #tellSettled(): void {
    let revision = this.#routes.revision;
    for (const slot of this.#closed) {
      if ((this.#inFlight[slot] ?? 0) === 0) continue;
      revision = Math.min(revision, this.#routes.of(slot).revision - 1);
    }
    let awaited = 0;
    for (const slot of this.#closed) {
      const route = this.#routes.of(slot);
      const isSettled = route.record.state === SlotState.SEALING && route.revision <= revision;
      if (isSettled) awaited = Math.max(awaited, route.revision);
    }
    const isAwaited = awaited > this.#awaitedRevision;
    if (isAwaited) this.#awaitedRevision = awaited;
    this.#onSettled(revision, isAwaited);
  }
}
