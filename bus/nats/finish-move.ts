/**
 * What others do when a mover dies inside a move: the rows of R10's table.
 *
 * Every process that publishes watches records that are not open; past the deadline each tries, a
 * moment apart, and compare-and-set lets one of them win. No slot stays held for more than some
 * seconds, whoever died.
 */

import { SlotState } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";
import { isMoving, type Route, reopen } from "../route.ts";
import { commitMove, type MoveParts, put } from "./advance-epoch.ts";
import { hasEpoch } from "./shard-subjects.ts";

/** Processes try this far apart at random, ms, so that most find the work done. */
const JITTER_MS = 500;
/** After a failure it is tried again, ms. */
const RETRY_MS = 500;

/** Watches slots that move, and finishes or undoes a move whose mover is gone. */
export class FinishMoves {
  readonly #parts: MoveParts;
  readonly #timers = new Map<number, NodeJS.Timeout>();
  #isClosed = false;

  constructor(parts: MoveParts) {
    this.#parts = parts;
    parts.routes.follow((slot, route) => this.look(slot, route));
    // A fleet that was restarted inside a move finds it so.
    for (const slot of parts.routes.slots()) this.look(slot, parts.routes.of(slot));
  }

  /** Waits for the deadline of a slot that moves; forgets one that is open. */
  look(slot: number, route: Route): void {
    clearTimeout(this.#timers.get(slot));
    this.#timers.delete(slot);
    if (!isMoving(route) || this.#isClosed) return;
    const restMs = (Number(route.record.deadlineUs) - this.#parts.nowUs()) / 1000;
    this.#later(slot, Math.max(0, restMs) + Math.random() * JITTER_MS);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #later(slot: number, ms: number): void {
    const finish = () => {
      finishMove(this.#parts, slot).catch(() => {
        if (!this.#isClosed && this.#timers.has(slot)) this.#later(slot, RETRY_MS);
      });
    };
    this.#timers.set(slot, setTimeout(finish, ms).unref());
  }
}

/**
 * Finishes or undoes a move whose deadline has passed.
 *
 * @throws {CodedError} `UNAVAILABLE`: look again.
 */
export async function finishMove(parts: MoveParts, slot: number): Promise<Route> {
  const route = await parts.routes.refresh(slot);
  const { state, epoch, shard, deadlineUs } = route.record;
  if (!isMoving(route) || Number(deadlineUs) > parts.nowUs()) return route;
  // Sealing: nothing has changed yet. Removing: what the old owner's leader says decides.
  const isUndone =
    state === SlotState.SEALING || (await hasEpoch(parts.connection, shard, slot, epoch));
  return isUndone ? put(parts, slot, route, reopen(route.record)) : commitMove(parts, slot, route);
}
