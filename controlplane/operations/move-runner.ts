/**
 * The moves on their way: begins what nextMoves allows, and keeps what it has to know of each.
 *
 * One for the whole installation, whatever the operations: a shard's list is changed by one move at
 * a time (R11), and gateways hold the publishes of few slots at once. It keeps no record: a new
 * leader sees by the slots what has moved.
 */
import type { ShardAdmin } from "../../bus/shard-admin.ts";
import { CodedError } from "../../proto/coded-error.ts";
import {
  type MoveProgress,
  nextMoves,
  type PaceDecision,
  type PaceLimits,
  PlanState,
} from "../placement/next-moves.ts";
import type { SlotMove } from "../placement/placement.ts";

/** An undone move is begun again after this, then twice as long each time. Milliseconds. */
const RETRY_MS_MIN = 1000;
/** No longer than this: what keeps a move from being made may be mended any time. */
const RETRY_MS_MAX = 60_000;
/** Slots whose progress is kept: those of every group. Older ones are forgotten. */
const PROGRESS_COUNT_MAX = 16_384;

/** How a move ended. */
export interface MoveEnd {
  readonly slot: number;
  readonly to: number;
  /** Null when the slot was moved. */
  readonly error: CodedError | null;
}

/** What it works with. */
export interface MoveRunnerParts {
  readonly shards: Pick<ShardAdmin, "moveSlot">;
  readonly limits: PaceLimits;
  /** Throws when this process may not act any more. */
  mayAct(): void;
  /** Told after each move. Must not throw. */
  onEnd(end: MoveEnd): void;
  /** Of a clock that does not jump, milliseconds. */
  nowMs(): number;
}

export class MoveRunner {
  readonly #parts: MoveRunnerParts;
  readonly #progress = new Map<number, MoveProgress>();
  readonly #undoneCounts = new Map<number, number>();
  readonly #running = new Map<number, { readonly move: SlotMove; readonly ended: Promise<void> }>();
  #isStopped = false;

  constructor(parts: MoveRunnerParts) {
    this.#parts = parts;
  }

  /** Slots on their way, by this process. */
  get moving(): ReadonlySet<number> {
    return new Set(this.#running.keys());
  }

  /** Times the slot's move was undone since it was last moved. */
  undoneCount(slot: number): number {
    return this.#undoneCounts.get(slot) ?? 0;
  }

  /** How long until an undone move of the slot is begun again, ms; 0 when it was not undone. */
  retryInMs(slot: number): number {
    const progress = this.#progress.get(slot);
    if (progress?.kind !== "undone") return 0;
    return Math.max(0, progress.retryAtMs - this.#parts.nowMs());
  }

  /**
   * Begins what may begin now of these moves, in their order.
   *
   * @param moves pending ones; each slot once.
   * @returns what nextMoves decided last: when to ask again.
   */
  begin(moves: readonly SlotMove[]): PaceDecision {
    const nowMs = this.#parts.nowMs();
    this.#forget(moves, nowMs);
    // What moved before may move again for another operation.
    for (const { slot } of moves) {
      if (this.#progress.get(slot)?.kind !== "moved") continue;
      const { startedMs } = this.#progress.get(slot) ?? { startedMs: nowMs };
      this.#progress.set(slot, { kind: "undone", startedMs, retryAtMs: nowMs });
    }
    const present = moves.filter(({ slot }) => !this.#running.has(slot));
    const moving = [...this.#running.values()].map(({ move }) => move);
    const plan = { state: PlanState.running, moves: [...moving, ...present] };
    const decision = nextMoves(plan, this.#progress, this.#parts.limits, nowMs);
    if (decision.kind === "start" && !this.#isStopped) {
      for (const move of decision.moves) this.#start(move, nowMs);
    }
    return decision;
  }

  /** Begins nothing more; resolves when what is moving has ended, or after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopped = true;
    let timer: NodeJS.Timeout | null = null;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    const ended = [...this.#running.values()].map((each) => each.ended);
    await Promise.race([Promise.all(ended), late]);
    if (timer !== null) clearTimeout(timer);
  }

  #start(move: SlotMove, startedMs: number): void {
    const { slot, to } = move;
    this.#progress.set(slot, { kind: "moving", startedMs });
    const ended = this.#parts.shards
      .moveSlot(slot, to, () => this.#parts.mayAct())
      .then(
        () => this.#end(move, startedMs, null),
        (reason) => this.#end(move, startedMs, CodedError.from(reason)),
      );
    this.#running.set(slot, { move, ended });
  }

  #end({ slot, to }: SlotMove, startedMs: number, error: CodedError | null): void {
    this.#running.delete(slot);
    if (error === null) {
      this.#undoneCounts.delete(slot);
      this.#progress.set(slot, { kind: "moved", startedMs });
    } else {
      const count = this.undoneCount(slot) + 1;
      this.#undoneCounts.set(slot, count);
      const waitMs = Math.min(RETRY_MS_MIN * 2 ** (count - 1), RETRY_MS_MAX);
      const retryAtMs = this.#parts.nowMs() + waitMs;
      this.#progress.set(slot, { kind: "undone", startedMs, retryAtMs });
    }
    this.#parts.onEnd({ slot, to, error });
  }

  /** Starts that count no more in any window, of slots that nobody asks to move. */
  #forget(moves: readonly SlotMove[], nowMs: number): void {
    const asked = new Set(moves.map(({ slot }) => slot));
    const windowMs = Math.max(1000, 1000 / this.#parts.limits.startsPerSecondMax);
    for (const [slot, { startedMs }] of this.#progress) {
      if (asked.has(slot) || this.#running.has(slot)) continue;
      if (startedMs + windowMs > nowMs && this.#progress.size <= PROGRESS_COUNT_MAX) continue;
      this.#progress.delete(slot);
      this.#undoneCounts.delete(slot);
    }
  }
}
